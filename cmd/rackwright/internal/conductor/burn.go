package conductor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rackwright/rackwright/images/burnin"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
	"github.com/rackwright/rackwright/redfish"
)

// Burn makes the evidence of burned_in: it boots the burn-in image over the
// network, waits for the agent, and judges the samples of the run. A verdict
// that fails sends the node to triage and is never repeated by itself.
type Burn struct {
	Store  Store
	Access *Access
	Book   *burnin.Book
	Boots  BootLines
	// Plan reads a burn-in plan by name.
	Plan func(name string) (burnin.Profile, error)
	// Heard is when this server last heard of a run's agent.
	Heard     func(inventory.RunID) (time.Time, bool)
	Default   string // plan where nobody names one
	Image     string // boot image where nobody names one
	Boot      time.Duration
	Heartbeat time.Duration // longest silence of an agent beyond the step it runs
	Poll      time.Duration
	Quiet     time.Duration // a reset that left no trace within this never began; default 30 s

	looked sync.Map // RunID → time.Time: when this process first looked at a run
}

// BootLines is the ledger of network boots.
type BootLines interface {
	Lines(context.Context, inventory.Hint, time.Time) ([]inventory.BootLine, error)
}

// Steps of a burn-in operation.
const (
	burnOverride = "boot override"
	burnReset    = "reset"
	burnWait     = "boot"
	burnTest     = "test"
	bootTries    = 3 // one boot, and at most two more for reasons of infrastructure
)

// burnState is what the operation remembers between turns.
type burnState struct {
	Target redfish.BootTarget `json:"target"`
	Next   uint64             `json:"next,omitempty"`   // samples seen so far
	Moved  time.Time          `json:"moved,omitzero"`   // when their number last grew
	Begun  time.Time          `json:"begun,omitzero"`   // when the boot under way was asked for
	Spared int                `json:"spared,omitempty"` // boots that do not count: the server was away
}

// Kind implements Maker.
func (*Burn) Kind() inventory.OpKind { return inventory.OpBurnIn }

// Make implements Maker.
func (m *Burn) Make(ctx context.Context, t Turn, f lifecycle.Facts) (Result, bool, error) {
	op := t.Operation()
	if op == nil {
		if len(t.Unsettled) > 0 {
			return m.settle(ctx, t, nil)
		}
		return m.start(ctx, t, f)
	}
	state, err := stateOf[burnState](op)
	if err != nil {
		return Result{}, false, err
	}
	m.here(op.Run)
	switch op.Step {
	case burnOverride:
		return m.override(ctx, t, *op, state)
	case burnReset:
		return m.reset(ctx, t, *op, state)
	case burnWait:
		return m.wait(ctx, t, *op, state)
	case burnTest:
		return m.test(ctx, t, *op, state)
	}
	return Result{}, false, fmt.Errorf("burn-in of %s stands at unknown step %q", t.Node.Address, op.Step)
}

// start begins a run, unless this node was judged and nobody has asked since: a
// verdict is not repeated until it is clean.
func (m *Burn) start(ctx context.Context, t Turn, f lifecycle.Facts) (Result, bool, error) {
	req, _ := wish(t, inventory.OpBurnIn)
	if e, ok := last(f.Evidence, lifecycle.GateSuite, t.Subject()); ok && (req.Op != inventory.OpBurnIn || req.At.Before(e.At)) {
		return Result{}, true, nil
	}
	args, err := argsOf(req)
	if err != nil {
		return Result{}, false, err
	}
	name, image := args.Plan, args.Image
	if name == "" {
		name = m.Default
	}
	if image == "" {
		image = m.Image
	}
	p, err := m.Plan(name)
	if err != nil {
		return Result{Change: inventory.Change{Blockers: []inventory.Blocker{blocker(t, lifecycle.GateSuite, inventory.OwnerTechnician, "conductor.no_burnin_plan", t.Node.Address, err.Error())}}}, true, nil
	}
	raw, err := p.JSON()
	if err != nil {
		return Result{}, false, err
	}
	digest, err := m.Store.Put(ctx, inventory.DocProfile, raw)
	if err != nil {
		return Result{}, false, err
	}
	op, shut, err := open(ctx, m.Store, t, inventory.OpBurnIn, digest)
	if err != nil || shut != nil {
		return deref(shut), false, err
	}
	op.Step, op.Attempt, op.Detail = burnOverride, 1, "plan "+name
	op.Deadline = op.Since.Add(bootTries*m.Boot + declared(p)*11/10)
	op.Boot = &inventory.Boot{Image: image, Until: time.Now().Add(m.Boot), Run: op.Run, Attempt: 1}
	return keep(*op, burnState{Target: redfish.BootUefiHTTP}, 0)
}

// declared is how long a plan says that its tests may take, at most.
func declared(p burnin.Profile) time.Duration {
	var d time.Duration
	for _, t := range p.Tests {
		d += max(t.Timeout.D(), t.Duration.D())
	}
	return d
}

// override asks for one network boot. HTTP where the BMC offers it, else PXE.
func (m *Burn) override(ctx context.Context, t Turn, op inventory.Operation, s burnState) (Result, bool, error) {
	bmc, err := m.Access.dial(ctx, t.Node.BMC, t.Guard)
	if err != nil {
		return m.held(t, op, s, err)
	}
	defer bmc.Close()
	err = bmc.SetNextBoot(ctx, s.Target)
	if errors.Is(err, redfish.ErrUnsupported) && s.Target == redfish.BootUefiHTTP {
		s.Target = redfish.BootPxe
		err = bmc.SetNextBoot(ctx, s.Target)
	}
	if err != nil { // repeatable: the same value again does no harm
		return m.held(t, op, s, err)
	}
	op.Step, op.Detail = burnReset, "next boot: "+string(s.Target)
	return keep(op, s, 0)
}

// reset powers the node on, or restarts it. It is not repeatable: an unknown
// outcome is read back by what the BMC shows.
func (m *Burn) reset(ctx context.Context, t Turn, op inventory.Operation, s burnState) (Result, bool, error) {
	if len(t.Unsettled) > 0 {
		return m.settle(ctx, t, &op)
	}
	bmc, err := m.Access.dial(ctx, t.Node.BMC, t.Guard)
	if err != nil {
		return m.held(t, op, s, err)
	}
	defer bmc.Close()
	begun := time.Now()
	r, err := sendReset(ctx, t, bmc, resetIntent{Step: fmt.Sprintf("boot %d", op.Attempt), Effect: "restart into the burn-in image", Attempt: op.Attempt})
	if err != nil {
		return m.held(t, op, s, err)
	}
	op.Detail = r.detail
	if r.outcome == inventory.OutcomeOK {
		m.booting(&op, &s, begun)
	}
	if r.outcome == inventory.OutcomeFailed {
		op.Attempt++ // definitely not done; the next intent needs a number of its own
	}
	out, _, err := keep(op, s, r.wait)
	out.Settles, out.Outcome, out.Change.Detail = r.intent, r.outcome, r.detail
	return out, false, err
}

// booting starts the time of a boot when the machine was reset, not when that
// was planned: a BMC may have been away in between.
func (m *Burn) booting(op *inventory.Operation, s *burnState, begun time.Time) {
	op.Step, s.Moved, s.Begun = burnWait, time.Now(), begun
	if op.Boot != nil {
		op.Boot.Until = time.Now().Add(m.Boot)
	}
}

// Boundary implements bounded: the machine is not reset yet.
func (*Burn) Boundary(op inventory.Operation) (bool, error) {
	return op.Step == burnOverride || op.Step == burnReset, nil
}

// settle reads an unknown reset back. op nil: its run was broken off.
func (m *Burn) settle(ctx context.Context, t Turn, op *inventory.Operation) (Result, bool, error) {
	s, err := stateOf[burnState](op)
	if err != nil {
		return Result{}, false, err
	}
	bmc, err := m.Access.dial(ctx, t.Node.BMC, nil)
	if err != nil {
		return m.held(t, deref2(op), s, err)
	}
	defer bmc.Close()
	r, err := readReset(ctx, bmc, t.Unsettled[0], quietOr(m.Quiet))
	if err != nil {
		return m.held(t, deref2(op), s, err)
	}
	out := Result{Change: inventory.Change{Operation: op}, Wait: r.wait}
	if op != nil {
		switch r.outcome {
		case inventory.OutcomeOK:
			m.booting(op, &s, t.Unsettled[0].Begun)
		case inventory.OutcomeFailed:
			op.Attempt++
		}
		if out, _, err = keep(*op, s, r.wait); err != nil {
			return Result{}, false, err
		}
	}
	if r.outcome == inventory.OutcomeOK || r.outcome == inventory.OutcomeFailed {
		out.Settles, out.Outcome = r.intent, r.outcome
	}
	out.Change.Detail = r.detail
	return out, false, nil
}

func deref2(op *inventory.Operation) inventory.Operation {
	if op == nil {
		return inventory.Operation{}
	}
	return *op
}

// held comes back later and says who must act; the operation stays as it is.
func (m *Burn) held(t Turn, op inventory.Operation, s burnState, cause error) (Result, bool, error) {
	if errors.Is(cause, redfish.ErrBusy) || errors.Is(cause, ErrLease) {
		r, _, err := keepIf(op, s, m.Poll)
		r.Reason = cause.Error()
		return r, false, err
	}
	b, err := trouble(t, lifecycle.GateSuite, cause)
	if err != nil {
		return Result{}, false, err
	}
	r, _, err := keepIf(op, s, m.Poll)
	r.Blockers = []inventory.Blocker{*b}
	return r, false, err
}

// keepIf keeps an operation that exists.
func keepIf(op inventory.Operation, state any, wait time.Duration) (Result, bool, error) {
	if op.Run == "" {
		return Result{Wait: wait}, false, nil
	}
	return keep(op, state, wait)
}
