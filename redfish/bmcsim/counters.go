package bmcsim

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Counters are what one BMC has seen since it was made.
type Counters struct {
	Requests, Handshakes, Unauthorized                      int
	SessionsLive, SessionsMax, SessionsRefused              int
	InFlightMax, WritersMax                                 int // WritersMax leaves logins and logouts out
	Logins, WrongLogins, LockedLogins, Lockouts             int
	WrongBySecret                                           map[string]int // by a digest of the password
	PasswordChanges                                         int
	Flashes                                                 []Flash
	CutUploads, RefusedPayloads, RefusedBusy, BankInterrupt int            // BankInterrupt: power or BMC cut during a bank write
	Resets                                                  map[string]int // by "what verb", as "System_0 ForceRestart"
	HostErrors                                              int
}

type counters struct{ Counters }

func newCounters() counters {
	return counters{Counters{WrongBySecret: map[string]int{}, Resets: map[string]int{}}}
}

// Flash is one bank write that has started: an update accepted with a complete payload.
type Flash struct {
	BMC, Task  string
	Components []string // "ID VERSION", in order
	Digest     string   // of the payload, sha256:hex
	At         time.Time
}

// ResetCount is the number of resets that a client asked for, of all kinds but On, ForceOff and GracefulShutdown.
func (c Counters) ResetCount() int {
	n := 0
	for what, k := range c.Resets {
		switch verb := what[strings.LastIndex(what, " ")+1:]; verb {
		case "On", "ForceOff", "GracefulShutdown", "Self":
		default:
			n += k
		}
	}
	return n
}

// Counters is a copy of the BMC's counters.
func (b *BMC) Counters() Counters {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expire()
	c := b.count.Counters
	c.SessionsLive = len(b.sessions)
	c.WrongBySecret, c.Resets, c.Flashes = maps.Clone(c.WrongBySecret), maps.Clone(c.Resets), slices.Clone(c.Flashes)
	return c
}

// Snapshot is the counters of every BMC by name; it marshals to JSON.
type Snapshot map[string]Counters

// Snapshot copies all counters.
func (f *Fleet) Snapshot() Snapshot {
	out := Snapshot{}
	for _, b := range f.bmcs {
		out[b.spec.Name] = b.Counters()
	}
	return out
}

// Flashes of all BMCs, oldest first.
func (s Snapshot) Flashes() []Flash {
	var out []Flash
	for _, name := range sorted(s) {
		out = append(out, s[name].Flashes...)
	}
	slices.SortStableFunc(out, func(a, b Flash) int { return a.At.Compare(b.At) })
	return out
}

// Sum adds one number over all BMCs.
func (s Snapshot) Sum(of func(Counters) int) int {
	n := 0
	for _, c := range s {
		n += of(c)
	}
	return n
}

// Max is the largest of one number over all BMCs.
func (s Snapshot) Max(of func(Counters) int) int {
	n := 0
	for _, c := range s {
		n = max(n, of(c))
	}
	return n
}
