package redfish

import (
	"context"
	"strings"
	"testing"

	"github.com/rackwright/rackwright/redfish/bmcsim"
)

func TestIntegrity(t *testing.T) {
	const ci = "/redfish/v1/ComponentIntegrity"
	b := host().with(bodies{ci: refList("ComponentIntegrity", ci+"/ERoT_1", ci+"/TPM"),
		ci + "/ERoT_1": res(ci+"/ERoT_1", "ComponentIntegrity", `"ComponentIntegrityEnabled":true,"ComponentIntegrityType":"SPDM","ComponentIntegrityTypeVersion":"1.1.0","TargetComponentURI":"/redfish/v1/Chassis/E/","Links":{"ComponentsProtected":[{"@odata.id":"/redfish/v1/Managers/BMC"}]},"Actions":{"#ComponentIntegrity.SPDMGetSignedMeasurements":{"target":"/x"}}`),
		ci + "/TPM":    res(ci+"/TPM", "ComponentIntegrity", `"ComponentIntegrityEnabled":false,"ComponentIntegrityType":"TPM"`)})
	b["/redfish/v1"] = strings.TrimSuffix(b["/redfish/v1"], "}") + "," + ref("ComponentIntegrity", ci) + "}"
	tr, err := walk(context.Background(), b)
	if err != nil {
		t.Fatal(err)
	}
	got := integrityOf(tr)
	if len(got) != 2 || !got[0].Enabled || !got[0].Signs || got[0].Type != "SPDM" || got[0].Target != "/redfish/v1/Chassis/E" || got[0].Covers[0] != "/redfish/v1/Managers/BMC" || got[1].Enabled || got[1].Signs {
		t.Errorf("%+v", got)
	}
}

// TestIntegritySim: over HTTPS, and an entry that does not answer is an error.
func TestIntegritySim(t *testing.T) {
	r := newRig(t, bmcsim.ProfileX86, nil)
	if list, err := r.dial(t).Integrity(soon(t)); err != nil || len(list) != 0 {
		t.Errorf("a server without the list: %v, %v", list, err)
	}
}

// TestSamplesIntegrity: the entries of the captures, by SOURCES.md.
func TestSamplesIntegrity(t *testing.T) {
	sampleNames(t)
	for name, want := range map[string]int{"supermicro-gb300-nvl": 14, "hpe-dl380a-gen11-h100-ilo6": 6, "google-component-integrity": 2} {
		tr, err := walk(context.Background(), loadSample(t, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := integrityOf(tr); len(got) != want {
			t.Errorf("%s: %d entries, want %d", name, len(got), want)
		}
	}
}
