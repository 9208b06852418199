package conductor

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/redfish"
)

// switcher is a pond with a conductor that only switches, on real sockets; what
// is asked is answered as far as it goes.
type switcher struct {
	*pond
	c *Conductor
}

func newSwitcher(t *testing.T, p *pond, d *redfish.Dialer) *switcher {
	steps := &Steps{Store: p.Store, Extra: map[inventory.OpKind]Maker{inventory.OpPower: &Power{Store: p.Store, Poll: time.Millisecond, Quiet: 3 * time.Second, Access: &Access{Store: p.Store, Dialer: d}}}}
	c := &Conductor{Store: p.Store, Holder: "one", Log: slog.New(slog.NewTextHandler(p, nil))}
	steps.Fill(c)
	return &switcher{p, c}
}

func (s *switcher) ask(by inventory.PersonID, action string) inventory.RunID {
	s.t.Helper()
	args, err := json.Marshal(map[string]string{"action": action})
	s.must(err)
	req, err := s.Store.Ask(s.t.Context(), inventory.Request{Key: string(by) + action, Op: inventory.OpPower, By: by, Args: args, State: inventory.RequestAccepted,
		On: inventory.Selector{Nodes: []inventory.NodeID{s.node("C01").ID}}})
	s.must(err)
	return req.Run
}

func (s *switcher) line(run inventory.RunID) inventory.RequestLine {
	s.t.Helper()
	req, err := s.Store.Request(s.t.Context(), run)
	s.must(err)
	return req.Lines[0]
}

// until ticks until the condition holds.
func (s *switcher) until(what string, ok func() bool) {
	s.t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(end) {
			s.t.Fatalf("never: %s\n%s", what, &s.log)
		}
		s.must(s.Store.Wake(s.t.Context(), inventory.NodeSubject(s.node("C01").ID)))
		_, err := s.c.Tick(s.t.Context())
		s.must(err)
	}
}

// TestPowerOffOvertakes: the BMC is away, somebody asks for power on, somebody
// else stands before water and asks for force-off. When the BMC is back it is
// switched off and nothing else, and each is answered by what became of it.
func TestPowerOffOvertakes(t *testing.T) {
	_, p, fleet := wetRack(t)
	d := &redfish.Dialer{Credentials: fleetSecrets{fleet}}
	t.Cleanup(func() { p.must(d.Logout(context.Background())) })
	s := newSwitcher(t, p, d)
	url := p.node("C01").BMC.URL
	reach := func(url string) {
		p.must(p.Store.Bind(t.Context(), p.node("C01").ID, inventory.Endpoint{URL: url, Credential: "C01", System: "System_0"}))
	}
	reach("https://127.0.0.1:1")
	on := s.ask("tess", "on")
	s.until("the power-on is under way", func() bool { return strings.Contains(s.line(on).Detail, "not sent yet") })
	off := s.ask("fay", "force-off")
	s.until("the power-on is refused", func() bool { return s.line(on).Result == lineRefused })
	if l := s.line(on); !strings.Contains(l.Detail, "overtaken: fay asked for power off") {
		t.Errorf("the power-on is told %+v", l)
	}
	s.until("who asked for power off is told", func() bool { return strings.Contains(s.line(off).Detail, "NOT known to be off") })
	if l := s.line(off); l.Result != lineRunning {
		t.Errorf("the power-off is %+v while its BMC is away", l)
	}
	reach(url)
	s.until("the power-off is answered", func() bool { return s.line(off).Result == lineOK })
	c := fleet.BMC("C01").Counters().Resets
	if c["System_0 ForceOff"] != 1 || c["System_0 On"] != 0 || s.line(on).Result != lineRefused {
		t.Errorf("resets %v, on %+v, off %+v", c, s.line(on), s.line(off))
	}
	s.until("the host is off", func() bool { return fleet.BMC("C01").Power() == string(redfish.PowerOff) })
	again, later := s.ask("ann", "force-off"), s.ask("tess", "restart")
	s.until("both later requests are answered", func() bool {
		return s.line(again).Result == lineOK && s.line(later).Result != "not_started" && s.line(later).Result != lineRunning
	})
	if l := s.line(again); l.Detail != "read back: the host is off" {
		t.Errorf("a power-off of what is off: %+v", l)
	}
}
