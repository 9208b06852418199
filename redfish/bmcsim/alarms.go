package bmcsim

import (
	"fmt"
	"path"
	"slices"
)

// SetLeak sets one leak detector: OK, Warning or Critical.
func (b *BMC) SetLeak(detector, state string) error {
	if !slices.Contains([]string{"OK", "Warning", "Critical"}, state) {
		return fmt.Errorf("bmcsim: leak state %q: use OK, Warning or Critical", state)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range sorted(b.tree) {
		if path.Base(p) == detector && path.Base(path.Dir(p)) == "LeakDetectors" {
			b.tree.set(p, object{"DetectorState": state, "Status": object{"Health": state}})
			return nil
		}
	}
	return fmt.Errorf("bmcsim: %s has no leak detector %q: Spec.Leaks lists them", b.spec.Name, detector)
}

// SetReading sets one Sensor of a Chassis and its health by the upper thresholds.
func (b *BMC) SetReading(sensor string, value float64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range sorted(b.tree) {
		if path.Base(p) != sensor || path.Base(path.Dir(p)) != "Sensors" {
			continue
		}
		health := "OK"
		limits, _ := b.tree[p].doc()["Thresholds"].(object)
		if value >= limit(limits, "UpperCaution") {
			health = "Warning"
		}
		if value >= limit(limits, "UpperCritical") {
			health = "Critical"
		}
		b.tree.set(p, object{"Reading": value, "Status": object{"Health": health}})
		return nil
	}
	return fmt.Errorf("bmcsim: %s has no sensor %q", b.spec.Name, sensor)
}

func limit(of object, name string) float64 {
	l, _ := of[name].(object)
	switch v := l["Reading"].(type) {
	case int:
		return float64(v)
	case float64:
		return v
	}
	return 1e308
}

// VersionState is one component as the hardware has it, whatever a client believes.
type VersionState struct{ Active, Staged, Activation string }

// Versions of all components by id.
func (b *BMC) Versions() map[string]VersionState {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := map[string]VersionState{}
	for id, c := range b.update.components {
		out[id] = VersionState{Active: c.Version, Staged: c.staged, Activation: c.Activation}
	}
	return out
}
