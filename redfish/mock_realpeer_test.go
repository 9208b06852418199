//go:build realpeer

package redfish

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// mock is the third-party server of testdata/mock in a process of its own.
type mock struct {
	url string
	in  io.Writer
	out *bufio.Scanner
}

func startMock(t *testing.T) *mock {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "mock")
	build := exec.Command("go", "build", "-o", bin, ".")
	build.Dir = filepath.Join("testdata", "mock")
	build.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the third-party mock: %v\n%s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, addr)
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
	t.Cleanup(func() {
		if err := errors.Join(in.Close(), cmd.Wait()); err != nil {
			t.Errorf("the mock ended badly: %v", err)
		}
	})
	eventually(t, "the mock listens", func() bool {
		c, err := net.DialTimeout("tcp", addr, time.Second)
		return err == nil && c.Close() == nil
	})
	return &mock{url: "http://" + addr, in: in, out: bufio.NewScanner(out)}
}

// say gives the mock a word and waits until it took it.
func (m *mock) say(t *testing.T, word string) {
	t.Helper()
	if _, err := fmt.Fprintln(m.in, word); err != nil {
		t.Fatal(err)
	}
	if !m.out.Scan() || m.out.Text() != word {
		t.Fatalf("the mock said %q", m.out.Text())
	}
}

// TestRealPeerMetalOperatorMock drives a Redfish server that we did not write.
func TestRealPeerMetalOperatorMock(t *testing.T) {
	m := startMock(t)
	k := &keys{user: "admin", secret: "adminpass"}
	d := &Dialer{Credentials: k, Memory: &notes{}, Profiles: map[string]Profile{GenericProfile: {Basic: true}}}
	ep := inventory.Endpoint{URL: m.url, Credential: "mock"}
	b := dial(t, d, ep, free)

	if s, err := b.Power(soon(t)); err != nil || s == "" {
		t.Fatalf("power %q, %v", s, err)
	}
	for want, action := range map[PowerState]PowerAction{PowerOff: ActionForceOff, PowerOn: ActionOn} {
		eventually(t, string(want), func() bool {
			err := b.SetPower(soon(t), action)
			if errors.Is(err, ErrOutcomeUnknown) {
				t.Fatal(err)
			}
			s, perr := b.Power(soon(t))
			return err == nil && perr == nil && s == want // 409 while the mock is still locked
		})
	}
	for _, target := range []BootTarget{BootHdd, BootPxe} {
		if err := b.SetNextBoot(soon(t), target); err != nil {
			t.Errorf("boot from %s: %v", target, err)
		}
	}
	if err := b.SetNextBoot(soon(t), BootUefiHTTP); !errors.Is(err, ErrUnsupported) {
		t.Errorf("UefiHttp, which it does not list: %v", err)
	}
	if _, err := b.get(soon(t), "/redfish/v1/Nowhere"); err == nil {
		t.Error("a 404 is no error")
	}

	m.say(t, "unavailable")
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if _, err := b.Power(ctx); !errors.Is(err, ErrBusy) {
		t.Errorf("503 to a read: %v, want ErrBusy", err)
	}
	if _, err := b.post(ctx, call{op: "reset"}, "/redfish/v1/Systems/437XR1138R2/Actions/ComputerSystem.Reset", map[string]any{"ResetType": "On"}); !errors.Is(err, ErrBusy) {
		t.Errorf("503 to a write: %v, want ErrBusy", err)
	}
	m.say(t, "available")

	for image, want := range map[string]inventory.Outcome{"http://127.0.0.1/fine.bin": inventory.OutcomeOK, "http://127.0.0.1/fail.bin": inventory.OutcomeFailed} {
		id, err := b.StartUpdate(soon(t), Update{URI: image})
		if err != nil || id == "" {
			t.Fatalf("%s: %q, %v", image, id, err)
		}
		var got Task
		eventually(t, "the task ends", func() bool { got, err = b.Task(soon(t), id); return err == nil && got.Done })
		if got.Outcome != want {
			t.Errorf("%s: %+v, want %s", image, got, want)
		}
	}

	if err := b.SetPassword(soon(t), "admin", inventory.NewSecret("Another-Secret-1")); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Power(soon(t)); err != nil {
		t.Errorf("after the change: %v", err)
	}
	again := &Dialer{Credentials: k, Profiles: d.Profiles}
	for range 3 {
		if _, err := again.Dial(soon(t), ep, nil); !errors.Is(err, ErrAuth) {
			t.Errorf("the old password: %v, want ErrAuth", err)
		}
	}
	if err := errors.Join(d.Logout(t.Context()), again.Logout(t.Context())); err != nil {
		t.Error(err)
	}
}
