package bmcsim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func resetPath(system string) string { return system + "/Actions/ComputerSystem.Reset" }

func TestPowerRoundTrip(t *testing.T) {
	_, p := rig(t, ProfileHGX, nil)
	p.login()
	sys := systems + "/DGX"
	power := func(of string) string { return str(p.get(of), "PowerState") }
	equal(t, "at first", power(sys), "Off")
	p.want(204, "POST", resetPath(sys), object{"ResetType": "On"})
	equal(t, "under way", power(sys), "PoweringOn")
	eventually(t, "On", func() bool { return power(sys) == "On" })
	equal(t, "the baseboard follows", power(systems+"/HGX_Baseboard_0"), "On")
	eventually(t, "OSRunning", func() bool { return str(p.get(sys), "BootProgress", "LastState") == "OSRunning" })
	p.want(204, "POST", resetPath(sys), object{"ResetType": "GracefulShutdown"})
	equal(t, "under way", power(sys), "PoweringOff")
	equal(t, "progress", str(p.get(sys), "BootProgress", "LastState"), "None")
	eventually(t, "Off", func() bool { return power(sys) == "Off" })
	equal(t, "the baseboard follows", power(systems+"/HGX_Baseboard_0"), "Off")
	c := p.b.Counters()
	equal(t, "log", c.Resets, map[string]int{"DGX On": 1, "DGX GracefulShutdown": 1})
	equal(t, "resets", c.ResetCount(), 0)
}

func TestResetAnswers(t *testing.T) {
	_, p := rig(t, ProfileX86, func(s *Spec) { s.Timing.PowerOn = 300 * time.Millisecond })
	p.login()
	at := resetPath(systems + "/1")
	for _, c := range []struct {
		body any
		want int
	}{
		{object{}, 400}, {object{"ResetType": "Explode"}, 400}, {[]byte("{"), 400}, {object{"ResetType": "ForceRestart"}, 409},
		{object{"ResetType": "ForceOff"}, 204}, {object{"ResetType": "On"}, 204}, {object{"ResetType": "On"}, 409},
		{object{"ResetType": "ForceOff"}, 204}, // overrules a start under way
	} {
		p.want(c.want, "POST", at, c.body)
	}
	eventually(t, "Off", func() bool { return p.b.Power() == powerOff })
	time.Sleep(400 * time.Millisecond)
	equal(t, "the start that was overruled", p.b.Power(), powerOff)
	equal(t, "boots", len(p.b.Boots()), 0)
	info := p.get(systems + "/1/ResetActionInfo")["Parameters"].([]any)[0].(object)["AllowableValues"].([]any)
	equal(t, "ActionInfo", len(info), len(resetTypes()))
}

func TestResetsMoveLastResetTime(t *testing.T) {
	_, p := rig(t, ProfileX86, func(s *Spec) { s.PowerOn = true })
	p.login()
	sys := systems + "/1"
	var seen []string
	for _, verb := range []string{"ForceRestart", "GracefulRestart", "PowerCycle"} {
		p.want(204, "POST", resetPath(sys), object{"ResetType": verb})
		eventually(t, verb, func() bool {
			return str(p.get(sys), "BootProgress", "LastState") == "OSRunning" && p.b.Power() == powerOn
		})
		seen = append(seen, str(p.get(sys), "LastResetTime"))
		time.Sleep(2 * time.Millisecond)
	}
	if len(slices.Compact(slices.Clone(seen))) != 3 || !slices.IsSorted(seen) {
		t.Errorf("LastResetTime: %v", seen)
	}
	equal(t, "resets", p.b.Counters().ResetCount(), 3)
	equal(t, "boots", len(p.b.Boots()), 3)
}

func TestBootOnceEndsAfterOneBoot(t *testing.T) {
	_, p := rig(t, ProfileX86, nil)
	p.login()
	sys := systems + "/1"
	for _, c := range []struct {
		boot object
		want Boot
	}{
		{object{"BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "Pxe"}, Boot{Target: "Pxe", Once: true, Option: "Boot0001"}},
		{object{"BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "UefiHttp", "HttpBootUri": "http://boot/x.efi"},
			Boot{Target: "UefiHttp", Once: true, URI: "http://boot/x.efi", Option: "Boot0002"}},
		{object{"BootOrder": []string{"Boot0003", "Boot0000", "Boot0001", "Boot0002", "Boot0004"}}, Boot{Target: "None", Option: "Boot0003"}},
		{object{"BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "UefiBootNext", "BootNext": "Boot0004"}, Boot{Target: "UefiBootNext", Once: true, Option: "Boot0004"}},
	} {
		p.want(200, "PATCH", sys, object{"Boot": c.boot})
		before := len(p.b.Boots())
		p.want(204, "POST", resetPath(sys), object{"ResetType": "On"})
		eventually(t, "a boot", func() bool { return len(p.b.Boots()) > before && p.b.Power() == powerOn })
		got := p.b.Boots()[before]
		c.want.System, c.want.Verb, c.want.Mode = sys, "On", "UEFI"
		if c.want.Device = got.Device; got != c.want {
			t.Errorf("boot %+v, want %+v", got, c.want)
		}
		if c.want.Target == "Pxe" && !strings.Contains(got.Device, "MAC("+strings.ToUpper(strings.ReplaceAll(p.b.spec.Part("nic", "NIC_0").MACs[0], ":", ""))) {
			t.Errorf("device path %q", got.Device)
		}
		left := p.get(sys)["Boot"].(object)
		equal(t, "override afterwards", left["BootSourceOverrideEnabled"], "Disabled")
		p.want(204, "POST", resetPath(sys), object{"ResetType": "ForceOff"})
		eventually(t, "Off", func() bool { return p.b.Power() == powerOff })
	}
}

func TestBootPatchIsCheckedAndWhole(t *testing.T) {
	_, p := rig(t, ProfileX86, nil)
	p.login()
	sys := systems + "/1"
	for _, bad := range []object{
		{"Boot": object{"BootSourceOverrideTarget": "Floppy"}}, {"Boot": object{"BootSourceOverrideEnabled": "Maybe"}}, {"Boot": object{"Colour": "red"}},
		{"Boot": object{"BootOrder": []string{"Boot0000"}}}, {"Boot": "Pxe"}, {"PowerState": "On"}, {"Nonsense": 1},
		{"AssetTag": "x", "IndicatorLED": "Purple"},
	} {
		p.want(400, "PATCH", sys, bad)
	}
	equal(t, "nothing of a bad PATCH was applied", str(p.get(sys), "AssetTag"), "")
	p.want(405, "PATCH", systems+"/1/Memory/DIMM_0", object{"SerialNumber": "x"})
	p.want(404, "PATCH", systems+"/9", object{"AssetTag": "x"})
}

func TestBootInSettings(t *testing.T) {
	_, p := rig(t, ProfileGB200, nil)
	p.login()
	sys := systems + "/System_0"
	boot := object{"Boot": object{"BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "Pxe"}}
	p.want(400, "PATCH", sys, boot)
	at := p.get(sys)["@Redfish.Settings"].(object)["SettingsObject"].(object)["@odata.id"].(string)
	p.want(200, "PATCH", at, boot)
	equal(t, "pending", p.get(at)["Boot"].(object)["BootSourceOverrideTarget"], "Pxe")
	p.want(204, "POST", resetPath(sys), object{"ResetType": "On"})
	eventually(t, "a boot", func() bool { return len(p.b.Boots()) == 1 })
	equal(t, "target", p.b.Boots()[0].Target, "Pxe")
	equal(t, "afterwards", p.get(at)["Boot"].(object)["BootSourceOverrideEnabled"], "Disabled")
}

func TestLocator(t *testing.T) {
	_, p := rig(t, ProfileX86, nil)
	p.login()
	for _, at := range []string{systems + "/1", chassis + "/1"} {
		p.want(200, "PATCH", at, object{"LocationIndicatorActive": true})
		equal(t, at, []any{p.get(at)["IndicatorLED"], p.get(at)["LocationIndicatorActive"]}, []any{"Blinking", true})
		p.want(200, "PATCH", at, object{"IndicatorLED": "Off"})
		equal(t, at, p.get(at)["LocationIndicatorActive"], false)
	}
}

// box is a machine behind a BMC that writes down what it was told.
type box struct {
	mu   sync.Mutex
	told []string
	fail string
}

func (h *box) tell(what string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.told = append(h.told, what)
	if strings.HasPrefix(what, h.fail) && h.fail != "" {
		return errors.New("the machine is broken")
	}
	return nil
}

func (h *box) PowerOn(_ context.Context, b Boot) error { return h.tell("on " + b.Target) }
func (h *box) PowerOff(_ context.Context, graceful bool) error {
	return h.tell(fmt.Sprintf("off %v", graceful))
}
func (h *box) Reset(_ context.Context, b Boot) error {
	return h.tell("reset " + b.Target + " " + b.Verb)
}

func (h *box) list() []string { h.mu.Lock(); defer h.mu.Unlock(); return slices.Clone(h.told) }

func TestHostIsDriven(t *testing.T) {
	_, p := rig(t, ProfileX86, nil)
	h := &box{}
	p.b.SetHost(h)
	p.login()
	sys := systems + "/1"
	verb := func(v string, told int, end string) {
		t.Helper()
		p.want(204, "POST", resetPath(sys), object{"ResetType": v})
		eventually(t, v, func() bool { return len(h.list()) == told && p.b.Power() == end })
	}
	p.want(200, "PATCH", sys, object{"Boot": object{"BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "Pxe"}})
	verb("On", 1, "On")
	equal(t, "no invented progress", str(p.get(sys), "BootProgress", "LastState"), "PrimaryProcessorInitializationStarted")
	p.b.Progress("OSRunning")
	equal(t, "progress", str(p.get(sys), "BootProgress", "LastState"), "OSRunning")
	verb("ForceRestart", 2, "On")
	verb("PowerCycle", 4, "On")
	verb("GracefulShutdown", 5, "Off")
	p.b.Progress("OSRunning")
	equal(t, "progress while off", str(p.get(sys), "BootProgress", "LastState"), "None")
	equal(t, "told", h.list(), []string{"on Pxe", "reset None ForceRestart", "off false", "on None", "off true"})
	h.fail = "on"
	p.want(204, "POST", resetPath(sys), object{"ResetType": "On"})
	eventually(t, "failed start", func() bool { return p.b.Counters().HostErrors == 1 })
	equal(t, "power", p.b.Power(), "Off")
	equal(t, "health", str(p.get(sys), "Status", "Health"), "Critical")
}
