package killtest_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/config"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/virtualrack"
	"github.com/rackwright/rackwright/redfish/bmcsim"
)

// rackName is the rack of the matrix: C01 comes with old GPU firmware, C02 does not.
const rackName = "K01"

// rackType is written into the manifest itself: gates that people sign are out
// of it from discovery on, so that only machines are between a kill and its end.
const rackType = `
name: kill-2
version: 1
title: two small HGX nodes for the kill matrix
tolerance: {compute: 2}
powerOrder: [compute]
slots:
  - {path: C01, kind: compute, u: 1, height: 5, required: true}
  - {path: C02, kind: compute, u: 6, height: 5, required: true}
`

var noGates = []string{"ntp.set", "log.forwarding", "lockdown", "bios.settings", "bmc.settings", "attestation", "cabling", "pcie.width_speed", "fans",
	"power.sequence", "cable.map"}

// lane is one place where racks are killed: addresses of its own, and a record
// that stands just before the machines' work begins.
type lane struct {
	host     string // 127.x.y.1
	ports    []int  // http, agents, dhcp, tftp, then one per BMC
	data     string // folder of the prepared record
	dsn      string // of the prepared PostgreSQL database; empty: SQLite
	tokens   map[string]string
	patience time.Duration           // how long a journey may take after a kill
	clone    func(*testing.T) string // a copy of the prepared database
}

// addresses finds a loopback network and ports that nobody uses now.
func addresses(t *testing.T, n int) *lane {
	t.Helper()
	l := &lane{host: fmt.Sprintf("127.%d.%d.1", 64+os.Getpid()%120, n+1), tokens: map[string]string{}, patience: patience}
	var open []net.Listener
	for range 6 {
		c, err := net.Listen("tcp", l.host+":0")
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
		l.ports = append(l.ports, c.Addr().(*net.TCPAddr).Port)
	}
	for _, c := range open {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func (l *lane) subnet(last string) string {
	return l.host[:strings.LastIndex(l.host, ".")+1] + last
}

// layout is the rack with few parts: a full reading takes tens of requests.
func (l *lane) layout() virtualrack.Layout {
	out := virtualrack.Layout{Rack: rackName, Type: "kill-2", Position: "kill matrix"}
	for i, slot := range []string{"C01", "C02"} {
		s := bmcsim.NewSpec(bmcsim.ProfileHGX, rackName+"-"+slot)
		s.Serial = "KILL" + slot
		s.ChassisSerial, s.Factory, s.Listen = s.Serial, true, fmt.Sprintf("%s:%d", l.host, l.ports[4+i])
		few := map[string]int{"cpu": 1, "dimm": 2, "gpu": 2, "nvswitch": 0, "nic": 1, "drive": 1, "psu": 1}
		s.Parts = slices.DeleteFunc(s.Parts, func(p bmcsim.Part) bool { few[p.Kind]--; return few[p.Kind] < 0 })
		s.Firmware = slices.DeleteFunc(s.Firmware, func(f bmcsim.Firmware) bool {
			return strings.HasPrefix(f.ID, "HGX_FW_NVSwitch") || strings.HasPrefix(f.ID, "HGX_FW_GPU_SXM_") && f.ID > "HGX_FW_GPU_SXM_2"
		})
		s.Timing = bmcsim.Timing{PowerOn: 10 * time.Millisecond, PowerOff: 10 * time.Millisecond, Post: 20 * time.Millisecond, BMCReset: 100 * time.Millisecond, Update: 120 * time.Millisecond}
		s.Update.RetryAfter = 0
		out.Units = append(out.Units, virtualrack.Unit{Slot: slot, Profile: bmcsim.ProfileHGX, Spec: s})
	}
	return out
}

// rack is the hardware as delivered, new for each point.
func (l *lane) rack(t *testing.T, spool string, o bmcsim.Options) *virtualrack.Rack {
	t.Helper()
	r, err := virtualrack.New(l.layout(), virtualrack.Options{Spool: spool, Fleet: o, Faults: []virtualrack.Fault{{Kind: virtualrack.FaultOldGPU, Slot: "C01"}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	return r
}

// manifest is the packing list with the rack type in it.
func manifest(t *testing.T, r *virtualrack.Rack) []byte {
	t.Helper()
	raw, err := r.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	var doc, typ map[string]any
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal([]byte(rackType), &typ); err != nil {
		t.Fatal(err)
	}
	var rules []map[string]any
	for _, g := range noGates {
		rules = append(rules, map[string]any{"gate": g, "by": "not_applicable", "reason": "the kill matrix has no people after the start"})
	}
	rules = append(rules, map[string]any{"gate": "leak.none", "by": "not_applicable", "reason": "air cooled"})
	typ["gates"] = rules
	doc["racks"].([]any)[0].(map[string]any)["type"] = typ
	out, err := yaml.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// baseline is the signed document: one component, activated by a reset of the host.
func baseline(artifact string) []byte {
	return fmt.Appendf(nil, `baseline: kill@1
title: SIMULATED baseline of the kill matrix
profile: hgx-8
ignore: [".*"]
components:
  - name: gpu
    ids: ['^HGX_FW_GPU_SXM_\d+$']
    count: 2
    artifact: %s
    activate: host-reset
    settle: 10s
    noProgress: 10s
    install: 30s
    versions:
      - {v: %q, rank: 10, known_bad: true, why: "the test says so"}
      - {v: %q, rank: 20, target: true}
`, artifact, virtualrack.OldGPUVersion, virtualrack.GPUVersion)
}

// payload is the firmware package: large enough that half of it is a moment.
func payload() []byte { return bmcsim.Bundle(256<<10, "HGX_FW_GPU_SXM_*", virtualrack.GPUVersion) }

// settings are the rhythm of the matrix: tenths of seconds. The defaults are
// asserted by package config.
func (l *lane) settings(data, dsn, key string) config.Config {
	c := config.Default()
	c.Site, c.Data, c.Database, c.Management.Address = "kill", data, dsn, "127.0.0.1:0"
	k := &c.Conductor
	// A machine that stands still for longer than the cut adds a lost request to the
	// blow, which is another test. On SQLite nobody waits for the lease of the dead.
	k.Parallel, k.Lease, k.Grace, k.Poll, k.Settle = 4, 12*time.Second, 200*time.Millisecond, 25*time.Millisecond, 60*time.Millisecond
	k.Cut, k.Renew, k.Margin, k.Backoff, k.Longest = 10*time.Second, 2*time.Second, 3*time.Second, 50*time.Millisecond, 400*time.Millisecond
	if dsn != "" { // two servers may share this record: each commit is a few round trips more
		k.Lease, k.Cut, k.Renew, k.Margin = 4*time.Second, 3200*time.Millisecond, 800*time.Millisecond, 1200*time.Millisecond
	}
	c.Redfish.Watch = 5 * time.Minute // the judge counts requests at once, and the watch's come on top
	c.Redfish.Again, c.Redfish.Quiet, c.Firmware.Quiet = 300*time.Millisecond, 1500*time.Millisecond, 2*time.Second
	c.BurnIn.Plan, c.BurnIn.Boot, c.BurnIn.Heartbeat = "smoke", 8*time.Second, 15*time.Second
	for _, d := range []*time.Duration{&k.Lease, &k.Grace, &k.Cut, &k.Renew, &k.Margin, &c.Redfish.Quiet, &c.Firmware.Quiet, &c.BurnIn.Boot, &c.BurnIn.Heartbeat} {
		*d *= slow
	}
	c.Firmware.Keys = []string{key}
	net := l.subnet("0/24")
	c.Provisioning = config.Provisioning{Address: fmt.Sprintf("%s:%d", l.host, l.ports[0]), Agents: fmt.Sprintf("%s:%d", l.host, l.ports[1]), DHCP: "authoritative",
		Subnets: []string{net + "=" + l.subnet("100") + "-" + l.subnet("250")}, Programs: filepath.Join(data, "programs"),
		Ports: config.Ports{DHCP: l.ports[2], TFTP: l.ports[3]}}
	return c
}
