package bmcsim

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test binary be the client that is killed, or the fleet in a
// process of its own.
func TestMain(m *testing.M) {
	switch os.Getenv("BMCSIM_ROLE") {
	case "client":
		if err := client(os.Getenv("BMCSIM_URL"), os.Getenv("BMCSIM_USER"), os.Getenv("BMCSIM_PASSWORD")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	case "fleet":
		if err := Process(context.Background(), os.Stdin, os.Stdout, Options{}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// client makes three numbered mutations: a PATCH, an upload, a power-on.
func client(url, user, password string) error {
	t := &testing.T{}
	b := &BMC{addr: strings.TrimPrefix(url, "https://"), spec: Spec{User: user, Password: password}}
	p := newPeer(t, b)
	_, _ = io.ReadAll(os.Stdin) // wait for the word to start
	for _, one := range []struct {
		method, path string
		body         any
		header       []string
	}{
		{"PATCH", systems + "/1", object{"AssetTag": "changed"}, nil},
		{"POST", updates + "/update", Bundle(2<<20, "NIC_0", "9"), []string{"Content-Type", "application/octet-stream"}},
		{"POST", resetPath(systems + "/1"), object{"ResetType": "On"}, nil},
	} {
		a, err := p.try(one.method, one.path, one.body, one.header...)
		if err != nil {
			return err
		}
		if a.StatusCode >= 300 {
			return fmt.Errorf("%s: %s", one.path, a.Status)
		}
	}
	return nil
}

// start runs this binary in a role; the returned pipe is its standard input.
func start(t *testing.T, role string, env ...string) (*exec.Cmd, io.WriteCloser, io.Reader) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), append(env, "BMCSIM_ROLE="+role)...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd, in, out
}

func startClient(t *testing.T, e Entry) (*exec.Cmd, io.WriteCloser) {
	cmd, in, _ := start(t, "client", "BMCSIM_URL="+e.URL, "BMCSIM_USER="+e.User, "BMCSIM_PASSWORD="+e.Password)
	return cmd, in
}

// TestKillPoints kills a real client before and after every mutation and in the
// middle of its upload, and checks that the effect is there or not as promised.
func TestKillPoints(t *testing.T) {
	for _, c := range []struct {
		n           int
		phase       string
		tag         string
		flashes     int
		cut, booted int
	}{
		{1, "before", "", 0, 0, 0}, {1, "after", "changed", 0, 0, 0},
		{2, "before", "changed", 0, 0, 0}, {2, "half", "changed", 0, 1, 0}, {2, "after", "changed", 1, 0, 0},
		{3, "before", "changed", 1, 0, 0}, {3, "after", "changed", 1, 0, 1},
	} {
		t.Run(fmt.Sprintf("%d %s", c.n, c.phase), func(t *testing.T) {
			f, p := rig(t, ProfileX86, nil)
			cmd, in := startClient(t, f.Directory()[0])
			if err := f.Arm(Kill{N: c.n, Phase: c.phase, PID: cmd.Process.Pid}); err != nil {
				t.Fatal(err)
			}
			_ = in.Close()
			if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
				t.Fatalf("client: %v, want killed", err)
			}
			eventually(t, "the request's end", func() bool { return len(f.Mutations()) == c.n })
			if k, _ := f.Armed(); !k.Fired {
				t.Error("not fired")
			}
			p.login()
			got := p.b.Counters()
			equal(t, "tag", str(p.get(systems+"/1"), "AssetTag"), c.tag)
			equal(t, "flashes, cut", []int{len(got.Flashes), got.CutUploads}, []int{c.flashes, c.cut})
			equal(t, "power verbs", len(got.Resets), c.booted)
		})
	}
}

// hooked is a fleet of node1 that tells of every mutation.
func hooked(t *testing.T, hook func(n int, phase string)) *Fleet {
	t.Helper()
	f, err := New(Options{OnMutation: hook}, NewSpec(ProfileX86, "node1"))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func TestHookSeesEveryMutationInOrder(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	f := hooked(t, func(n int, phase string) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, fmt.Sprint(n, phase))
	})
	p := newPeer(t, f.BMC("node1"))
	p.login() // no number
	p.want(200, "PATCH", systems+"/1", object{"AssetTag": "x"})
	p.want(202, "POST", updates+"/update", Payload("NIC_0", "9"))
	p.want(400, "POST", resetPath(systems+"/1"), object{})
	p.want(204, "DELETE", sessions+"/1", nil)
	p.want(401, "POST", resetPath(systems+"/1"), object{}) // refused before it could count
	mu.Lock()
	defer mu.Unlock()
	equal(t, "hook", seen, []string{"1before", "1after", "2before", "2half", "2after", "3before", "3after"})
	var log []string
	for _, m := range f.Mutations() {
		log = append(log, fmt.Sprint(m.N, m.Method, m.Status, m.Outcome))
	}
	equal(t, "log", log, []string{"0POST201session", "1PATCH200done", "2POST202done", "3POST400refused", "0DELETE204session", "0POST401refused"})
}

// TestHookKillDropsTheRequest: the hook itself ends the client's connection.
func TestHookKillDropsTheRequest(t *testing.T) {
	var gone func()
	f := hooked(t, func(_ int, phase string) {
		if phase == "before" {
			gone()
		}
	})
	p := newPeer(t, f.BMC("node1"))
	ctx, cancel := context.WithCancel(t.Context())
	gone = cancel
	req, err := http.NewRequestWithContext(ctx, "PATCH", p.b.URL()+systems+"/1", strings.NewReader(`{"AssetTag":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(p.b.spec.User, p.b.spec.Password)
	if resp, err := p.c.Do(req); err == nil {
		resp.Body.Close()
		t.Fatal("answered")
	}
	eventually(t, "the log", func() bool { return len(f.Mutations()) == 1 })
	equal(t, "outcome", strings.HasPrefix(f.Mutations()[0].Outcome, "dropped"), true)
	equal(t, "effect", str(p.get(systems+"/1"), "AssetTag"), "")
}

func TestArmIsChecked(t *testing.T) {
	f, _ := rig(t, ProfileX86, nil)
	for _, bad := range []Kill{{}, {N: 1, Phase: "during", PID: 99}, {N: 1, Phase: "before", PID: 1}, {Phase: "after", PID: 99}} {
		if f.Arm(bad) == nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
}

// TestProcess runs a fleet in another process and works it over the control port.
func TestProcess(t *testing.T) {
	specs := []Spec{NewSpec(ProfileX86, "a"), NewSpec(ProfileGB200, "b")}
	cmd, in, out := start(t, "fleet")
	if err := json.NewEncoder(in).Encode(specs); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var ready Ready
	if err := json.Unmarshal(line, &ready); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	equal(t, "BMCs", len(ready.BMCs), 2)
	victim, word := startClient(t, ready.BMCs[0])
	control(t, 200, "POST", ready.Control+"/kill", Kill{N: 2, Phase: "half", PID: victim.Process.Pid}, nil)
	_ = word.Close()
	if err := victim.Wait(); err == nil {
		t.Fatal("the client was not killed")
	}
	var snap Snapshot
	eventually(t, "the cut upload", func() bool {
		control(t, 200, "GET", ready.Control+"/counters", nil, &snap)
		return snap["a"].CutUploads == 1
	})
	var log []Mutation
	control(t, 200, "GET", ready.Control+"/mutations", nil, &log)
	equal(t, "mutations", len(log), 2)
	var kill Kill
	control(t, 200, "GET", ready.Control+"/kill", nil, &kill)
	equal(t, "fired", kill.Fired, true)
	control(t, 200, "POST", ready.Control+"/faults", []Fault{{Path: root, Status: 503, Count: -1}}, nil)
	p := newPeer(t, &BMC{addr: strings.TrimPrefix(ready.BMCs[0].URL, "https://"), spec: specs[0]})
	p.want(503, "GET", root, nil)
	control(t, 200, "DELETE", ready.Control+"/faults", nil, nil)
	p.want(200, "GET", root, nil)
	controlScenario(t, ready.Control)
	_ = in.Close()
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	select {
	case err := <-exited:
		if err != nil {
			t.Errorf("the fleet ended with %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Error("the fleet outlives its pipe")
	}
}

func controlScenario(t *testing.T, at string) {
	t.Helper()
	leak := "&detector=Chassis_0_LeakDetector_0_Manifold&state="
	control(t, 200, "POST", at+"/leak?bmc=b"+leak+"Critical", nil, nil)
	control(t, 400, "POST", at+"/leak?bmc=b"+leak+"Wet", nil, nil)
	control(t, 404, "POST", at+"/leak?bmc=zz"+leak+"OK", nil, nil)
	control(t, 200, "POST", at+"/updatefaults?bmc=a", UpdateFaults{Count: 1, FailAt: 10}, nil)
	control(t, 400, "POST", at+"/updatefaults?bmc=a", object{"Colour": "red"}, nil)
	control(t, 200, "POST", at+"/set?bmc=a&path="+systems+"/1", object{"Model": "changed"}, nil)
	control(t, 400, "POST", at+"/set?bmc=a&path=/nowhere", object{}, nil)
	control(t, 400, "POST", at+"/away?bmc=a&for=soon", nil, nil)
	control(t, 200, "POST", at+"/accycle?bmc=b", nil, nil)
	control(t, 200, "POST", at+"/release?bmc=a", nil, nil)
	control(t, 400, "POST", at+"/foreign?bmc=a&component=nothing&version=1", nil, nil)
	var versions map[string]map[string]VersionState
	control(t, 200, "GET", at+"/versions", nil, &versions)
	equal(t, "version", versions["a"]["NIC_0"].Active, "223.0.161.0")
	var power map[string]string
	control(t, 200, "GET", at+"/power", nil, &power)
	equal(t, "power", slices.Sorted(func(yield func(string) bool) {
		for _, v := range power {
			if !yield(v) {
				return
			}
		}
	}), []string{"Off", "Off"})
	var right bool
	control(t, 200, "GET", at+"/password?bmc=a&user=root&password=no", nil, &right)
	equal(t, "password", right, false)
	var boots []Boot
	control(t, 200, "GET", at+"/boots?bmc=a", nil, &boots)
}

func control(t *testing.T, want int, method, url string, body, into any) {
	t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err = io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != want {
		t.Fatalf("%s %s: %s %v, want %d: %s", method, url, resp.Status, err, want, raw)
	}
	if into != nil {
		if err := json.Unmarshal(raw, into); err != nil {
			t.Fatalf("%s: %v: %s", url, err, raw)
		}
	}
}

// TestStopPoint: a stopped client gets its answer when it goes on; nothing is lost.
func TestStopPoint(t *testing.T) {
	f, p := rig(t, ProfileX86, nil)
	cmd, in := startClient(t, f.Directory()[0])
	if err := f.Arm(Kill{N: 2, Phase: "before", PID: cmd.Process.Pid, Stop: true}); err != nil {
		t.Fatal(err)
	}
	_ = in.Close()
	eventually(t, "the blow", func() bool { k, _ := f.Armed(); return k.Fired && gone(cmd.Process.Pid, "T") })
	time.Sleep(100 * time.Millisecond)
	if n := len(f.Mutations()); n > 2 {
		t.Errorf("a stopped client sent %d mutations", n)
	}
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("the client did not finish: %v", err)
	}
	equal(t, "flashes", len(p.b.Counters().Flashes), 1)
}
