package conductor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/redfish"
)

// host is a BMC as a reset sees it; it counts what was really sent.
type host struct {
	power redfish.PowerState
	mark  string
	bmc   string // reset time of the BMC itself
	err   error  // of the write
	away  error  // of every question
	sent  []redfish.PowerAction
}

func (h *host) Power(context.Context) (redfish.PowerState, error) { return h.power, h.away }
func (h *host) Mark(context.Context) (redfish.Mark, error) {
	return redfish.Mark{Host: h.mark, BMC: h.bmc}, h.away
}
func (h *host) SetPower(_ context.Context, a redfish.PowerAction) error {
	h.sent = append(h.sent, a)
	return h.err
}

func TestSendReset(t *testing.T) {
	var begun []inventory.Intent
	turn := Turn{Guard: func(context.Context) error { return nil },
		Begin: func(_ context.Context, i inventory.Intent) (inventory.IntentID, error) {
			begun = append(begun, i)
			return "i1", nil
		}}
	short := turn
	short.Guard = func(context.Context) error { return ErrLease }
	for _, c := range []struct {
		name   string
		turn   Turn
		host   host
		action redfish.PowerAction
		sends  redfish.PowerAction // empty: nothing may leave
		out    inventory.Outcome
		err    error
	}{
		{"a running host is restarted", turn, host{power: redfish.PowerOn}, "", redfish.ActionForceRestart, inventory.OutcomeOK, nil},
		{"a host that is off is started", turn, host{power: redfish.PowerOff}, "", redfish.ActionOn, inventory.OutcomeOK, nil},
		{"what a person asks for", turn, host{power: redfish.PowerOn}, redfish.ActionForceOff, redfish.ActionForceOff, inventory.OutcomeUnknown, nil},
		{"no answer is unknown, never success", turn, host{power: redfish.PowerOn, err: redfish.ErrOutcomeUnknown}, "", redfish.ActionForceRestart, inventory.OutcomeUnknown, nil},
		{"a refusal is definite", turn, host{power: redfish.PowerOn, err: redfish.ErrBusy}, "", redfish.ActionForceRestart, inventory.OutcomeFailed, nil},
		{"a BMC that cannot be asked first gets nothing", turn, host{away: redfish.ErrUnreachable}, "", "", "", redfish.ErrUnreachable},
		{"too little lease: no intent, nothing sent", short, host{power: redfish.PowerOn}, "", "", "", ErrLease},
	} {
		begun = nil
		got, err := sendReset(t.Context(), c.turn, &c.host, resetIntent{Step: "s", Effect: "e", Attempt: 1, Action: c.action})
		if !errors.Is(err, c.err) || got.outcome != c.out {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
		if c.sends == "" && (len(c.host.sent) > 0 || len(begun) > 0) || c.sends != "" && (fmt.Sprint(c.host.sent) != fmt.Sprint([]redfish.PowerAction{c.sends}) || len(begun) != 1) {
			t.Errorf("%s: sent %v under %d intents", c.name, c.host.sent, len(begun))
		}
	}
}

func TestReadReset(t *testing.T) {
	before := func(p redfish.PowerState, a redfish.PowerAction) json.RawMessage {
		raw, err := json.Marshal(resetBefore{Power: p, Mark: redfish.Mark{Host: "10:00"}, Action: a})
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	restart := before(redfish.PowerOn, redfish.ActionForceRestart)
	for _, c := range []struct {
		name   string
		before json.RawMessage
		host   host
		age    time.Duration
		want   inventory.Outcome
	}{
		{"the reset time moved", restart, host{power: redfish.PowerOn, mark: "10:01"}, 0, inventory.OutcomeOK},
		{"nothing moved yet", restart, host{power: redfish.PowerOn, mark: "10:00"}, time.Second, inventory.OutcomeUnknown},
		{"nothing moved within the quiet time", restart, host{power: redfish.PowerOn, mark: "10:00"}, time.Hour, inventory.OutcomeFailed},
		{"a BMC that tells no reset time proves nothing", restart, host{power: redfish.PowerOn}, time.Second, inventory.OutcomeUnknown},
		{"it came on", before(redfish.PowerOff, redfish.ActionOn), host{power: redfish.PowerPoweringOn, mark: "10:00"}, 0, inventory.OutcomeOK},
		{"it stayed off", before(redfish.PowerOff, redfish.ActionOn), host{power: redfish.PowerOff, mark: "10:00"}, time.Hour, inventory.OutcomeFailed},
		{"a power-off that only its BMC restarted over", before(redfish.PowerOn, redfish.ActionForceOff), host{power: redfish.PowerOn, mark: "10:00", bmc: "10:05"}, time.Second, inventory.OutcomeUnknown},
		{"a power-off, and the host restarted by itself", before(redfish.PowerOn, redfish.ActionForceOff), host{power: redfish.PowerOn, mark: "10:05"}, time.Hour, inventory.OutcomeFailed},
		{"a power-on, and it is off all the same", before(redfish.PowerOff, redfish.ActionOn), host{power: redfish.PowerOff, mark: "10:05"}, time.Second, inventory.OutcomeUnknown},
		{"a restart that only its BMC restarted over", restart, host{power: redfish.PowerOn, mark: "10:00", bmc: "10:05"}, time.Hour, inventory.OutcomeFailed},
		{"it was off, and may be about to come on", before(redfish.PowerOff, redfish.ActionForceOff), host{power: redfish.PowerOff, mark: "10:00"}, time.Second, inventory.OutcomeUnknown},
		{"it was off and stays off", before(redfish.PowerOff, redfish.ActionForceOff), host{power: redfish.PowerOff, mark: "10:00"}, 11 * time.Second, inventory.OutcomeOK},
		{"an operating system takes its time", before(redfish.PowerOn, redfish.ActionGracefulShutdown), host{power: redfish.PowerOn, mark: "10:00"}, 4 * time.Minute, inventory.OutcomeUnknown},
		{"and not for ever", before(redfish.PowerOn, redfish.ActionGracefulShutdown), host{power: redfish.PowerOn, mark: "10:00"}, 6 * time.Minute, inventory.OutcomeFailed},
		{"it went off", before(redfish.PowerOn, redfish.ActionForceOff), host{power: redfish.PowerOff, mark: "10:00"}, 0, inventory.OutcomeOK},
	} {
		got, err := readReset(t.Context(), &c.host, inventory.Intent{ID: "i1", Before: c.before, Begun: time.Now().Add(-c.age)}, 30*time.Second)
		if err != nil || got.outcome != c.want || got.intent != "i1" {
			t.Errorf("%s: %+v, %v; want %s", c.name, got, err, c.want)
		}
		if len(c.host.sent) > 0 {
			t.Errorf("%s: reading back sent %v", c.name, c.host.sent)
		}
	}
	if _, err := readReset(t.Context(), &host{away: redfish.ErrUnreachable}, inventory.Intent{Before: restart}, time.Second); !errors.Is(err, redfish.ErrUnreachable) {
		t.Errorf("a BMC that is away decides nothing: %v", err)
	}
}
