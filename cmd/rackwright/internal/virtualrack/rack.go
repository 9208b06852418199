package virtualrack

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"

	"github.com/rackwright/rackwright/images/burnin/simagent"
	"github.com/rackwright/rackwright/redfish/bmcsim"
)

// Options are how a rack behaves.
type Options struct {
	Faults []Fault
	Log    *slog.Logger
	Spool  string // folder for the agents' spools
	Fleet  bmcsim.Options
	// Host makes the machine behind one BMC; nil: a simulated ROM and agent.
	Host func(Unit, *bmcsim.BMC) (bmcsim.Host, error)
}

// Rack is one virtual rack. Make it with New, open it with Start.
type Rack struct {
	layout   Layout            // as ordered
	at       map[string]string // slot → slot whose unit stands there
	old      map[string]int    // slot → flashes that its unit needs
	fleet    *bmcsim.Fleet
	machines []*machine
	real     []io.Closer // machines that Options.Host made
	running  sync.WaitGroup
}

// New builds the units as delivered; nothing listens before Start.
func New(l Layout, o Options) (*Rack, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	delivered, hurt, err := l.deliver(o.Faults)
	if err != nil {
		return nil, err
	}
	r := &Rack{layout: l, at: map[string]string{}, old: map[string]int{}}
	specs := make([]bmcsim.Spec, len(delivered))
	for i, u := range delivered {
		specs[i], r.at[u.Slot] = u.Spec, u.Slot
	}
	for _, f := range o.Faults {
		if f.Kind == FaultOldGPU || f.Kind == FaultTaskLost {
			r.old[f.Slot] = 1
		}
		if f.Kind == FaultSwapped {
			r.at[f.Slot], r.at[f.Other] = r.at[f.Other], r.at[f.Slot]
		}
	}
	if r.fleet, err = bmcsim.New(o.Fleet, specs...); err != nil {
		return nil, err
	}
	for _, u := range delivered {
		if u.wet {
			if err := r.fleet.BMC(u.Spec.Name).SetLeak(leakDetector, "Critical"); err != nil {
				return nil, errors.Join(err, r.fleet.Close())
			}
		}
		if !u.hosts() {
			continue
		}
		if err := r.host(u, o, hurt[u.Slot]); err != nil {
			return nil, errors.Join(err, r.fleet.Close())
		}
	}
	return r, nil
}

func (r *Rack) host(u Unit, o Options, hurt []simagent.Fault) error {
	bmc := r.fleet.BMC(u.Spec.Name)
	if o.Host != nil {
		h, err := o.Host(u, bmc)
		if err != nil {
			return fmt.Errorf("machine of %s: %w", u.Slot, err)
		}
		if c, ok := h.(io.Closer); ok {
			r.real = append(r.real, c)
		}
		bmc.SetHost(h)
		return nil
	}
	m := newMachine(r, u, bmc, o, hurt)
	r.machines = append(r.machines, m)
	bmc.SetHost(m)
	return nil
}

// Start opens every BMC's listener.
func (r *Rack) Start() error { return r.fleet.Start() }

// Fleet is the BMCs, for counters and faults.
func (r *Rack) Fleet() *bmcsim.Fleet { return r.fleet }

// url is where the BMC of the unit in a slot answers.
func (r *Rack) url(slot string) (string, bool) {
	u, err := r.layout.unit(r.at[slot])
	if err != nil {
		return "", false
	}
	b := r.fleet.BMC(u.Spec.Name)
	return b.URL(), b.Pin() != ""
}

// Connect says where the provisioning network is, before anything is powered on.
func (r *Rack) Connect(n Network) {
	for _, m := range r.machines {
		m.connect(n)
	}
}

// Close ends all machines and listeners.
func (r *Rack) Close() error {
	for _, m := range r.machines {
		m.stop()
	}
	err := r.fleet.Close()
	for _, c := range r.real { // after the BMCs, which could switch them on again
		err = errors.Join(err, c.Close())
	}
	r.running.Wait()
	return err
}
