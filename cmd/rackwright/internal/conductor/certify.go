package conductor

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"time"

	"github.com/gowebpki/jcs"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/handover"
	"github.com/rackwright/rackwright/inventory/lifecycle"
)

// Certifier freezes drafts and issues packages. Simulated says that Key is a
// demo key; a real key never signs what a simulator touched.
type Certifier struct {
	Store interface {
		Store
		inventory.People
		inventory.Journal
	}
	Key       ed25519.PrivateKey
	Simulated bool
}

// citeCase names the frozen case among the digests that draft evidence cites.
const citeCase = "case"

// Freeze writes down everything a certificate follows from, at one moment, and
// files the draft that both people will sign.
func (c Certifier) Freeze(ctx context.Context, t Turn, f lifecycle.Facts) (inventory.Evidence, error) {
	frozen, err := c.freeze(ctx, f)
	if err != nil {
		return inventory.Evidence{}, err
	}
	draft, err := handover.Draft(frozen)
	if err != nil {
		return inventory.Evidence{}, err
	}
	if draft.Simulated && !c.Simulated {
		return inventory.Evidence{}, fmt.Errorf("a simulator touched this rack; a real key does not sign it: %w", inventory.ErrDenied)
	}
	raw, err := json.Marshal(frozen)
	if err != nil {
		return inventory.Evidence{}, fmt.Errorf("freeze %s: %w", t.Rack.Name, err)
	}
	kept, err := c.Store.Put(ctx, inventory.DocDraft, raw)
	if err != nil {
		return inventory.Evidence{}, err
	}
	words, err := json.Marshal(draft)
	if err == nil {
		words, err = jcs.Transform(words)
	}
	if err != nil {
		return inventory.Evidence{}, fmt.Errorf("draft of %s: %w", t.Rack.Name, err)
	}
	digest, err := c.Store.Put(ctx, inventory.DocDraft, words)
	if err != nil {
		return inventory.Evidence{}, err
	}
	if want, err := draft.Digest(); err != nil || want != digest {
		return inventory.Evidence{}, fmt.Errorf("draft of %s has digest %s, its document %s: %w", t.Rack.Name, want, digest, inventory.ErrInvalid)
	}
	cites := lifecycle.DraftCites(frozen.Rack, frozen.Nodes)
	cites[citeCase] = kept
	return inventory.Evidence{Subject: t.Subject(), Gate: lifecycle.GateDraft, Result: inventory.ResultPass, Producer: inventory.ByMachine, Document: digest,
		Cites: cites, At: time.Now(), By: "rackwright/freeze", Simulated: draft.Simulated}, nil
}

func (c Certifier) freeze(ctx context.Context, f lifecycle.Facts) (handover.Case, error) {
	out := handover.Case{Rack: f.Rack, Type: f.Type, Nodes: f.Nodes, Evidence: f.Evidence, Findings: f.Findings, Waivers: f.Waivers,
		Now: time.Now().UTC().Truncate(time.Millisecond), Expected: map[inventory.NodeID][]inventory.Component{}, Observed: map[inventory.NodeID][]inventory.Component{}}
	out.Rack.Operation = nil
	for i := range out.Nodes {
		n := &out.Nodes[i]
		n.Operation = nil
		var err error
		if out.Expected[n.ID], out.Observed[n.ID], err = c.Store.Components(ctx, n.ID, inventory.At{}); err != nil {
			return out, err
		}
	}
	var err error
	if out.Head.Seq, out.Head.Hash, err = c.Store.Head(ctx, inventory.RackSubject(f.Rack.ID)); err != nil {
		return out, err
	}
	if out.Persons, err = c.Store.Persons(ctx); err != nil {
		return out, err
	}
	for i := range out.Persons {
		out.Persons[i].Grants = nil
	}
	return out, c.load(ctx, &out)
}

// load adds what a case cites: the rack type, the chain and every document.
func (c Certifier) load(ctx context.Context, into *handover.Case) error {
	var err error
	if into.TypeDocument, err = c.Store.Document(ctx, into.Rack.Type.Digest); err != nil {
		return err
	}
	for e, err := range c.Store.Entries(ctx, inventory.RackSubject(into.Rack.ID), 0) {
		if err != nil {
			return err
		}
		into.Entries = append(into.Entries, e)
	}
	into.Documents = map[inventory.Digest][]byte{}
	for _, e := range into.Evidence {
		if e.Document == "" {
			continue
		}
		if into.Documents[e.Document], err = c.Store.Document(ctx, e.Document); err != nil {
			return err
		}
	}
	return nil
}

// Issue signs the frozen case with both approvals and keeps the package.
func (c Certifier) Issue(ctx context.Context, t Turn, f lifecycle.Facts) (inventory.Evidence, error) {
	fail := func(err error) (inventory.Evidence, error) { return inventory.Evidence{}, err }
	draftRow, ok := last(f.Evidence, lifecycle.GateDraft, t.Subject())
	if !ok {
		return fail(fmt.Errorf("rack %s has no frozen draft: %w", t.Rack.Name, inventory.ErrNotFound))
	}
	raw, err := c.Store.Document(ctx, draftRow.Cites[citeCase])
	if err != nil {
		return fail(err)
	}
	var frozen handover.Case
	if err := json.Unmarshal(raw, &frozen); err != nil {
		return fail(fmt.Errorf("frozen case of %s: %w", t.Rack.Name, err))
	}
	if err := c.load(ctx, &frozen); err != nil {
		return fail(err)
	}
	draft, err := handover.Draft(frozen)
	if err != nil {
		return fail(err)
	}
	if draft.Simulated && !c.Simulated { // frozen by a demo on the same record, perhaps
		return fail(fmt.Errorf("a simulator touched this rack; a real key does not sign it: %w", inventory.ErrDenied))
	}
	var approvals []handover.Approval
	for gate, part := range map[inventory.Gate]handover.Part{lifecycle.GateDeliverer: handover.Deliverer, lifecycle.GateAcceptor: handover.Acceptor} {
		a, err := c.approval(ctx, f, t.Subject(), gate, part)
		if err != nil {
			return fail(err)
		}
		approvals = append(approvals, a)
	}
	cert, err := handover.Issue(draft, approvals, c.Key, time.Now())
	if err != nil {
		return fail(err)
	}
	var pack bytes.Buffer
	if err := handover.WritePackage(&pack, cert, frozen, c.Key); err != nil {
		return fail(err)
	}
	digest, err := c.Store.Put(ctx, inventory.DocCertificate, pack.Bytes())
	if err != nil {
		return fail(err)
	}
	return inventory.Evidence{Subject: t.Subject(), Gate: lifecycle.GatePackage, Result: inventory.ResultPass, Producer: inventory.ByMachine, Document: digest,
		At: time.Now(), By: "rackwright/issue", Simulated: cert.Simulated}, nil
}

func (c Certifier) approval(ctx context.Context, f lifecycle.Facts, on inventory.Subject, gate inventory.Gate, part handover.Part) (handover.Approval, error) {
	e, ok := last(f.Evidence, gate, on)
	if !ok {
		return handover.Approval{}, fmt.Errorf("nobody signed as %s: %w", part, inventory.ErrNotFound)
	}
	p, err := c.Store.Person(ctx, inventory.PersonID(e.By))
	if err != nil {
		return handover.Approval{}, err
	}
	return handover.Approval{Person: p.ID, Name: p.Name, Part: part, Role: inventory.Role(e.Detail), Draft: e.Document, At: e.At}, nil
}

// last is the newest valid evidence of a gate of one subject.
func last(rows []inventory.Evidence, gate inventory.Gate, on inventory.Subject) (inventory.Evidence, bool) {
	var best inventory.Evidence
	found := false
	for _, e := range rows {
		if e.Gate == gate && e.Subject == on && !e.Void && (!found || !e.At.Before(best.At)) {
			best, found = e, true
		}
	}
	return best, found
}
