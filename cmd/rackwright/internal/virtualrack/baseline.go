package virtualrack

import (
	"fmt"
	"strings"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/redfish/bmcsim"
)

// Baseline is the firmware baseline of one profile: what its Document says, and
// the pairs of component and version that its Package holds.
type Baseline struct {
	Name, Profile string
	payload       []string
	wants         []want
}

// packageSize is the filler of a simulated firmware package, in bytes.
const packageSize = 256 << 10

// Package is the firmware package, in the simulated BMCs' own format.
func (b Baseline) Package() []byte { return bmcsim.Bundle(packageSize, b.payload...) }

// want is one component of a baseline.
type want struct {
	name, ids, version, old, activate string
	count                             int
	flashes                           bool // the package holds it
}

// Baselines are those of the virtual rack's profiles that firmware is judged of.
func Baselines() []Baseline {
	hgx := Baseline{Name: "hgx-8@demo-1", Profile: bmcsim.ProfileHGX, payload: []string{gpuFirmware + "*", GPUVersion},
		wants: []want{{name: "gpu", ids: "^" + gpuFirmware + `\d+$`, version: GPUVersion, old: OldGPUVersion, activate: "host-reset", count: 8, flashes: true}}}
	sw := Baseline{Name: "nvlink-switch@demo-1", Profile: bmcsim.ProfileSwitch, payload: []string{"MGX_FW_BMC_0", switchBMC},
		wants: []want{{name: "bmc", ids: "^MGX_FW_BMC_0$", version: switchBMC, activate: "bmc-reset", count: 1, flashes: true}}}
	return []Baseline{hgx, sw}
}

// VMBaselines are those of a rack of virtual machines: the version its
// simulated BMCs have. The firmware of the machines is OVMF's and not flashed.
func VMBaselines() []Baseline {
	return []Baseline{{Name: "x86-vm@demo-1", Profile: bmcsim.ProfileX86, payload: []string{"BMC", vmBMC},
		wants: []want{{name: "bmc", ids: "^BMC$", version: vmBMC, activate: "bmc-reset", count: 1, flashes: true}}}}
}

const vmBMC = "1.10.0"

const switchBMC = "88.0002.1252"

// Document is the baseline as YAML, with the digest of its package.
func (b Baseline) Document(artifact inventory.Digest) []byte {
	var w strings.Builder
	fmt.Fprintf(&w, "baseline: %s\ntitle: SIMULATED baseline of %s\nprofile: %s\nignore: [\".*\"]\ncomponents:\n", b.Name, b.Profile, b.Profile)
	for _, c := range b.wants {
		fmt.Fprintf(&w, "  - name: %s\n    ids: ['%s']\n    count: %d\n    artifact: %s\n    activate: %s\n    settle: 10s\n    noProgress: 10s\n    install: 1m\n    versions:\n", c.name, c.ids, c.count, artifact, c.activate)
		if c.old != "" {
			fmt.Fprintf(&w, "      - {v: %q, rank: 10, known_bad: true, why: \"the demo says so\"}\n", c.old)
		}
		fmt.Fprintf(&w, "      - {v: %q, rank: 20, target: true}\n", c.version)
	}
	return []byte(w.String())
}
