package api

import (
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
