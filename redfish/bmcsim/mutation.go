package bmcsim

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Mutation is one request that could change something.
type Mutation struct {
	N       int // number over the whole fleet; 0 for logins, logouts and refused ones
	BMC     string
	Method  string
	Path    string
	At      time.Time
	Status  int    // 0: the connection ended without an answer
	Outcome string // done, refused, session, cut, dropped…
}

// Kill is an armed blow of the kill matrix: at mutation N in Phase the simulator
// sends SIGKILL to PID, waits until it is dead and, for "before" and "half", lets
// the request have no effect.
type Kill struct {
	N     int
	Phase string // before, half (uploads only), after
	PID   int
	Stop  bool // SIGSTOP instead: the zombie of lifecycle.md §15; nothing is dropped
	Fired bool
}

type mutationLog struct {
	mu   sync.Mutex
	n    int
	list []Mutation
	kill *Kill
}

func (l *mutationLog) next() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n++
	return l.n
}

func (l *mutationLog) add(c *call, n, status int, outcome string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, Mutation{N: n, BMC: c.b.spec.Name, Method: c.r.Method, Path: c.path, At: time.Now(), Status: status, Outcome: outcome})
}

// Mutations is a copy of the log, in the order in which requests ended.
func (f *Fleet) Mutations() []Mutation {
	f.log.mu.Lock()
	defer f.log.mu.Unlock()
	return slices.Clone(f.log.list)
}

// Arm sets the blow; it replaces an earlier one.
func (f *Fleet) Arm(k Kill) error {
	if k.N < 1 || k.PID < 2 || !slices.Contains([]string{"before", "half", "after"}, k.Phase) {
		return fmt.Errorf("bmcsim: kill %+v: N ≥ 1, PID > 1 and phase before, half or after are needed", k)
	}
	f.log.mu.Lock()
	defer f.log.mu.Unlock()
	k.Fired = false
	f.log.kill = &k
	return nil
}

// Armed returns the blow and whether it has fired.
func (f *Fleet) Armed() (Kill, bool) {
	f.log.mu.Lock()
	defer f.log.mu.Unlock()
	if f.log.kill == nil {
		return Kill{}, false
	}
	return *f.log.kill, true
}

// strike tells the hook and fires an armed blow; true: the client was killed here.
func (f *Fleet) strike(n int, phase string) bool {
	if f.options.OnMutation != nil {
		f.options.OnMutation(n, phase)
	}
	f.log.mu.Lock()
	k := f.log.kill
	hit := k != nil && !k.Fired && k.N == n && k.Phase == phase
	if hit {
		k.Fired = true
	}
	f.log.mu.Unlock()
	if !hit {
		return false
	}
	signal, states := syscall.SIGKILL, "ZX"
	if k.Stop {
		signal, states = syscall.SIGSTOP, "T"
	}
	if p, err := os.FindProcess(k.PID); err != nil || p.Signal(signal) != nil {
		f.options.Log.Error("kill missed its process", "pid", k.PID, "n", n, "phase", phase)
		return true
	}
	for range 5000 { // a signal sent is not yet a process stopped: its sockets close when the kernel is done
		if gone(k.PID, states) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	return !k.Stop
}

// gone is true for a process that does not exist or is in one of the states of proc(5).
func gone(pid int, states string) bool {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, rest, ok := strings.Cut(string(raw), ") ")
	return ok && rest != "" && strings.ContainsAny(rest[:1], states)
}
