package handover

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/rackwright/rackwright/inventory"
)

// verifyRecord checks what the signed entries say, against each other. All of
// it runs, so that the report shows every broken link and not only the first.
func verifyRecord(content map[string][]byte, m Manifest, cert Certificate, report *Report) {
	c, err := rebuild(content, cert)
	if !report.check("evidence", entryOf(err, entryCertificate), err) {
		return
	}
	err = checkChain(c.Entries, inventory.RackSubject(c.Rack.ID).String(), cert.Head)
	if err == nil && (m.Head.Seq != c.Entries[len(c.Entries)-1].Seq || m.Head.Hash != c.Entries[len(c.Entries)-1].Hash) {
		err = fmt.Errorf("chain does not end at the head the signed list names, number %d: %w", m.Head.Seq, inventory.ErrInvalid)
	}
	report.check("chain", entryEvents, err)
	if !slices.Contains(laws, cert.Law) {
		report.check("gates", entryCertificate, fmt.Errorf("judged by law %q, this release knows laws %q; use the release that wrote it or a newer one: %w", cert.Law, laws, inventory.ErrInvalid))
		return
	}
	again, err := compose(c, cert.Law)
	if err != nil {
		report.check("gates", entryCertificate, err)
		return
	}
	report.Simulated, report.AcceleratorsUntested = again.Simulated || cert.Simulated, again.Untested() || cert.Untested()
	report.check("gates", entryCertificate, errors.Join(compareGates(cert.Gates, again.Gates), asError(CheckGates(c))))
	report.check("people", entryPeople, checkPeople(content[entryPeople], cert))
	report.check("holds", entryCertificate, cert.held())
	report.check("members", entryCertificate, asError(checkMembers(c)))
	report.check("rederived", entryCertificate, compareDraft(cert, again))
}

// rebuild makes the case again from the entries alone.
func rebuild(content map[string][]byte, cert Certificate) (Case, error) {
	c := Case{Rack: cert.Rack, Now: cert.FrozenAt, Head: cert.Head, TypeDocument: content[entryType], Documents: map[inventory.Digest][]byte{}}
	if d := inventory.DigestOf(c.TypeDocument); d != cert.TypeDigest || d != cert.Rack.Type.Digest {
		return c, badEntry(entryType, "has digest %s, the certificate names %s", d, cert.TypeDigest)
	}
	var parts map[inventory.NodeID]partList
	for name, into := range map[string]any{entryType: &c.Type, entryFindings: &c.Findings, entryWaivers: &c.Waivers, entryComponents: &parts} {
		if err := json.Unmarshal(content[name], into); err != nil {
			return c, &entryError{entry: name, err: err}
		}
	}
	c.Expected, c.Observed = map[inventory.NodeID][]inventory.Component{}, map[inventory.NodeID][]inventory.Component{}
	for id, p := range parts {
		c.Expected[id], c.Observed[id] = p.Expected, p.Observed
	}
	var err error
	if c.Entries, err = readEvents(content[entryEvents]); err != nil {
		return c, &entryError{entry: entryEvents, err: err}
	}
	for _, m := range cert.Members {
		c.Nodes = append(c.Nodes, m.Node)
	}
	c.Reasons = map[string]string{}
	for _, x := range cert.Excluded {
		c.Reasons[x.Slot] = x.Reason
		if x.Node != nil {
			c.Nodes = append(c.Nodes, *x.Node)
		}
	}
	var names map[inventory.PersonID]string
	if err := json.Unmarshal(content[entryPeople], &names); err != nil {
		return c, &entryError{entry: entryPeople, err: err}
	}
	for id, name := range names {
		c.Persons = append(c.Persons, inventory.Person{ID: id, Name: name})
	}
	return c, rebuildEvidence(content, cert, &c)
}

// rebuildEvidence reads every row the certificate names and the documents they
// cite; an evidence entry nobody cites is one too many.
func rebuildEvidence(content map[string][]byte, cert Certificate, c *Case) error {
	used := map[string]bool{}
	for _, d := range cert.Evidence {
		name := evidenceName(d)
		raw, ok := content[name]
		if !ok {
			return badEntry(name, "evidence row is missing")
		}
		var e inventory.Evidence
		if err := readCanonical(raw, &e); err != nil {
			return &entryError{entry: name, err: err}
		}
		used[name] = true
		c.Evidence = append(c.Evidence, e)
	}
	for _, e := range c.Evidence {
		if e.Document != "" {
			name := evidenceName(e.Document)
			raw, ok := content[name]
			if !ok || inventory.DigestOf(raw) != e.Document {
				return badEntry(name, "document of evidence %s (gate %s) is missing or another", e.ID, e.Gate)
			}
			used[name] = true
			c.Documents[e.Document] = raw
		}
		for _, d := range e.Cites {
			used[evidenceName(d)] = true
		}
	}
	for name := range content {
		if evidenceEntry.MatchString(name) && !used[name] {
			return badEntry(name, "no evidence cites it")
		}
	}
	return nil
}

// compareGates names the first gate the certificate states otherwise than the evidence does.
func compareGates(stated, derived []GateLine) error {
	type key struct {
		subject   inventory.Subject
		milestone string
		gate      inventory.Gate
	}
	by := map[key]GateLine{}
	for _, g := range stated {
		by[key{g.Subject, g.Milestone, g.Gate}] = g
	}
	for _, g := range derived {
		s, ok := by[key{g.Subject, g.Milestone, g.Gate}]
		switch {
		case !ok:
			return fmt.Errorf("gate %s of %s is missing; the evidence says %s: %w", g.Gate, g.Address, g.Result, inventory.ErrInvalid)
		case s != withReasonOf(g, s):
			return fmt.Errorf("gate %s of %s: the certificate says %s (by %s %s), the evidence says %s (by %s %s): %w",
				g.Gate, g.Address, s.Result, s.Producer, s.By, g.Result, g.Producer, g.By, inventory.ErrInvalid)
		}
	}
	if len(stated) != len(derived) {
		return fmt.Errorf("certificate states %d gates, the law has %d: %w", len(stated), len(derived), inventory.ErrInvalid)
	}
	return nil
}

// withReasonOf takes over the sentence of a derived gate: words may be mended
// between releases, results may not.
func withReasonOf(g, stated GateLine) GateLine {
	if g.Producer == inventory.ByDerivation {
		g.Reason = stated.Reason
	}
	return g
}

// checkPeople: the names on the certificate are those of people.json.
func checkPeople(raw []byte, cert Certificate) error {
	var names map[inventory.PersonID]string
	if err := readCanonical(raw, &names); err != nil {
		return err
	}
	for _, a := range cert.Approvals {
		if names[a.Person] != a.Name {
			return fmt.Errorf("%s is %q on the certificate and %q in the list of people: %w", a.Person, a.Name, names[a.Person], inventory.ErrInvalid)
		}
	}
	return nil
}

// compareDraft compares everything else the certificate says with what the
// entries give: findings, waivers, exclusions, notices, cited digests.
func compareDraft(cert, again Certificate) error {
	cert.Approvals, cert.IssuedAt, cert.Key, cert.Signature = nil, again.IssuedAt, "", ""
	again.Gates = cert.Gates // compared one by one before
	for _, part := range []struct {
		name      string
		got, want any
	}{
		{"members", cert.Members, again.Members}, {"excluded", cert.Excluded, again.Excluded}, {"waivers", cert.Waivers, again.Waivers},
		{"findings", cert.Findings, again.Findings}, {"holds", cert.Holds, again.Holds}, {"evidence", cert.Evidence, again.Evidence},
		{"cited", cert.Cited, again.Cited}, {"notices", cert.Notices, again.Notices}, {"simulated", cert.Simulated, again.Simulated}, {"everything", cert, again},
	} {
		got, err := canonical(part.got)
		if err != nil {
			return err
		}
		want, err := canonical(part.want)
		if err != nil {
			return err
		}
		if !slices.Equal(got, want) {
			return fmt.Errorf("%s of the certificate differ from the entries: %w", part.name, inventory.ErrInvalid)
		}
	}
	return nil
}

func asError(list []Failure) error {
	if len(list) == 0 {
		return nil
	}
	return fmt.Errorf("%w (%d in all)", list[0], len(list))
}
