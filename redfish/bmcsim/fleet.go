package bmcsim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
)

// Options are of the whole fleet.
type Options struct {
	Log *slog.Logger // nil: silent
	// OnMutation is called before and after (phase "before", "half", "after") the n-th
	// mutating request takes effect; "half" comes only in an upload, when half of its
	// bytes were read. If the client is gone when "before" returns, the request has no
	// effect. It runs on the request's goroutine and may block it.
	OnMutation func(n int, phase string)
}

// Fleet is a number of simulated BMCs in this process.
type Fleet struct {
	options Options
	bmcs    []*BMC
	byName  map[string]*BMC
	ca      *authority
	ctx     context.Context
	stop    context.CancelFunc
	faults  faultList
	log     mutationLog
}

// New makes a fleet; nothing listens before Start.
func New(o Options, specs ...Spec) (*Fleet, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	ca, err := newAuthority()
	if err != nil {
		return nil, err
	}
	f := &Fleet{options: o, byName: map[string]*BMC{}, ca: ca}
	f.ctx, f.stop = context.WithCancel(context.Background())
	for _, s := range specs {
		if err := s.validate(); err != nil {
			return nil, err
		}
		if err := f.add(newBMC(f, s, build(&s))); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (f *Fleet) add(b *BMC) error {
	if f.byName[b.spec.Name] != nil {
		return fmt.Errorf("bmcsim: two BMCs are named %q: names are unique in a fleet", b.spec.Name)
	}
	f.bmcs, f.byName[b.spec.Name] = append(f.bmcs, b), b
	return nil
}

// Start opens all listeners. On an error nothing stays open.
func (f *Fleet) Start() error {
	for _, b := range f.bmcs {
		if err := b.start(); err != nil {
			return errors.Join(fmt.Errorf("bmcsim: %s: %w", b.spec.Name, err), f.Close())
		}
	}
	return nil
}

// Close ends all listeners, connections and hosts' contexts. Twice is harmless.
func (f *Fleet) Close() error {
	f.stop()
	var wg sync.WaitGroup
	for _, b := range f.bmcs {
		wg.Go(b.close)
	}
	wg.Wait()
	return nil
}

// BMC returns one by name, or nil.
func (f *Fleet) BMC(name string) *BMC { return f.byName[name] }

// BMCs returns all, in the order of the specs.
func (f *Fleet) BMCs() []*BMC { return f.bmcs }

// CA is the certificate, as PEM, that signed the BMCs of kind CertCA.
func (f *Fleet) CA() []byte { return f.ca.pem() }

// Directory says where each BMC is: what a manifest or an endpoint table needs.
func (f *Fleet) Directory() []Entry {
	out := make([]Entry, 0, len(f.bmcs))
	for _, b := range f.bmcs {
		out = append(out, Entry{Name: b.spec.Name, URL: b.URL(), Pin: b.pin, User: b.spec.User, Password: b.spec.Password, MAC: b.spec.BMCMAC, Serial: b.spec.Serial})
	}
	return out
}

// Entry is one line of the Directory. Password is the one of the Spec.
type Entry struct{ Name, URL, Pin, User, Password, MAC, Serial string }

func listenAddr(s string) string {
	if s == "" {
		return "127.0.0.1:0"
	}
	return s
}

func loopback(addr string) error {
	a, err := netip.ParseAddrPort(addr)
	if err != nil || !a.Addr().IsLoopback() {
		return fmt.Errorf("listen address %q: a simulator serves loopback only, as 127.0.0.1:0", addr)
	}
	return nil
}
