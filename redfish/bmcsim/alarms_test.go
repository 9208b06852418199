package bmcsim

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLeaksAndReadings(t *testing.T) {
	_, p := rig(t, ProfileGB200, nil)
	p.login()
	id := "Chassis_0_LeakDetector_1_Manifold"
	at := chassis + "/Chassis_0/ThermalSubsystem/LeakDetection/LeakDetectors/" + id
	equal(t, "dry", p.get(at)["DetectorState"], "OK")
	if err := p.b.SetLeak(id, "Critical"); err != nil {
		t.Fatal(err)
	}
	equal(t, "wet", []any{p.get(at)["DetectorState"], str(p.get(at), "Status", "Health")}, []any{"Critical", "Critical"})
	equal(t, "policy", p.get(chassis + "/Chassis_0/Oem/Nvidia/Policies/LeakDetectionPolicy")["PolicyEnabled"], false)
	if p.b.SetLeak(id, "Damp") == nil || p.b.SetLeak("nobody", "OK") == nil || p.b.SetReading("nobody", 1) == nil {
		t.Error("nonsense was accepted")
	}
	for value, health := range map[float64]string{24: "OK", 41: "Warning", 50: "Critical"} {
		if err := p.b.SetReading("Inlet_Temp", value); err != nil {
			t.Fatal(err)
		}
		equal(t, "health", str(p.get(chassis+"/Chassis_0/Sensors/Inlet_Temp"), "Status", "Health"), health)
	}
}

// TestCapturesAreServed serves each captured tree: the root says that it is simulated,
// bodies come as they are, errors with their status, a login works.
func TestCapturesAreServed(t *testing.T) {
	dir := filepath.Join("..", "..", "..", "shared", "samples", "redfish")
	trees, err := filepath.Glob(filepath.Join(dir, "*", "resources.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if len(trees) == 0 {
		if _, err := os.Stat(dir); os.IsNotExist(err) {
			t.Skipf("no captures: %s does not exist", dir)
		}
		t.Fatalf("%s holds no trees", dir)
	}
	for _, file := range trees {
		t.Run(filepath.Base(filepath.Dir(file)), func(t *testing.T) { serveCapture(t, file) })
	}
}

func serveCapture(t *testing.T, file string) {
	f, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if err := f.FromTree(Spec{Name: "c", User: "u", Password: "p"}, in); err != nil {
		t.Fatal(err)
	}
	if err := f.Start(); err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p := newPeer(t, f.BMC("c"))
	p.login()
	p.get(sessions + "/1")
	mark := p.get(root)["Oem"].(object)["Rackwright"].(object)
	equal(t, "mark", mark["Simulated"], true)
	errs := 0
	for path, r := range f.BMC("c").tree {
		a := p.do("GET", path, nil)
		_, isError := a.body["error"]
		isError = isError && len(a.body) == 1
		if isError != (a.StatusCode >= 400) {
			t.Errorf("%s: %s with error body %v", path, a.Status, isError)
		}
		if isError {
			errs++
			continue
		}
		if path != root && len(a.body) != len(r.body) {
			t.Errorf("%s: %d properties instead of %d", path, len(a.body), len(r.body))
		}
	}
	t.Logf("%d bodies, %d errors, %d machines", len(f.BMC("c").tree), errs, len(f.BMC("c").machines))
}

func TestBadCaptures(t *testing.T) {
	f, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	good := Spec{Name: "c", User: "u", Password: "p"}
	for _, c := range []struct{ text, want string }{
		{"", "no /redfish/v1"}, {"{}\n", "line 1"}, {`{"uri":"/redfish/v1","body":{}}` + "\nnonsense\n", "line 2"},
	} {
		if err := f.FromTree(good, strings.NewReader(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v", c.text, err)
		}
	}
	if f.FromTree(Spec{}, strings.NewReader("")) == nil {
		t.Error("a capture without an account")
	}
}
