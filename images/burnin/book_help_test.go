package burnin_test

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"os"
	"sync"
	"testing"

	"github.com/rackwright/rackwright/images/burnin"
)

// detour sends requests to a server that changes after a number of answers.
type detour struct {
	mu    sync.Mutex
	to    string
	after int
	then  func()
	n     int
	late  int
}

func (d *detour) client() *http.Client { return &http.Client{Transport: d} }

func (d *detour) set(to string) { d.to = to }

func (d *detour) used() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.late
}

// RoundTrip implements http.RoundTripper.
func (d *detour) RoundTrip(r *http.Request) (*http.Response, error) {
	d.mu.Lock()
	if d.n++; d.n == d.after {
		d.then()
	}
	if d.n >= d.after {
		d.late++
	}
	to, err := url.Parse(d.to)
	d.mu.Unlock()
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.URL.Host, r.URL.Scheme = to.Host, to.Scheme
	return http.DefaultTransport.RoundTrip(r)
}

// dying is a machine whose agent ends in the middle of a step, once.
type dying struct {
	burnin.Runner
	at   string
	kill context.CancelFunc
}

// Run implements burnin.Runner.
func (d *dying) Run(ctx context.Context, t burnin.Test, target burnin.Entity) burnin.Outcome {
	if t.ID == d.at {
		d.kill()
		<-ctx.Done()
	}
	return d.Runner.Run(ctx, t, target)
}

// cut drops what a killed process would not have written: everything after the
// last begin of a step, and half of that line's successor stays.
func cut(t *testing.T, file string) {
	t.Helper()
	b, err := os.ReadFile(file)
	must(t, err)
	i := bytes.LastIndex(b, []byte(`"kind":"begin"`))
	if i < 0 {
		t.Fatal("no step was begun")
	}
	end := i
	for end < len(b) && b[end] != '\n' {
		end++
	}
	must(t, os.WriteFile(file, append(b[:end+1:end+1], []byte(`{"seq":99,"ki`)...), 0o600))
}
