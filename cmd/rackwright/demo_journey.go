package main

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/client"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/handover"
	"github.com/rackwright/rackwright/inventory/lifecycle"
)

//go:embed demo/*.yaml
var demoFiles embed.FS

// journey is the whole way: import, receive, sign what people sign, wait for
// what machines do, hand over, verify, attack.
func (a *app) journey(ctx context.Context, c *crew, o demoOptions) error {
	manifest, err := demoFiles.ReadFile("demo/paper.yaml")
	if err != nil {
		return fmt.Errorf("demo manifest: %w", err)
	}
	done, err := c.tess.Import(ctx, manifest, false)
	if err != nil {
		return err
	}
	a.say("imported %s: %d nodes, %d parts", strings.Join(done.Racks, ","), done.Nodes, done.Parts)
	told := newTold(a)
	for {
		d, err := c.tess.Rack(ctx, demoRack)
		if err != nil {
			return err
		}
		told.changes(d)
		if d.Milestone == inventory.RackHandedOver {
			break
		}
		worked, err := c.work(ctx, d)
		if err != nil {
			return err
		}
		if worked {
			continue
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the demo stands still at %s; see rackwright describe: %w", d.Milestone, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
	return a.prove(ctx, c, o)
}

func (a *app) say(format string, args ...any) {
	fmt.Fprintf(a.out, "%s %s\n", time.Now().Format("15:04:05"), fmt.Sprintf(format, args...))
}

// work does what people owe now; false means that they wait for machines.
func (c *crew) work(ctx context.Context, d api.RackDetail) (bool, error) {
	if n, err := c.receive(ctx, d); n > 0 || err != nil {
		return true, err
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

// told prints each change once.
type told struct {
	a    *app
	rack inventory.RackMilestone
	node map[string]string
	find map[inventory.FindingID]bool
}

func newTold(a *app) *told {
	return &told{a: a, node: map[string]string{}, find: map[inventory.FindingID]bool{}}
}

func (t *told) changes(d api.RackDetail) {
	moved := map[string][]string{}
	var order []string
	for _, s := range d.Slots {
		now := string(s.Node.Milestone)
		if op := s.Node.Operation; op != nil {
			now += " · " + string(op.Kind) + " " + op.Step
			if s.Node.NeverPowerOff {
				now += " (do not power off)"
			}
		}
		if t.node[s.Slot.Path] != now {
			t.node[s.Slot.Path] = now
			if moved[now] == nil {
				order = append(order, now)
			}
			moved[now] = append(moved[now], s.Slot.Path)
		}
	}
	for _, now := range order {
		t.a.say("%-40s %s", strings.Join(moved[now], " "), now)
	}
	for _, f := range d.Findings {
		if !t.find[f.ID] {
			t.find[f.ID] = true
			t.a.say("finding %s, %s: %s", f.Kind, f.Owner, inventory.Sentence(f.Fix, f.Args))
		}
	}
	if t.rack != d.Milestone {
		t.rack = d.Milestone
		t.a.say("rack %s is %s", d.Name, d.Milestone)
	}
}

// prove verifies the package as a stranger would, and then runs every attack
// of the list against it.
func (a *app) prove(ctx context.Context, c *crew, o demoOptions) error {
	var pack bytes.Buffer
	if _, err := c.ada.Package(ctx, demoRack, &pack); err != nil {
		return err
	}
	file := filepath.Join(o.data, demoRack+"-handover.zip")
	if err := os.WriteFile(file, pack.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write the package: %w", err)
	}
	key, err := c.ada.Key(ctx)
	if err != nil {
		return err
	}
	trust := handover.Trust{Fingerprints: []inventory.Digest{key.Fingerprint}}
	report := handover.VerifyPackage(bytes.NewReader(pack.Bytes()), int64(pack.Len()), trust)
	a.say("package %s: %d bytes, %d gates", filepath.Base(file), pack.Len(), len(report.Certificate.Gates))
	a.say("verify: %s", report.Verdict())
	if !report.Verified() {
		return &findings{what: report.Verdict()}
	}
	attacks, err := handover.Attacks(pack.Bytes(), c.server.DemoKey())
	if err != nil {
		return err
	}
	for _, x := range attacks {
		forged, err := x.Apply(pack.Bytes())
		if err != nil {
			return fmt.Errorf("attack %s: %w", x.Name, err)
		}
		got := handover.VerifyPackage(bytes.NewReader(forged), int64(len(forged)), trust)
		if got.Verified() || !x.Unknown && (got.Broken == nil || got.Broken.Entry != x.Entry) {
			return &findings{what: fmt.Sprintf("attack %s on %s was answered with %q", x.Name, x.Entry, got.Verdict())}
		}
		if o.attacks {
			a.say("  %-44s %s", x.Name, got.Verdict())
		}
	}
	a.say("attacks: %d of %d refused", len(attacks), len(attacks))
	return nil
}
