package redfish

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/rackwright/rackwright/inventory"
)

func readAll(t *testing.T, r *http.Request) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	return strings.TrimSpace(string(b))
}

// bodies records what is sent to METHOD path and answers 204.
func (f *fake) bodies(pattern string) *[]string {
	var got []string
	f.hook(pattern, func(w http.ResponseWriter, r *http.Request) {
		got = append(got, readAll(f.t, r))
		w.WriteHeader(204)
	})
	return &got
}

func TestSetPowerTakesItsValuesFromActionInfo(t *testing.T) {
	f := newFake(t)
	sent := f.bodies("POST " + resetURI)
	d, _ := newDialer(t)
	d.Profiles = map[string]Profile{"lenovo": {Name: "lenovo", Resets: map[PowerAction]PowerAction{ActionGracefulRestart: ActionForceRestart}}}
	ep := f.endpoint()
	ep.Profile = "lenovo"
	b := dial(t, d, ep, free)
	if s, err := b.Power(soon(t)); s != PowerOff || err != nil {
		t.Errorf("%q, %v", s, err)
	}
	if err := b.SetPower(soon(t), ActionForceOff); err != nil || len(*sent) != 1 {
		t.Errorf("what reads off may be about to come on: %v, sent %v", err, *sent)
	}
	if err := b.SetPower(soon(t), ActionPowerCycle); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "On, ForceOff, ForceRestart") {
		t.Errorf("got %v, want the values it takes", err)
	}
	for _, a := range []PowerAction{ActionOn, ActionForceRestart, ActionGracefulRestart} {
		if err := b.SetPower(soon(t), a); err != nil {
			t.Error(err)
		}
	}
	if text := strings.Join(*sent, " "); text != `{"ResetType":"ForceOff"} {"ResetType":"On"} {"ResetType":"ForceRestart"} {"ResetType":"ForceRestart"}` {
		t.Errorf("sent %s", text)
	}
	if _, err := d.Dial(soon(t), inventory.Endpoint{URL: f.URL, Profile: "nobody"}, nil); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "lenovo") {
		t.Errorf("an unknown profile: %v", err)
	}
}

// TestForceOffRefused: a BMC refuses to power off what is off, and that is no error;
// of a host that is on it is one.
func TestForceOffRefused(t *testing.T) {
	f := newFake(t)
	f.hook("POST "+resetURI, func(w http.ResponseWriter, _ *http.Request) {
		failWith(w, http.StatusConflict, "Base.1.8.ResourceInUse", "no")
	})
	d, _ := newDialer(t)
	b := dial(t, d, f.endpoint(), free)
	if err := b.SetPower(soon(t), ActionForceOff); err != nil {
		t.Errorf("off, and refused: %v", err)
	}
	if err := b.SetPower(soon(t), ActionOn); err == nil {
		t.Error("a refused power-on is no error")
	}
	f.docs[systemURI] = strings.Replace(f.docs[systemURI], `"PowerState":"Off"`, `"PowerState":"On"`, 1)
	if err := b.SetPower(soon(t), ActionForceOff); err == nil {
		t.Error("on, refused, and no error")
	}
}

// TestTwoHostsAreNotGuessed: guessing would power the wrong machine.
func TestTwoHostsAreNotGuessed(t *testing.T) {
	f := newFake(t)
	second := strings.ReplaceAll(f.docs[systemURI], "Systems/1", "Systems/Node1")
	f.set("/redfish/v1/Systems/Node1", strings.Replace(second, `"PowerState":"Off"`, `"PowerState":"On"`, 1))
	f.set("/redfish/v1/Systems/HGX_Baseboard_0", `{"@odata.id":"/redfish/v1/Systems/HGX_Baseboard_0"}`)
	f.set("/redfish/v1/Systems/Bluefield", strings.ReplaceAll(f.docs[systemURI], "Systems/1", "Systems/Bluefield"))
	f.set("/redfish/v1/Systems", `{"Members":[{"@odata.id":"/redfish/v1/Systems/1"},{"@odata.id":"/redfish/v1/Systems/Bluefield"},{"@odata.id":"/redfish/v1/Systems/HGX_Baseboard_0"}],
		"Members@odata.nextLink":"/redfish/v1/Systems?page=2"}`)
	page := `{"Members":[]}`
	f.hook("GET /redfish/v1/Systems", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != "" {
			jsonWith(w, 200, page)
			return
		}
		jsonWith(w, 200, f.docs["/redfish/v1/Systems"])
	})
	d, _ := newDialer(t)
	d.Profiles = map[string]Profile{GenericProfile: {DPUs: []string{"Bluefield"}}}
	b := dial(t, d, f.endpoint(), free)
	if s, err := b.Power(soon(t)); s != PowerOff || err != nil {
		t.Errorf("one host beside a baseboard and a DPU: %q, %v", s, err)
	}
	page = `{"Members":[{"@odata.id":"/redfish/v1/Systems/Node1"}]}`
	if _, err := b.Power(soon(t)); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "Node1") {
		t.Errorf("two hosts: %v, want an error that names them", err)
	}
	ep := f.endpoint()
	ep.System = "node1"
	if s, err := dial(t, d, ep, nil).Power(soon(t)); s != PowerOn || err != nil {
		t.Errorf("the named one: %q, %v", s, err)
	}
	ep.System = "Node7"
	if _, err := dial(t, d, ep, nil).Power(soon(t)); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "Node1") {
		t.Errorf("a name it has not: %v", err)
	}
	if _, opened := f.live(); opened != 1 {
		t.Errorf("%d logins for the nodes of one BMC", opened)
	}
}

func TestSetNextBoot(t *testing.T) {
	f := newFake(t)
	var sent []string
	f.hook("PATCH "+systemURI, func(w http.ResponseWriter, r *http.Request) {
		text := readAll(t, r)
		sent = append(sent, text)
		r.Body = io.NopCloser(strings.NewReader(text))
		f.mu.Lock()
		defer f.mu.Unlock()
		f.patch(w, r)
	})
	d, _ := newDialer(t)
	b := dial(t, d, f.endpoint(), free)
	step := func(target BootTarget, want ...string) {
		t.Helper()
		sent = nil
		if err := b.SetNextBoot(soon(t), target); err != nil {
			t.Fatalf("%s: %v", target, err)
		}
		if strings.Join(sent, " ") != strings.Join(want, " ") {
			t.Errorf("%s sent %v, want %v", target, sent, want)
		}
	}
	step(BootPxe, `{"Boot":{"BootSourceOverrideEnabled":"Once","BootSourceOverrideTarget":"Pxe"}}`)
	step(BootPxe) // it is so already
	step(BootUefiHTTP, `{"Boot":{"BootSourceOverrideTarget":"UefiHttp"}}`)
	step(BootCd, `{"Boot":{"BootSourceOverrideTarget":"CD/DVD"}}`)
	step(BootNone, `{"Boot":{"BootSourceOverrideEnabled":"Disabled"}}`)
	if err := b.SetNextBoot(soon(t), BootHdd); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "None, Pxe, UefiHttp, CD/DVD") {
		t.Errorf("got %v, want the targets it has", err)
	}
	f.set(systemURI, strings.Replace(f.docs[systemURI], `"UEFI"`, `"Legacy"`, 1))
	step(BootUefiHTTP, `{"Boot":{"BootSourceOverrideMode":"UEFI"}}`, `{"Boot":{"BootSourceOverrideEnabled":"Once","BootSourceOverrideTarget":"UefiHttp"}}`)
}

func TestSetNextBootReadsBack(t *testing.T) {
	f := newFake(t)
	f.hook("PATCH "+systemURI, func(w http.ResponseWriter, _ *http.Request) {
		f.set(systemURI, strings.Replace(f.docs[systemURI], `"BootSourceOverrideEnabled":"Disabled","BootSourceOverrideTarget":"None"`, `"BootSourceOverrideEnabled":"Continuous","BootSourceOverrideTarget":"Pxe"`, 1))
		w.WriteHeader(200)
	})
	d, _ := newDialer(t)
	err := dial(t, d, f.endpoint(), free).SetNextBoot(soon(t), BootPxe)
	if err == nil || !strings.Contains(err.Error(), "took Once Pxe and keeps Continuous Pxe") {
		t.Errorf("got %v", err)
	}
}

// TestBootInSettingsOrOrder: the NVIDIA settings resource, and Cray's boot order.
func TestBootInSettingsOrOrder(t *testing.T) {
	f := newFake(t)
	const settings = systemURI + "/Settings"
	f.set(systemURI, strings.Replace(f.docs[systemURI], `"Id":"1",`, `"Id":"1","@Redfish.Settings":{"SettingsObject":{"@odata.id":"`+settings+`"}},`, 1))
	f.set(settings, `{"@odata.id":"`+settings+`","Boot":{"BootSourceOverrideEnabled":"Disabled","BootSourceOverrideTarget":"None"}}`)
	d, _ := newDialer(t)
	b := dial(t, d, f.endpoint(), free)
	if err := b.SetNextBoot(soon(t), BootPxe); err != nil || f.count("PATCH "+settings) != 1 || f.count("PATCH "+systemURI) != 0 {
		t.Errorf("settings: %v, %v", err, f.log)
	}

	g := newFake(t)
	g.set(systemURI, `{"@odata.id":"`+systemURI+`","Boot":{"BootOrder":["Boot0001","Boot0002","Boot0003"],"BootOptions":{"@odata.id":"`+systemURI+`/BootOptions"}},
		"Actions":{"#ComputerSystem.Reset":{"target":"`+resetURI+`"}}}`)
	g.set(systemURI+"/BootOptions", `{"Members":[
		{"@odata.id":"/o/1","@odata.type":"#BootOption.v1_0_0.BootOption","BootOptionReference":"Boot0001","UefiDevicePath":"PciRoot(0x0)/USB(0x1,0x0)/MAC(BE3AF2B6059F,0x1)/IPv4(0.0.0.0)"},
		{"@odata.id":"/o/2","@odata.type":"#BootOption.v1_0_0.BootOption","BootOptionReference":"Boot0002","UefiDevicePath":"PciRoot(0x5)/Pci(0x0,0x0)/MAC(B83FD2000001,0x1)/IPv4(0.0.0.0)/Uri()"},
		{"@odata.id":"/o/3","@odata.type":"#BootOption.v1_0_0.BootOption","BootOptionReference":"Boot0003","UefiDevicePath":"PciRoot(0x5)/Pci(0x0,0x0)/MAC(B83FD2000001,0x1)/IPv4(0.0.0.0)"}]}`)
	sent := g.bodies("PATCH " + systemURI)
	c := dial(t, d, g.endpoint(), free)
	for target, want := range map[BootTarget]string{BootPxe: `["Boot0003","Boot0001","Boot0002"]`, BootUefiHTTP: `["Boot0002","Boot0001","Boot0003"]`} {
		*sent = nil
		if err := c.SetNextBoot(soon(t), target); err != nil || strings.Join(*sent, " ") != `{"Boot":{"BootOrder":`+want+`}}` {
			t.Errorf("%s: %v, sent %v", target, err, *sent)
		}
	}
	if err := c.SetNextBoot(soon(t), BootCd); !errors.Is(err, ErrUnsupported) {
		t.Errorf("got %v", err)
	}
}

func TestLocator(t *testing.T) {
	f := newFake(t)
	d, _ := newDialer(t)
	b := dial(t, d, f.endpoint(), free)
	for range 2 {
		if err := b.SetLocator(soon(t), true); err != nil {
			t.Fatal(err)
		}
	}
	if n := f.count("PATCH " + systemURI); n != 1 {
		t.Errorf("lit %d times, want once", n)
	}
	f.set(systemURI, `{"@odata.id":"`+systemURI+`","IndicatorLED":"Off","Actions":{"#ComputerSystem.Reset":{"target":"`+resetURI+`"}}}`)
	if err := b.SetLocator(soon(t), true); err != nil || !strings.Contains(f.docs[systemURI], `"Blinking"`) {
		t.Errorf("%v, %s", err, f.docs[systemURI])
	}
	f.set(systemURI, `{"@odata.id":"`+systemURI+`","Actions":{"#ComputerSystem.Reset":{"target":"`+resetURI+`"}}}`)
	if err := b.SetLocator(soon(t), true); !errors.Is(err, ErrUnsupported) {
		t.Errorf("got %v", err)
	}
}

func TestActivate(t *testing.T) {
	f := newFake(t)
	host, bmc := f.bodies("POST "+resetURI), f.bodies("POST "+managerURI+"/Actions/Manager.Reset")
	const chassis = "/redfish/v1/Chassis/BMC_0"
	f.set(chassis, `{"@odata.id":"`+chassis+`","Actions":{"Oem":{"#NvidiaChassis.AuxPowerReset":{"target":"`+chassis+`/Actions/Oem/NvidiaChassis.AuxPowerReset"}}}}`)
	aux := f.bodies("POST " + chassis + "/Actions/Oem/NvidiaChassis.AuxPowerReset")
	d, _ := newDialer(t)
	ep := f.endpoint()
	ep.Profile = "gb200"
	b := dial(t, d, ep, free)
	try := func(verb string, want error) {
		t.Helper()
		if err := b.Activate(soon(t), verb); !errors.Is(err, want) || (want == nil && err != nil) {
			t.Errorf("%s: %v, want %v", verb, err, want)
		}
	}
	try("none", nil)
	try("warp", ErrUnsupported)
	try("ac-cycle", nil)
	try("host-reset", nil) // the host is off: its start loads what is staged
	f.set(systemURI, strings.Replace(f.docs[systemURI], `"PowerState":"Off"`, `"PowerState":"On"`, 1))
	try("host-reset", nil)
	try("power-cycle", ErrUnsupported)
	try("ac-cycle", ErrHostOn)
	if text := strings.Join(*host, " "); text != `{"ResetType":"On"} {"ResetType":"ForceRestart"}` || len(*aux) != 1 || (*aux)[0] != `{"ResetType":"AuxPowerCycle"}` {
		t.Errorf("sent %v and %v", *host, *aux)
	}
	before, err := b.Mark(soon(t))
	if err != nil || before.Host == "" || before.BMC == "" {
		t.Errorf("mark %+v, %v", before, err)
	}
	if err := b.Activate(soon(t), "bmc-reset"); err != nil || strings.Join(*bmc, "") != `{"ResetType":"ForceRestart"}` {
		t.Fatalf("%v, sent %v", err, *bmc)
	}
	if b.broker.sess != nil || b.broker.root != nil {
		t.Error("session or root survive a BMC reset")
	}
	f.set(managerURI, strings.Replace(f.docs[managerURI], "2026-01-01T00:00:00Z", "2026-01-01T00:09:00Z", 1))
	after, err := b.Mark(soon(t))
	if err != nil || after == before || after.String() == before.String() || (Mark{}).String() != "" {
		t.Errorf("mark %+v, then %+v, %v", before, after, err)
	}
	if live, _ := f.live(); live != 1 {
		t.Errorf("%d sessions after the reset: the old one is removed by the next login", live)
	}
}
