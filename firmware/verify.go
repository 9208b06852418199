package firmware

import (
	"fmt"

	"github.com/rackwright/rackwright/inventory"
)

// Mismatch is one instance that does not run the target. State is staged, old,
// other, absent, not_read or count.
type Mismatch struct {
	Key   inventory.Key `json:"key"`
	Want  string        `json:"want"`
	Got   string        `json:"got"`
	State string        `json:"state"`
}

// Verify compares every instance of every component the baseline names with a
// fresh observation, whether or not the plan had to change it. No mismatch is
// the only pass.
func Verify(p Plan, seen []inventory.Component) []Mismatch {
	var out []Mismatch
	items := firmwareItems(seen)
	for _, w := range p.Wants {
		target, present := w.target(), 0
		for _, c := range match(w, items) {
			if c.State == inventory.StateAbsent {
				continue
			}
			present++
			if state := stateOf(w, target, c); state != "active" {
				out = append(out, Mismatch{Key: c.Key, Want: target.Text, Got: c.Firmware, State: state})
			}
		}
		if present != w.Count {
			out = append(out, Mismatch{Key: inventory.Key{Kind: inventory.KindFirmware, Slot: w.Name},
				Want: fmt.Sprintf("%d instances", w.Count), Got: fmt.Sprintf("%d instances", present), State: "count"})
		}
	}
	return out
}

func stateOf(w Want, target Version, c inventory.Component) string {
	switch c.State {
	case inventory.StateNotRead, inventory.StateReadFailed:
		return string(c.State)
	}
	want := normalise(w.Normalise, target.Text)
	have := normalise(w.Normalise, c.Firmware)
	if have == want {
		return "active"
	}
	if normalise(w.Normalise, c.Facts[inventory.FactStaged]) == want {
		return "staged"
	}
	for _, v := range w.Versions {
		if normalise(w.Normalise, v.Text) == have {
			return "old"
		}
	}
	return "other"
}
