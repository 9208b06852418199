package api

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/auth"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/intake"
	"github.com/rackwright/rackwright/inventory/lifecycle"
)

// ScanRequest is one scanned label at one rack.
type ScanRequest struct {
	Rack        string `json:"rack" doc:"rack the unit belongs to, as far as the person knows"`
	Code        string `json:"code" minLength:"1" doc:"what the scanner sent, raw"`
	Node        string `json:"node,omitempty" doc:"slot or address the unit sits in; empty: wherever it is expected"`
	Disposition string `json:"disposition,omitempty" enum:"received,damaged,wrong" doc:"decision at the dock"`
	Note        string `json:"note,omitempty"`
}

// ScanAnswer says what the label was taken for.
type ScanAnswer struct {
	Node     string        `json:"node,omitempty"`   // address; empty: nobody expects it
	Serial   string        `json:"serial,omitempty"` // the reading that decided
	Known    bool          `json:"known"`
	Readings []string      `json:"readings"` // every reading of the code
	Findings []FindingLine `json:"findings"` // open ones of that node, or the new surplus finding
}

type scanIn struct{ Body ScanRequest }

func (s *Service) scan(ctx context.Context, in *scanIn) (*body[ScanAnswer], error) {
	r, c, err := s.rack(ctx, in.Body.Rack, auth.Scan)
	if err != nil {
		return nil, err
	}
	readings := intake.ParseCode(in.Body.Code)
	if len(readings) == 0 {
		return nil, invalid("the code is empty or longer than any label", "Scan again, or type the serial.")
	}
	out := ScanAnswer{Readings: []string{}, Findings: []FindingLine{}}
	for _, x := range readings {
		out.Readings = append(out.Readings, string(x.Kind)+" "+x.Value)
	}
	var nodes []inventory.Node
	for n, err := range s.Store.Select(ctx, inventory.Selector{Racks: []inventory.RackID{r.ID}}) {
		if err != nil {
			return nil, problem(err)
		}
		nodes = append(nodes, n)
	}
	unit, at, err := matched(nodes, readings, r, in.Body.Node)
	if err != nil {
		return nil, err
	}
	if inventory.Usable(unit) == "" {
		return nil, invalid("no serial can be read from this label: "+strings.Join(out.Readings, ", "), "Scan the label that carries the serial, or type it.")
	}
	if at == nil {
		if err := s.notSurplus(ctx, r, nodes, unit); err != nil {
			return nil, err
		}
	}
	part := inventory.Component{Key: inventory.Key{Kind: inventory.KindChassis, Slot: "self"}, Serial: unit, State: inventory.StatePresent,
		IDs: []inventory.Identifier{{Kind: inventory.IDLabel, Raw: in.Body.Code, Norm: inventory.Normalise(unit), Source: inventory.SourceScan, Trusted: true}}}
	o := inventory.Observation{Source: inventory.SourceScan, At: now(), Components: []inventory.Component{part}, Collector: "scanner", Simulated: s.Simulated, Rack: r.ID}
	if at != nil {
		o.Node = at.ID
	}
	found, err := s.Store.Observe(ctx, o)
	if err != nil {
		return nil, problem(err)
	}
	for _, f := range found {
		out.Findings = append(out.Findings, s.line(ctx, r, f))
	}
	out.Serial, out.Known = unit, at != nil
	if at == nil {
		s.wake()
		return answer(out), nil
	}
	out.Node = at.Address
	if err := s.receive(ctx, c, *at, in.Body, unit); err != nil {
		return nil, problem(err)
	}
	s.wake()
	return answer(out), nil
}

// matched finds which expected unit a label names. A slot given by the person
// says where it sits, not what it is: a foreign serial there is a finding.
func matched(nodes []inventory.Node, readings []intake.Candidate, r inventory.Rack, where string) (string, *inventory.Node, error) {
	var hits []inventory.Node
	serial := ""
	for _, x := range readings {
		if x.Kind != intake.CodeSerial && x.Kind != intake.CodeRaw {
			continue
		}
		if serial == "" || x.Certain {
			serial = x.Value
		}
		for _, n := range nodes {
			if inventory.Usable(n.Serial) == inventory.Usable(x.Value) && inventory.Usable(x.Value) != "" && !slices.ContainsFunc(hits, func(h inventory.Node) bool { return h.ID == n.ID }) {
				hits = append(hits, n)
				serial = x.Value
			}
		}
	}
	if where != "" {
		for _, n := range nodes {
			if n.Slot == where || n.Address == where || string(n.ID) == where {
				return serial, &n, nil
			}
		}
		return "", nil, problem(notFound("node", where))
	}
	switch len(hits) {
	case 0:
		return serial, nil, nil
	case 1:
		return serial, &hits[0], nil
	}
	var names []string
	for _, h := range hits {
		names = append(names, h.Address)
	}
	return "", nil, problem(fmt.Errorf("the label fits %s of %s; say which with --node: %w", strings.Join(names, " and "), r.Name, inventory.ErrConflict))
}

// receive files the person's word: the label was read, and what becomes of it.
func (s *Service) receive(ctx context.Context, c Caller, n inventory.Node, in ScanRequest, serial string) error {
	label := inventory.ResultFail
	detail := "the label says " + serial + ", expected is " + n.Serial
	switch inventory.Usable(n.Serial) {
	case "":
		label, detail = inventory.ResultPass, "the order names no serial, the label says "+serial
	case inventory.Usable(serial):
		label, detail = inventory.ResultPass, "label "+serial
	}
	if err := s.sign(ctx, c, inventory.NodeSubject(n.ID), lifecycle.GateIdentityLabel, label, detail); err != nil {
		return err
	}
	if in.Disposition == "" {
		return nil
	}
	result := inventory.ResultPass
	if in.Disposition != "received" {
		result = inventory.ResultFail
	}
	return s.sign(ctx, c, inventory.NodeSubject(n.ID), lifecycle.GateDisposition, result, strings.TrimSpace(in.Disposition+" "+in.Note))
}

// sign files one checklist line as evidence, with the document that proves it.
func (s *Service) sign(ctx context.Context, c Caller, on inventory.Subject, gate inventory.Gate, result inventory.Result, detail string) error {
	spec, _ := lifecycle.Find(gate, on.Scope == inventory.ScopeRack)
	at := inventory.FromMillis(now().UnixMilli())
	raw, err := json.Marshal(map[string]any{"kind": "checklist", "gate": gate, "subject": on, "statement": spec.Meaning, "result": result,
		"note": detail, "person": c.Person.ID, "name": c.Person.Name, "at": at})
	if err != nil {
		return err
	}
	doc, err := s.Store.Put(ctx, inventory.DocChecklist, raw)
	if err != nil {
		return err
	}
	_, err = s.Store.File(ctx, inventory.Evidence{Subject: on, Gate: gate, Result: result, Producer: inventory.ByChecklist, Document: doc, At: at,
		By: string(c.Person.ID), Detail: detail, Simulated: s.Simulated})
	return err
}
