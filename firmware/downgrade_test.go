package firmware

import (
	"slices"
	"strings"
	"testing"
)

// TestDowngrades: only a replaced higher rank is one, and an unknown version is.
func TestDowngrades(t *testing.T) {
	b := baseline(t)
	b.Wants[0].Downgrade = true
	for from, want := range map[string]bool{"1.0": false, "2.0": false, "3.0": true} {
		p, err := NewPlan(b, "n1", node(item("FW_BMC_0", from)))
		if err != nil {
			t.Fatal(err)
		}
		got := p.Downgrades()
		if (len(got) == 1) != want || len(got) > 1 || want && !strings.Contains(got[0], "2.0 in place of the newer 3.0") {
			t.Errorf("from %s: %v", from, got)
		}
	}
	p, err := NewPlan(b, "n1", node(item("FW_BMC_0", "1.0")))
	if err != nil {
		t.Fatal(err)
	}
	p.Steps[0].From = []string{"0.0-lab"}
	if len(p.Downgrades()) != 1 {
		t.Error("an unknown version counts as older")
	}
	if q, err := LoadPlan(p.JSON()); err != nil || !slices.Equal(q.Downgrades(), p.Downgrades()) {
		t.Errorf("the stored plan says %v %v", q.Downgrades(), err)
	}
}
