package api

import (
	"strings"
	"testing"

	"github.com/rackwright/rackwright/inventory"
)

// TestFailed: a node in triage shows the newest result of each gate that did
// not pass; a void one, an older one and one that passed are not the reason.
func TestFailed(t *testing.T) {
	t.Parallel()
	evidence := []inventory.Evidence{
		{Gate: "thermal", Result: inventory.ResultFail, Detail: "first run"},
		{Gate: "errors", Result: inventory.ResultFail, Detail: "UE on DIMM_0"},
		{Gate: "thermal", Result: inventory.ResultPass, Detail: "second run"},
		{Gate: "errors", Result: inventory.ResultPass, Detail: "of another board", Void: true},
		{Gate: "accelerator.tested", Result: inventory.ResultUnjudged, Detail: "no plan tests them"},
	}
	for milestone, want := range map[inventory.Milestone][]string{
		inventory.NodeTriage:    {"UE on DIMM_0", "no plan tests them"},
		inventory.NodeRepair:    {"UE on DIMM_0", "no plan tests them"},
		inventory.NodeBaselined: nil,
	} {
		d := NodeDetail{Evidence: evidence}
		d.Milestone = milestone
		got := d.Failed()
		if len(got) != len(want) {
			t.Errorf("%s: %d results, want %d: %v", milestone, len(got), len(want), got)
			continue
		}
		for i := range want {
			if got[i].Detail != want[i] {
				t.Errorf("%s: result %d is %q, want %q", milestone, i, got[i].Detail, want[i])
			}
		}
	}
}

// TestStrangers: what a node has is no unknown machine any more.
func TestStrangers(t *testing.T) {
	t.Parallel()
	nodes := []inventory.Node{{ID: "1", BMC: inventory.Endpoint{Pin: "sha256:a", MAC: "02:00:00:00:00:01"}}, {ID: "2", BMC: inventory.Endpoint{Pin: "sha256:b"}},
		{ID: "3", BMC: inventory.Endpoint{MAC: "02:00:00:00:00:03"}}} // ordered, not reached yet
	mac := func(m inventory.MAC) inventory.Hint { return inventory.Hint{MAC: m} }
	list := []inventory.Sighting{
		{Class: "sweep", Pin: "sha256:b", Detail: "bound since"}, {Class: "ssdp", Pin: "sha256:c", Detail: "nobody's"},
		{Hint: mac("02:00:00:00:00:01"), Class: "bmc", Detail: "bound by MAC"}, {Hint: mac("02:00:00:00:00:03"), Class: "bmc", Detail: "waits for its reading"},
		{Hint: mac("02:00:00:00:00:01"), Class: inventory.SightDuplicate, Detail: "two claim one address"}, {Class: "uefi", Detail: "says nothing of itself"},
	}
	var got []string
	for _, x := range strangers(list, nodes) {
		got = append(got, x.Detail)
	}
	if want := "nobody's, waits for its reading, two claim one address, says nothing of itself"; strings.Join(got, ", ") != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
