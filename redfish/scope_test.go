package redfish

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rackwright/rackwright/redfish/bmcsim"
)

// TestScopeFirmware: an image belongs to the System it is related to, else to
// the one its id names, else to all of the service.
func TestScopeFirmware(t *testing.T) {
	fw := "/redfish/v1/UpdateService/FirmwareInventory"
	item := func(id, related string) string {
		more := `"Version":"1.2"`
		if related != "" {
			more += `,"RelatedItem":[{"@odata.id":"` + related + `"}]`
		}
		return res(fw+"/"+id, "SoftwareInventory", more)
	}
	ids := map[string]string{"BMC": "", "Node0.BIOS": "", "Node1.BIOS": "", "Node10.BIOS": "", "X": "/redfish/v1/Systems/Node0", "Y": "/redfish/v1/Systems/Node1/Processors/C0"}
	b := service(ref("UpdateService", "/redfish/v1/UpdateService"),
		map[string]string{"Node0": withReset + `,"SerialNumber":"SN10"`, "Node1": withReset + `,"SerialNumber":"SN11"`}, nil)
	b["/redfish/v1/UpdateService"] = res("/redfish/v1/UpdateService", "UpdateService", ref("FirmwareInventory", fw))
	var paths []string
	for id, related := range ids {
		b[fw+"/"+id] = item(id, related)
		paths = append(paths, fw+"/"+id)
	}
	b[fw] = refList("SoftwareInventory", paths...)
	for node, want := range map[string][]string{"Node0": {"BMC", "Node0.BIOS", "Node10.BIOS", "X"}, "Node1": {"BMC", "Node1.BIOS", "Node10.BIOS", "Y"}} {
		o, _, _ := observed(t, b, node)
		var got []string
		for _, k := range partKeys(o) {
			if id, ok := strings.CutPrefix(k, "firmware/"); ok {
				got = append(got, id)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", node, got, want)
		}
	}
}

// TestScopeChassis: a Chassis that names no System belongs to the one that
// names it; where both do it is shared.
func TestScopeChassis(t *testing.T) {
	links := func(ids ...string) string {
		var refs []string
		for _, id := range ids {
			refs = append(refs, `{"@odata.id":"/redfish/v1/Chassis/`+id+`"}`)
		}
		return withReset + `,"SerialNumber":"SN1","Links":{"Chassis":[` + strings.Join(refs, ",") + `]}`
	}
	b := service("", map[string]string{"A": links("a", "both"), "B": links("b", "both")},
		map[string]string{"a": `"SerialNumber":"CA1"`, "b": `"SerialNumber":"CB1"`, "both": `"SerialNumber":"CC1"`, "none": `"SerialNumber":"CD1"`})
	o, _, _ := observed(t, b, "A")
	got := partKeys(o)
	if slices.Contains(got, "board/b") || !slices.Contains(got, "board/none") {
		t.Errorf("node A has %v", got)
	}
	if !slices.ContainsFunc(got, func(k string) bool { return k == "board/both" || k == "board/a" }) {
		t.Errorf("the shared chassis is missing: %v", got)
	}
}

// TestIntegritySilent: a root of trust that does not answer is an error.
func TestIntegritySilent(t *testing.T) {
	r := newRig(t, bmcsim.ProfileX86, nil)
	if !r.sim.Set("/redfish/v1", map[string]any{"ComponentIntegrity": map[string]any{"@odata.id": "/redfish/v1/ComponentIntegrity"}}) {
		t.Fatal("the root cannot be changed")
	}
	var e *Error
	if list, err := r.dial(t).Integrity(soon(t)); !errors.As(err, &e) || !strings.Contains(err.Error(), "ComponentIntegrity") {
		t.Errorf("%v, %v", list, err)
	}
}

// TestSearchNeedsAnAddress: an interface that cannot send is an error that
// names it, never an empty answer.
func TestSearchNeedsAnAddress(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if list, err := Search(ctx, &net.Interface{Name: "none0"}); err == nil || !strings.Contains(err.Error(), "none0") {
		t.Errorf("%v, %v", list, err)
	}
}
