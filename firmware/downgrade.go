package firmware

import (
	"fmt"
	"slices"
)

// Downgrades are the flashes of a plan that put an older version in place of a
// newer one, one sentence each, by the ranks of the baseline as planned
// against. Such a plan needs a second person (interface.md §5). A version
// without a rank counts as newer: what is not known is not assumed harmless.
func (p Plan) Downgrades() []string {
	var out []string
	for _, s := range p.Steps {
		i := slices.IndexFunc(p.Wants, func(w Want) bool { return w.Name == s.Want })
		if s.Verb != VerbFlash {
			continue
		}
		for _, from := range s.From {
			if i < 0 || rank(p.Wants[i], from) > rank(p.Wants[i], s.To) || rank(p.Wants[i], from) < 0 {
				out = append(out, fmt.Sprintf("step %d puts %s in place of the newer %s on %s", s.ID, s.To, from, s.Key.Slot))
			}
		}
	}
	return out
}

// rank is -1 for a version that the want does not list.
func rank(w Want, text string) int {
	for _, v := range w.Versions {
		if normalise(w.Normalise, v.Text) == normalise(w.Normalise, text) {
			return v.Rank
		}
	}
	return -1
}
