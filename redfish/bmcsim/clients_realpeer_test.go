//go:build realpeer

package bmcsim

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// foreign runs a third-party client. The CA variables would override its
// "do not verify" (requests#3829), so they are taken out.
func foreign(t *testing.T, stdin string, argv ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(kv string) bool {
		name, _, _ := strings.Cut(strings.ToUpper(kv), "=")
		return name == "REQUESTS_CA_BUNDLE" || name == "CURL_CA_BUNDLE" || strings.HasSuffix(name, "_PROXY")
	})
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return string(out)
}

// TestRealPeerRedfishtool: DMTF's redfishtool logs in both ways, reads the system,
// sets a one-time boot, switches on, resets, sets the LED and switches off.
func TestRealPeerRedfishtool(t *testing.T) {
	_, p := rig(t, ProfileX86, nil)
	tool := func(args ...string) string {
		t.Helper()
		base := []string{"redfishtool", "-r", p.b.addr, "-u", p.b.spec.User, "-p", p.b.spec.Password, "-S", "Always", "-n"}
		out := foreign(t, "", append(base, args...)...)
		if strings.Contains(out, "Error") {
			t.Fatalf("redfishtool %v: %s", args, out)
		}
		return out
	}
	for _, auth := range []string{"Basic", "Session"} {
		out := tool("-A", auth, "Systems", "-1")
		if !strings.Contains(out, p.b.spec.Serial) {
			t.Fatalf("%s: no serial in %s", auth, out)
		}
	}
	login := tool("SessionService", "login")
	if !strings.Contains(login, "X-Auth-Token") && !strings.Contains(login, "SessionToken") {
		t.Errorf("login printed %s", login)
	}
	if n := p.b.Counters().SessionsMax; n < 1 {
		t.Errorf("no session was opened: %d", n)
	}
	tool("-A", "Session", "Systems", "-1", "setBootOverride", "Once", "Pxe")
	tool("-A", "Session", "Systems", "-1", "reset", "On")
	eventually(t, "On", func() bool { return p.b.Power() == powerOn && len(p.b.Boots()) == 1 })
	equal(t, "boot", []any{p.b.Boots()[0].Target, p.b.Boots()[0].Once}, []any{"Pxe", true})
	tool("Systems", "-1", "reset", "ForceRestart")
	eventually(t, "a second boot", func() bool { return len(p.b.Boots()) == 2 })
	equal(t, "the override was for one boot", p.b.Boots()[1].Target, "None")
	tool("Systems", "-1", "setIndicatorLed", "Blinking")
	p.login()
	equal(t, "LED", p.get(systems + "/1")["LocationIndicatorActive"], true)
	tool("Systems", "-1", "setAssetTag", "A12-C07")
	equal(t, "tag", p.get(systems + "/1")["AssetTag"], "A12-C07")
	tool("Systems", "-1", "reset", "ForceOff")
	eventually(t, "Off", func() bool { return p.b.Power() == powerOff })
	for what, list := range map[string]string{"processors": tool("Systems", "-1", "Processors", "-a"), "inventory": tool("raw", "GET", inventory)} {
		if !strings.Contains(list, "CPU_1") && !strings.Contains(list, "/BIOS") {
			t.Errorf("%s: %s", what, list)
		}
	}
	equal(t, "wrong logins", p.b.Counters().WrongLogins, 0)
}

// sushyScript works a BMC with OpenStack's sushy: url, user, password, image URL.
const sushyScript = `
import sys, time, logging
import urllib3; urllib3.disable_warnings()
import sushy
from sushy import auth
url, user, password, image = sys.argv[1:5]

def wait(what, cond, seconds=10):
    end = time.time() + seconds
    while time.time() < end:
        if cond(): return
        time.sleep(0.05)
    raise SystemExit("not reached: " + what)

a = auth.SessionAuth(username=user, password=password)
root = sushy.Sushy(url, auth=a, verify=False)
system = root.get_system('/redfish/v1/Systems/1')
print("serial", system.serial_number)
print("memory", len(system.processors.get_members()), "processors")
print("macs", sorted(system.ethernet_interfaces.summary))
system.set_system_boot_options(target=sushy.BootSource.PXE, enabled=sushy.BootSourceOverrideEnabled.ONCE)
system.refresh(force=True)
assert system.boot.target == sushy.BootSource.PXE, system.boot.target
def power(): system.refresh(force=True); return system.power_state
system.reset_system(sushy.ResetType.ON)
wait("on", lambda: power() == sushy.PowerState.ON)
system.refresh(force=True)
assert system.boot.enabled == sushy.BootSourceOverrideEnabled.DISABLED, system.boot.enabled
system.set_indicator_led(sushy.IndicatorLED.LIT)
system.reset_system(sushy.ResetType.FORCE_RESTART)
time.sleep(0.3)
service = root.get_update_service()
monitor = service.simple_update(image, targets=['/redfish/v1/UpdateService/FirmwareInventory/NIC_0'], transfer_protocol='HTTP')
print("monitor", monitor.task_monitor_uri)
# sushy takes the task of the body for the monitor of Location, so it is asked for its state
wait("the task", lambda: monitor.get_task().task_state == sushy.TASK_STATE_COMPLETED)
print("task", monitor.get_task().task_state)
versions = {f.identity: f.version for f in service.firmware_inventory.get_members()}
print("version", versions['NIC_0'])
assert versions['NIC_0'] == '224.9', versions
system.reset_system(sushy.ResetType.FORCE_OFF)
wait("off", lambda: power() == sushy.PowerState.OFF)
manager = root.get_manager('/redfish/v1/Managers/BMC')
print("bmc", manager.firmware_version)
a.close()
print("done")
`

// TestRealPeerSushy: OpenStack's sushy logs in, reads, boots once by PXE, resets,
// updates by pull with a task, and logs out.
func TestRealPeerSushy(t *testing.T) {
	_, p := rig(t, ProfileX86, func(s *Spec) { s.Update.RetryAfter = 1 })
	images := imageServer(t, Payload("NIC_0", "224.9"))
	out := foreign(t, sushyScript, "/usr/bin/python3", "-", p.b.URL(), p.b.spec.User, p.b.spec.Password, images)
	t.Log(out)
	for _, want := range []string{"serial " + p.b.spec.Serial, "version 224.9", "done"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in the output", want)
		}
	}
	c := p.b.Counters()
	equal(t, "boots", []string{p.b.Boots()[0].Target, p.b.Boots()[1].Target}, []string{"Pxe", "None"})
	equal(t, "flashes, sessions left, wrong logins", []int{len(c.Flashes), c.SessionsLive, c.WrongLogins}, []int{1, 0, 0})
	equal(t, "verbs", c.Resets, map[string]int{"1 On": 1, "1 ForceRestart": 1, "1 ForceOff": 1})
}
