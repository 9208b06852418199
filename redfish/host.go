package redfish

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// systemDoc is what the writing verbs need of a ComputerSystem.
type systemDoc struct {
	odata
	Name                    string `json:"Id"`
	SystemType              string
	PowerState              PowerState
	LastResetTime           string
	LocationIndicatorActive *bool
	IndicatorLED            string
	Boot                    bootDoc
	Actions                 map[string]rawJSON
	Settings                settingsDoc `json:"@Redfish.Settings"`
	Links                   struct{ ManagedBy, Chassis []odata }
}

// rawJSON is JSON not looked at yet.
type rawJSON = json.RawMessage

type settingsDoc struct{ SettingsObject odata }

// action is one entry of Actions.
type action struct {
	Target string   `json:"target"`
	Info   string   `json:"@Redfish.ActionInfo"`
	Resets []string `json:"ResetType@Redfish.AllowableValues"`
}

func actionOf(actions map[string]rawJSON, name string) (action, bool) {
	raw, ok := actions[name]
	if !ok {
		var oem map[string]rawJSON
		if json.Unmarshal(actions["Oem"], &oem) == nil {
			raw, ok = oem[name]
		}
	}
	var a action
	if !ok || json.Unmarshal(raw, &a) != nil || a.Target == "" {
		return action{}, false
	}
	return a, true
}

// host reads the System this handle stands for: Endpoint.System, else the only
// one that can be reset and is no DPU. Two candidates are an error that names
// them: guessing would power the wrong machine.
func (b *BMC) host(ctx context.Context, op string) (*systemDoc, error) {
	if err := b.open(); err != nil {
		return nil, err
	}
	root, err := b.broker.document(ctx)
	if err != nil {
		return nil, err
	}
	if root.Systems.ID == "" {
		return nil, b.broker.refuse(op, fmt.Errorf("%w: it has no computer systems", ErrUnsupported), "a shelf or chassis controller has no host to drive")
	}
	c := call{op: op}
	all, err := b.broker.members(ctx, c, root.Systems.ID)
	if err != nil {
		return nil, err
	}
	var hosts []*systemDoc
	var names []string
	for _, m := range all {
		if b.endpoint.System != "" && !strings.EqualFold(lastSegment(m.uri), b.endpoint.System) {
			names = append(names, lastSegment(m.uri))
			continue
		}
		var s systemDoc
		if err := b.broker.read(ctx, c, m.uri, &s); err != nil {
			return nil, err
		}
		if s.ID == "" {
			s.ID = m.uri
		}
		names = append(names, lastSegment(m.uri))
		if b.endpoint.System != "" || b.isHost(&s) {
			hosts = append(hosts, &s)
		}
	}
	switch {
	case len(hosts) == 1:
		return hosts[0], nil
	case len(hosts) == 0:
		return nil, b.broker.refuse(op, fmt.Errorf("%w: none of its systems (%s) is a host that can be driven", ErrUnsupported, strings.Join(names, ", ")),
			"name the host in Endpoint.System if it is one of these")
	}
	return nil, b.broker.refuse(op, fmt.Errorf("%w: several hosts (%s)", ErrUnsupported, strings.Join(names, ", ")),
		"name one of them in Endpoint.System")
}

func (b *BMC) isHost(s *systemDoc) bool {
	_, reset := actionOf(s.Actions, resetSystem)
	return reset && s.SystemType != "DPU" && !slices.Contains(b.profile.DPUs, lastSegment(s.ID))
}

// resetTypes are the values an action takes: of its ActionInfo, which outranks
// the annotation (NVIDIA, AMI and Cray have them only there), else of the
// annotation; nil if the BMC lists none.
func (b *BMC) resetTypes(ctx context.Context, op string, a action) ([]string, error) {
	if a.Info == "" {
		return a.Resets, nil
	}
	var info struct {
		Parameters []struct {
			Name            string
			AllowableValues []string
		}
	}
	if err := b.broker.read(ctx, call{op: op}, a.Info, &info); err != nil {
		if a.Resets != nil {
			return a.Resets, nil
		}
		return nil, err
	}
	for _, p := range info.Parameters {
		if p.Name == "ResetType" && len(p.AllowableValues) > 0 {
			return p.AllowableValues, nil
		}
	}
	return a.Resets, nil
}
