package bmcsim

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
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
	lines := captureLines(t, file)
	for path, body := range lines {
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
		if path != root && !reflect.DeepEqual(a.body, body) {
			t.Errorf("%s: served %s", path, a.raw)
		}
	}
	t.Logf("%d bodies, %d errors, %d machines", len(lines), errs, len(f.BMC("c").machines))
}

// captureLines reads the file once more, the test's own way.
func captureLines(t *testing.T, file string) map[string]object {
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]object{}
	for line := range strings.Lines(string(raw)) {
		var one struct {
			URI  string
			Body object
		}
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatal(err)
		}
		out["/"+strings.Trim(one.URI, "/")] = one.Body
	}
	return out
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
