package burnin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// Agent runs the plan of one booted node: it introduces itself, runs every
// step, watches the kernel log beside them and sends numbered samples until
// the server has them all. It decides nothing. A simulated machine uses the
// same agent with its own Runner and says so.
type Agent struct {
	Server string // base URL of the provisioning listener
	HTTP   *http.Client
	Token  inventory.Secret // boot token, traded once
	Hello  Hello            // who this is; the observation is filled in
	Runner Runner
	Kernel KernelLog // nil: the kernel log cannot be watched, and the start says so
	Spool  string    // directory on a RAM disk
	Log    *slog.Logger
	Poll   time.Duration // between sensor readings; 0 means 10 s
	Settle time.Duration // wait for late kernel lines before the end; 0 means 1 s
	Retry  time.Duration // first pause after a failed call; 0 means 500 ms
}

// batchSize is what a batch aims at in encoded bytes.
const batchSize = 256 << 10

// Run works until the server has the whole run. An error means that it does
// not: nothing was judged, the server will see silence.
func (a *Agent) Run(ctx context.Context) error {
	s, err := openSpool(a.Spool)
	if err != nil {
		return err
	}
	defer s.close()
	c := &client{server: a.Server, http: a.HTTP}
	work, err := a.introduce(ctx, c, s)
	if err != nil {
		return err
	}
	if got := work.Profile.Digest(); got != work.Digest {
		return fmt.Errorf("plan %s came with digest %s, announced was %s: nothing was run", work.Profile.Name, got, work.Digest)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	sent := make(chan error, 1)
	go func() {
		err := a.deliver(ctx, c, s, work)
		if err != nil {
			cancel(err)
		}
		sent <- err
	}()
	r := &run{a: a, c: c, s: s, work: work}
	runErr := r.all(ctx)
	if runErr != nil {
		cancel(runErr)
	}
	return errors.Join(runErr, <-sent)
}

// introduce trades the token, or goes on with the ticket of an earlier process
// of this boot.
func (a *Agent) introduce(ctx context.Context, c *client, s *spool) (Assignment, error) {
	t, ok, err := s.loadTicket(a.Hello.BootID)
	if err != nil {
		return Assignment{}, err
	}
	if ok {
		c.credential = t.Credential
		now, work := Assignment{}, t.Assignment
		err := insist(ctx, a.retry(), func() (err error) { now, err = c.assignment(ctx, work.Run); return err })
		if err != nil {
			return Assignment{}, fmt.Errorf("resume run %s: %w", work.Run, err)
		}
		work.Next = now.Next
		return work, nil
	}
	h := a.Hello
	h.Protocol = Protocol
	h.Observation = a.observe(ctx)
	var w Welcome
	if err := insist(ctx, a.retry(), func() (err error) { w, err = c.hello(ctx, a.Token, h); return err }); err != nil {
		return Assignment{}, fmt.Errorf("hello: %w", err)
	}
	c.credential = w.Credential
	s.begin(w.Assignment.Next)
	return w.Assignment, s.saveTicket(ticket{BootID: a.Hello.BootID, Credential: w.Credential, Assignment: w.Assignment})
}

func (a *Agent) observe(ctx context.Context) inventory.Observation {
	o := a.Runner.Observe(ctx)
	return a.stamp(o)
}

func (a *Agent) stamp(o inventory.Observation) inventory.Observation {
	o.At, o.Collector, o.Simulated = time.Now().UTC(), a.Hello.Agent, a.Hello.Simulated
	return o
}

func (a *Agent) retry() time.Duration {
	if a.Retry > 0 {
		return a.Retry
	}
	return 500 * time.Millisecond
}

// deliver sends batches until the end is acknowledged. The server's number
// decides where to go on, so an answer that was lost costs one repetition.
func (a *Agent) deliver(ctx context.Context, c *client, s *spool, work Assignment) error {
	for next := work.Next; !s.ended(next); {
		b, ok, wait, err := s.batch(work.Run, next, batchSize, a.Hello.Simulated)
		if err != nil {
			return err
		}
		if !ok {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-wait:
			}
			continue
		}
		err = insist(ctx, a.retry(), func() (err error) { next, err = c.send(ctx, b); return err })
		if err != nil {
			return fmt.Errorf("send samples %d to %d: %w", b.From, b.To, err)
		}
	}
	return nil
}

// run is one pass over the plan.
type run struct {
	a    *Agent
	c    *client
	s    *spool
	work Assignment

	mu      sync.Mutex
	current string // step that runs now
	blind   bool   // the kernel log was lost
}

// all runs the steps between start and end.
func (r *run) all(ctx context.Context) error {
	past, err := r.s.past()
	if err != nil || len(past) > 0 && past[len(past)-1].Kind == SampleEnd {
		return err
	}
	h := r.a.Hello
	start := Start{BootID: h.BootID, Agent: h.Agent, Plan: r.work.Digest, Image: h.Image, KernelLog: r.a.Kernel != nil, Simulated: h.Simulated}
	if err := r.add(Sample{Kind: SampleStart, Start: &start}); err != nil {
		return err
	}
	end := End{Status: EndComplete}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	var side sync.WaitGroup
	side.Go(func() { r.watch(watching) })
	side.Go(func() { r.beat(watching) })
	if len(past) == 0 && r.work.Next > 1 {
		end = End{Status: EndAborted, Reason: "the node restarted during the run"}
	} else if err := r.steps(ctx, past); err != nil {
		end = End{Status: EndAborted, Reason: err.Error()}
	}
	if r.a.Kernel != nil {
		r.settle(ctx)
	}
	stop()
	side.Wait()
	end.KernelLog = r.a.Kernel != nil && !r.blind
	return r.add(Sample{Kind: SampleEnd, End: &end})
}

func (r *run) add(s Sample) error {
	s.At = time.Now().UTC()
	return r.s.add(s)
}

// note adds what no step waits for; a full spool ends the run elsewhere.
func (r *run) note(s Sample) {
	if err := r.add(s); err != nil {
		r.a.Log.Warn("sample is lost", "kind", s.Kind, "error", err)
		r.mu.Lock()
		r.blind = r.blind || s.Kind == SampleKernel
		r.mu.Unlock()
	}
}

func (r *run) settle(ctx context.Context) {
	pause := r.a.Settle
	if pause == 0 {
		pause = time.Second
	}
	select {
	case <-ctx.Done():
	case <-time.After(pause):
	}
}

// watch hands kernel lines over, labelled with the step that runs.
func (r *run) watch(ctx context.Context) {
	if r.a.Kernel == nil {
		return
	}
	err := r.a.Kernel.Watch(ctx, func(k KernelLine) {
		r.note(Sample{Kind: SampleKernel, Test: r.step(), Kernel: &k})
	})
	if err != nil && ctx.Err() == nil {
		r.mu.Lock()
		r.blind = true
		r.mu.Unlock()
		r.note(Sample{Kind: SampleKernel, Test: r.step(), Kernel: &KernelLine{Class: KernelUnreachable, Text: err.Error()}})
	}
}

func (r *run) step() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.current
}

func (r *run) beat(ctx context.Context) {
	every := r.work.Heartbeat.D()
	if every <= 0 {
		every = Heartbeat
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			r.note(Sample{Kind: SampleHeartbeat})
		}
	}
}
