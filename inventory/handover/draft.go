package handover

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
)

// Scale is the name of the scale a rack's tests belong to; "L10" to "L12" (rack
// integration) and "Cx L1" to "L5" (facility commissioning) are different ones.
const Scale = "rack integration L10-L12"

// Draft freezes a case into a certificate without approvals. It refuses when a
// gate is shut, a hold is open, a member is missing beyond the tolerance, a
// cited document is absent or the chain does not reach the head; the error
// joins every reason.
func Draft(c Case) (Certificate, error) {
	c.Now = c.Now.UTC().Truncate(time.Millisecond) // what the certificate can say
	var faults []error
	for _, f := range CheckGates(c) {
		faults = append(faults, f)
	}
	faults = append(faults, checkSources(c)...)
	cert, err := compose(c, LawVersion)
	if err != nil {
		faults = append(faults, err)
	} else if err := cert.held(); err != nil {
		faults = append(faults, err)
	}
	if err := cert.waived(); err != nil {
		faults = append(faults, err)
	}
	if len(faults) > 0 {
		return Certificate{}, fmt.Errorf("draft certificate of %s: %w", c.Rack.Name, errors.Join(faults...))
	}
	return cert, nil
}

// compose writes the certificate of a case without judging it: Draft and
// VerifyPackage use the same words, so that they can be compared.
func compose(c Case, law string) (Certificate, error) {
	cert := Certificate{Schema: SchemaVersion, Law: law, Rack: bareRack(c.Rack), TypeName: c.Type.Name,
		TypeDigest: inventory.DigestOf(c.TypeDocument), Unverified: c.Type.Unverified, Head: c.Head,
		FrozenAt: c.Now.UTC().Truncate(time.Millisecond), Simulated: c.simulated(), Scale: Scale,
		Members: []Member{}, Excluded: exclusions(c), Holds: []HoldLine{}, Cited: map[string][]inventory.Digest{}, Waivers: []WaiverLine{}}
	for _, n := range sortedNodes(c.Nodes) {
		if !c.excluded(n.ID) {
			cert.Members = append(cert.Members, Member{Node: bareNode(n), Fingerprint: inventory.Fingerprint(c.Observed[n.ID])})
			continue
		}
		for _, h := range n.Holds {
			cert.Holds = append(cert.Holds, HoldLine{Address: n.Address, Hold: h})
		}
	}
	var err error
	if cert.Gates, err = gateLines(c); err != nil {
		return cert, err
	}
	names := c.names()
	for _, w := range c.Waivers {
		if !lifecycle.Valid(w, cert.FrozenAt) {
			continue // asked for only, or expired: it opens nothing; the row is in waivers.json
		}
		cert.Waivers = append(cert.Waivers, WaiverLine{Waiver: w, RequesterName: names[w.Requester], ApproverName: names[w.Approver]})
	}
	sort.Slice(cert.Waivers, func(i, j int) bool { return cert.Waivers[i].ID < cert.Waivers[j].ID })
	cert.Findings = summary(c.Findings)
	if cert.Evidence, err = rowDigests(c.Evidence); err != nil {
		return cert, err
	}
	cite(cert.Cited, c.Evidence)
	cert.Notices = notices(c, cert)
	return cert, nil
}

func notices(c Case, cert Certificate) []string {
	out := []string{}
	if cert.Simulated {
		out = append(out, "SIMULATED: this rack or part of it was simulated; the certificate has no value for hardware")
	}
	if untested(c.Type, cert.Gates) {
		out = append(out, AcceleratorsUntested)
	}
	if c.Type.Unverified != "" {
		out = append(out, "rack type "+c.Type.Name+" is unverified: "+c.Type.Unverified)
	}
	if len(cert.Excluded) > 0 {
		out = append(out, fmt.Sprintf("%d slots are not covered", len(cert.Excluded)))
	}
	if cert.Law != "1" {
		out = append(out, leaks(c, cert.Members)...)
	}
	return out
}

// leaks names the slots of covered members in which a leak was read, each with
// its first: the gate says only that they are dry now (lifecycle.md §6). It may
// have been an earlier unit; its neighbours and the slot were wet all the same.
func leaks(c Case, members []Member) []string {
	var out []string
	for _, m := range members {
		var own []inventory.Evidence
		for _, e := range lifecycle.Leaked(c.Evidence) {
			if e.Subject == inventory.NodeSubject(m.ID) {
				own = append(own, e)
			}
		}
		if len(own) > 0 {
			out = append(out, fmt.Sprintf("a leak was read in the slot of %s (readings: %d, the first at %s: %s)", m.Address, len(own), own[0].At.UTC().Format("2006-01-02 15:04:05 MST"), own[0].Detail))
		}
	}
	return out
}

// summary counts findings.
func summary(list []inventory.Finding) FindingSummary {
	s := FindingSummary{ByKind: map[inventory.FindingKind]int{}}
	for _, f := range list {
		s.ByKind[f.Kind]++
		if f.Closed {
			s.Closed++
		} else {
			s.Open++
		}
	}
	return s
}

func rowDigests(rows []inventory.Evidence) ([]inventory.Digest, error) {
	out := make([]inventory.Digest, 0, len(rows))
	for _, e := range rows {
		d, err := digestOf(e)
		if err != nil {
			return nil, fmt.Errorf("evidence %s: %w", e.ID, err)
		}
		out = append(out, d)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// cite gathers the digests that valid verdicts stand on, by what they are.
func cite(into map[string][]inventory.Digest, rows []inventory.Evidence) {
	for _, e := range rows {
		if e.Void {
			continue
		}
		for what, d := range e.Cites {
			if !slices.Contains(into[what], d) {
				into[what] = append(into[what], d)
			}
		}
	}
	for what := range into {
		slices.Sort(into[what])
	}
}

// checkSources compares what the case cites with what it carries.
func checkSources(c Case) []error {
	var faults []error
	if d := inventory.DigestOf(c.TypeDocument); d != c.Rack.Type.Digest {
		faults = append(faults, fmt.Errorf("rack type document has digest %s, rack %s names %s: %w", d, c.Rack.Name, c.Rack.Type.Digest, inventory.ErrInvalid))
	}
	for _, e := range c.Evidence {
		if e.Document == "" {
			continue
		}
		raw, ok := c.Documents[e.Document]
		if !ok || inventory.DigestOf(raw) != e.Document {
			faults = append(faults, fmt.Errorf("evidence %s of gate %s cites document %s, which is not at hand: %w", e.ID, e.Gate, e.Document, inventory.ErrNotFound))
		}
	}
	if err := checkChain(c.Entries, inventory.RackSubject(c.Rack.ID).String(), c.Head); err != nil {
		faults = append(faults, err)
	}
	return faults
}

// bareRack leaves out what is no part of a handover: the running operation.
func bareRack(r inventory.Rack) inventory.Rack {
	r.Operation = nil
	return r
}

// bareNode leaves out the running operation and how its BMC is reached.
func bareNode(n inventory.Node) inventory.Node {
	n.Operation = nil
	n.BMC = inventory.Endpoint{MAC: n.BMC.MAC, Profile: n.BMC.Profile, Simulated: n.BMC.Simulated}
	return n
}

func sortedNodes(nodes []inventory.Node) []inventory.Node {
	out := slices.Clone(nodes)
	slices.SortFunc(out, func(a, b inventory.Node) int { return strings.Compare(a.Address, b.Address) })
	return out
}
