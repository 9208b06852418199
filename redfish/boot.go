package redfish

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Boot targets (DSP0268 ComputerSystem.BootSource).
const (
	BootNone     BootTarget = "None"
	BootPxe      BootTarget = "Pxe"
	BootUefiHTTP BootTarget = "UefiHttp"
	BootHdd      BootTarget = "Hdd"
	BootCd       BootTarget = "Cd"
	BootSetup    BootTarget = "BiosSetup"
)

// bootDoc is the Boot object of a System or of its settings resource.
type bootDoc struct {
	Enabled string   `json:"BootSourceOverrideEnabled"`
	Target  string   `json:"BootSourceOverrideTarget"`
	Mode    string   `json:"BootSourceOverrideMode"`
	Targets []string `json:"BootSourceOverrideTarget@Redfish.AllowableValues"`
	Order   []string `json:"BootOrder"`
	Options odata    `json:"BootOptions"`
}

func (d bootDoc) overrides() bool { return d.Enabled != "" || d.Target != "" || len(d.Targets) > 0 }

// spellings of a target in the wild: X10 says CD/DVD, Supermicro UsbCd.
func spellings(t BootTarget) []string {
	if t == BootCd {
		return []string{"Cd", "CD/DVD", "UsbCd"}
	}
	return []string{string(t)}
}

// SetNextBoot makes the next boot, and only that, come from the target, and
// reads it back. BootNone ends an override. It changes only what differs, mode
// and target never in one request. Where there is no override at all the boot
// order is changed, which stays: the caller orders it back.
func (b *BMC) SetNextBoot(ctx context.Context, target BootTarget) error {
	op := "set next boot " + string(target)
	s, err := b.host(ctx, op)
	if err != nil {
		return err
	}
	uri, boot, err := b.bootResource(ctx, op, s)
	if err != nil {
		return err
	}
	if !boot.overrides() {
		return b.orderBoot(ctx, op, s, target)
	}
	name := string(target)
	if len(boot.Targets) > 0 && target != BootNone { // an override is ended without naming a target
		i := slices.IndexFunc(spellings(target), func(w string) bool { return slices.Contains(boot.Targets, w) })
		if i < 0 {
			return b.broker.refuse(op, fmt.Errorf("%w: it boots from %s", ErrUnsupported, strings.Join(boot.Targets, ", ")), "choose one of these")
		}
		name = spellings(target)[i]
	}
	if mode := b.bootMode(target, boot); mode != "" {
		if err := b.patch(ctx, call{op: op}, uri, map[string]any{"Boot": map[string]any{"BootSourceOverrideMode": mode}}); err != nil {
			return err
		}
	}
	enabled := "Once"
	if target == BootNone {
		enabled = "Disabled"
	}
	change := map[string]any{}
	if boot.Enabled != enabled {
		change["BootSourceOverrideEnabled"] = enabled
	}
	if boot.Target != name && target != BootNone {
		change["BootSourceOverrideTarget"] = name
	}
	if len(change) == 0 {
		return nil
	}
	if err := b.patch(ctx, call{op: op}, uri, map[string]any{"Boot": change}); err != nil {
		return err
	}
	return b.bootReadBack(ctx, op, uri, enabled, name)
}

// bootMode is the mode to set first, or "": UefiHttp exists in UEFI mode only.
func (b *BMC) bootMode(target BootTarget, boot bootDoc) string {
	want := b.profile.BootMode
	if target == BootUefiHTTP {
		want = "UEFI"
	}
	if want == "" || target == BootNone || boot.Mode == "" || boot.Mode == want {
		return ""
	}
	return want
}

// bootResource is where the override is set: the settings resource if that has a
// Boot object (NVIDIA; iDRAC10 lists the targets only there), else the System.
func (b *BMC) bootResource(ctx context.Context, op string, s *systemDoc) (string, bootDoc, error) {
	uri := s.Settings.SettingsObject.ID
	if uri == "" {
		return s.ID, s.Boot, nil
	}
	var pending struct{ Boot bootDoc }
	if err := b.broker.read(ctx, call{op: op}, uri, &pending); err != nil {
		return "", bootDoc{}, err
	}
	if !pending.Boot.overrides() {
		return s.ID, s.Boot, nil
	}
	boot := pending.Boot
	if len(boot.Targets) == 0 {
		boot.Targets = s.Boot.Targets
	}
	return uri, boot, nil
}

// bootReadBack compares: some BMCs take Once and keep Continuous, which would
// boot the network for ever.
func (b *BMC) bootReadBack(ctx context.Context, op, uri, enabled, target string) error {
	var got struct{ Boot bootDoc }
	if err := b.broker.read(ctx, call{op: op}, uri, &got); err != nil {
		return &Error{Op: op, Endpoint: b.broker.name, Err: fmt.Errorf("%w: read back: %w", ErrOutcomeUnknown, err), Hint: hintReadBack}
	}
	if got.Boot.Enabled == enabled && (enabled == "Disabled" || got.Boot.Target == target) {
		return nil
	}
	return b.broker.refuse(op, fmt.Errorf("the BMC took %s %s and keeps %s %s", enabled, target, got.Boot.Enabled, got.Boot.Target),
		"set the override by hand, or correct the profile of this model")
}

// orderBoot puts the first fitting boot option in front.
func (b *BMC) orderBoot(ctx context.Context, op string, s *systemDoc, target BootTarget) error {
	if target == BootNone {
		return nil // there is no override to end
	}
	if len(s.Boot.Order) == 0 || s.Boot.Options.ID == "" {
		return b.broker.refuse(op, fmt.Errorf("%w: neither a boot override nor a boot order with options", ErrUnsupported), "choose the boot device by hand")
	}
	all, err := b.broker.members(ctx, call{op: op}, s.Boot.Options.ID)
	if err != nil {
		return err
	}
	for _, m := range all {
		var o struct{ BootOptionReference, UefiDevicePath, DisplayName string }
		if err := b.broker.loadMember(ctx, call{op: op}, m, &o); err != nil {
			return err
		}
		if !bootsFrom(o.UefiDevicePath, target) || !slices.Contains(s.Boot.Order, o.BootOptionReference) {
			continue
		}
		if s.Boot.Order[0] == o.BootOptionReference {
			return nil
		}
		order := append([]string{o.BootOptionReference}, slices.DeleteFunc(slices.Clone(s.Boot.Order), func(r string) bool { return r == o.BootOptionReference })...)
		b.log.Info("no boot override: the boot order is changed and stays", "first", o.DisplayName, "before", strings.Join(s.Boot.Order, " "))
		uri := s.ID
		if s.Settings.SettingsObject.ID != "" {
			uri = s.Settings.SettingsObject.ID
		}
		return b.patch(ctx, call{op: op}, uri, map[string]any{"Boot": map[string]any{"BootOrder": order}})
	}
	return b.broker.refuse(op, fmt.Errorf("%w: no boot option of that kind", ErrUnsupported), "enable network boot in the firmware settings")
}

// bootsFrom reads a UEFI device path (UEFI 2.10 §10.3): MAC(…)/IPv4(…) is a
// network boot, with Uri(…) at its end an HTTP boot; see [usbBefore].
func bootsFrom(path string, target BootTarget) bool {
	path = strings.ToLower(path)
	net := strings.Contains(path, "mac(") && !usbBefore(path)
	uri := strings.Contains(path, "uri(")
	switch target {
	case BootPxe:
		return net && !uri
	case BootUefiHTTP:
		return net && uri
	case BootHdd:
		return strings.Contains(path, "hd(") || strings.Contains(path, "nvme(") || strings.Contains(path, "sata(")
	}
	return false
}
