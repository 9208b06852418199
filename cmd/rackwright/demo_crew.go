package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/auth"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/client"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/server"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/handover"
	"github.com/rackwright/rackwright/inventory/lifecycle"
)

// crew are the people of the demo, each a client with a token of its own.
type crew struct {
	tess, fay, vera, ada, adam *client.Client // technician, facilities, vendor, acceptor, admin
	viewer                     string
	server                     *server.Server
	baselines                  []string        // names, for the bring-up
	started                    bool            // the bring-up was asked for
	pace                       time.Duration   // how long this rack may pause; see told
	waived                     map[string]bool // what two people let pass
	tokens                     []string
	image                      inventory.Digest // of real machines
}

func hire(ctx context.Context, srv *server.Server) (*crew, error) {
	c := &crew{server: srv, waived: map[string]bool{}}
	ctx = inventory.WithCause(ctx, inventory.Cause{By: "admin", Via: "cli"})
	until := time.Now().Add(24 * time.Hour)
	bound := []inventory.RackID{demoRack}
	for _, p := range []struct {
		id, name string
		grant    inventory.Grant
		into     **client.Client
	}{
		{"tess", "Tess Technician", inventory.Grant{Role: inventory.RoleTechnician}, &c.tess},
		{"fay", "Fay Facilities", inventory.Grant{Role: inventory.RoleFacilities}, &c.fay},
		{"vera", "Vera Vendor", inventory.Grant{Role: inventory.RoleVendor, Racks: bound, Until: until}, &c.vera},
		{"ada", "Ada Acceptor", inventory.Grant{Role: inventory.RoleAcceptor, Racks: bound}, &c.ada},
		{"adam", "Adam Admin", inventory.Grant{Role: inventory.RoleAdmin}, &c.adam},
		{"vic", "Vic Viewer", inventory.Grant{Role: inventory.RoleViewer}, nil},
	} {
		person := inventory.Person{ID: inventory.PersonID(p.id), Name: p.name, Grants: []inventory.Grant{p.grant}}
		if err := srv.Store().SavePerson(ctx, person); err != nil {
			return nil, err
		}
		secret, token, err := auth.NewToken(person, person.Grants, until, "demo", time.Now())
		if err != nil {
			return nil, err
		}
		if err := srv.Store().SaveToken(ctx, token); err != nil {
			return nil, err
		}
		c.tokens = append(c.tokens, secret.Reveal())
		if p.into == nil {
			c.viewer = secret.Reveal()
			continue
		}
		if *p.into, err = client.New(client.Login{Server: "https://" + srv.Address(), Pin: srv.Pin(), Token: secret}); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// work does what people owe now; false means that they wait for machines.
func (c *crew) work(ctx context.Context, d api.RackDetail) (bool, error) {
	if n, err := c.receive(ctx, d); n > 0 || err != nil {
		return true, err
	}
	if acted, err := c.bringUp(ctx, d); acted || err != nil {
		return acted, err
	}
	if acted, err := c.letPass(ctx, d); acted || err != nil {
		return acted, err
	}
	owed := map[inventory.Gate]bool{}
	for _, g := range d.Gates {
		owed[g.Gate] = !g.Open()
	}
	switch {
	case owed[lifecycle.GateFacility]:
		return true, signAs(ctx, c.fay, api.SignoffRequest{On: demoRack, Gates: []inventory.Gate{lifecycle.GateFacility}, Note: "feeds A and B measured"})
	case d.Next == inventory.RackAccepted && owed[lifecycle.GateDeliverer]:
		return true, c.signDraft(ctx, c.tess, handover.Deliverer)
	case d.Next == inventory.RackAccepted && owed[lifecycle.GateAcceptor]:
		return true, c.signDraft(ctx, c.ada, handover.Acceptor)
	}
	if d.Next == inventory.RackTested && !c.settled(d) {
		return false, nil // a test of the rack waits for every member that can still take part
	}
	worked := false
	for _, g := range d.Gates {
		if g.Producer == inventory.ByChecklist && !g.Open() && g.Gate != lifecycle.GateFacility {
			worked = true
		}
	}
	if worked {
		if err := signAs(ctx, c.tess, api.SignoffRequest{On: demoRack, Note: "looked at it"}); err != nil {
			return true, err
		}
	}
	if expecting(d) {
		return worked, nil // a label is scanned, not signed for
	}
	members, err := c.tess.Signoff(ctx, api.SignoffRequest{On: demoRack, Members: true, Note: "looked at it"}, false)
	var p *api.Problem
	if errors.As(err, &p) && p.Code == "invalid" { // nothing of the members is a person's to sign now
		return worked, nil
	}
	return worked || len(members) > 0, err
}

func expecting(d api.RackDetail) bool {
	for _, s := range d.Slots {
		if s.Node.ID != "" && s.Node.Milestone == inventory.NodeExpected {
			return true
		}
	}
	return false
}

// receive scans the label of every unit that is still expected.
func (c *crew) receive(ctx context.Context, d api.RackDetail) (int, error) {
	if lifecycle.RackRank(d.Milestone) < lifecycle.RackRank(inventory.RackArrived) {
		return 0, nil
	}
	n := 0
	for _, s := range d.Slots {
		if s.Node.Milestone != inventory.NodeExpected || s.Node.ID == "" || s.Node.Waits == "" {
			continue
		}
		if _, err := c.tess.Scan(ctx, api.ScanRequest{Rack: demoRack, Code: s.Node.Serial, Node: s.Slot.Path, Disposition: "received"}); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func signAs(ctx context.Context, who *client.Client, in api.SignoffRequest) error {
	_, err := who.Signoff(ctx, in, false)
	var p *api.Problem
	if errors.As(err, &p) && p.Code == "invalid" { // somebody was faster, or the rack has moved on meanwhile
		return nil
	}
	return err
}

func (c *crew) signDraft(ctx context.Context, who *client.Client, part handover.Part) error {
	draft, err := who.Draft(ctx, demoRack)
	if err != nil {
		return err
	}
	_, err = who.SignDraft(ctx, demoRack, api.SignatureRequest{Part: part, Draft: draft.Digest})
	return err
}

// settled: every member is burned in, or waits for a person and not for a machine.
func (c *crew) settled(d api.RackDetail) bool {
	for _, s := range d.Slots {
		n := s.Node
		if n.ID == "" || lifecycle.Rank(n.Milestone) >= lifecycle.Rank(inventory.NodeBurnedIn) || lifecycle.Rank(n.Milestone) < 0 {
			continue
		}
		if n.Operation != nil || time.Since(n.Since) < c.pace/2 {
			return false
		}
	}
	return true
}

// bringUp asks once for all machine work, when facilities have released power.
func (c *crew) bringUp(ctx context.Context, d api.RackDetail) (bool, error) {
	if c.started || len(c.baselines) == 0 || lifecycle.RackRank(d.Milestone) < lifecycle.RackRank(inventory.RackPowerReady) {
		return false, nil
	}
	args, err := json.Marshal(map[string]any{"baselines": c.baselines, "plan": "smoke", "image": "burnin"})
	if err != nil {
		return false, fmt.Errorf("ask for the bring-up: %w", err)
	}
	_, err = c.tess.Start(ctx, "demo-bring-up", false, api.StartRequest{Op: inventory.OpBringUp, Racks: []string{demoRack}, Args: args})
	c.started = err == nil
	return true, err
}

// letPass has two people accept what machines cannot: accelerators that this
// release does not test, and trays that stay where they were found.
func (c *crew) letPass(ctx context.Context, d api.RackDetail) (bool, error) {
	acted := false
	for _, b := range d.Blockers {
		if b.Gate != lifecycle.GateAccelerator || c.waived[b.Subject.ID] {
			continue
		}
		c.waived[b.Subject.ID], acted = true, true
		if err := c.waive(ctx, api.WaiverRequest{On: b.Subject.ID, Gate: b.Gate, Reason: "no accelerator plan in this release; tested by the vendor's tools later"}); err != nil {
			return acted, err
		}
	}
	for _, f := range d.Findings {
		if f.Kind != inventory.FindSwapped || c.waived[string(f.ID)] {
			continue
		}
		c.waived[string(f.ID)], acted = true, true
		if err := c.waive(ctx, api.WaiverRequest{On: string(f.Node), Finding: f.ID, Reason: "both trays are alike and stay where they are; labels are changed"}); err != nil {
			return acted, err
		}
	}
	return acted, nil
}

// waive: the technician asks, the admin approves; one person alone cannot.
func (c *crew) waive(ctx context.Context, in api.WaiverRequest) error {
	in.Until = time.Now().AddDate(0, 0, 30)
	w, err := c.tess.AskWaiver(ctx, in)
	if err != nil {
		return err
	}
	_, err = c.adam.ApproveWaiver(ctx, demoRack, string(w.ID))
	return err
}
