package handover_test

import (
	"archive/zip"
	"bytes"
	"html"
	"io"
	"strings"
	"testing"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/handover"
	"github.com/rackwright/rackwright/inventory/lifecycle"
)

func member(t *testing.T, pkg []byte, name string) string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(pkg), int64(len(pkg)))
	if err != nil {
		t.Fatal(err)
	}
	f, err := z.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	raw, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// TestCertificatePrintsEveryGate: each gate of the law, up to the acceptance,
// stands on the certificate for the rack and for every member, with who
// produced it; what the rack type declares away stands there with its reason.
func TestCertificatePrintsEveryGate(t *testing.T) {
	c := goodCase(t, false)
	pkg := pack(t, c)
	r := verify(pkg, trust())
	got := map[inventory.Subject]map[inventory.Gate]string{}
	for _, g := range r.Certificate.Gates {
		if got[g.Subject] == nil {
			got[g.Subject] = map[inventory.Gate]string{}
		}
		got[g.Subject][g.Gate] = string(g.Producer) + " " + string(g.Result)
		if g.Producer == "" || g.Result == "" || g.Result == inventory.ResultNotApplicable && g.Reason == "" {
			t.Errorf("%s of %s: incomplete: %+v", g.Gate, g.Subject, g)
		}
	}
	page := html.UnescapeString(member(t, pkg, "certificate.html"))
	n := 0
	for _, s := range lifecycle.Specs() {
		subjects := []inventory.Subject{inventory.RackSubject(c.Rack.ID)}
		if s.Rack == "" {
			subjects = nil
			for _, node := range c.Nodes {
				subjects = append(subjects, inventory.NodeSubject(node.ID))
			}
		}
		if late(s) {
			continue
		}
		n++
		for _, on := range subjects {
			if got[on][s.Gate] == "" {
				t.Errorf("the certificate says nothing of %s of %s", s.Gate, on)
			}
		}
		if !strings.Contains(page, string(s.Gate)) {
			t.Errorf("the page does not print %s", s.Gate)
		}
	}
	if n < 40 || !strings.Contains(page, "air cooled, no leak sensors") {
		t.Errorf("%d gates; the reason of a declared gate is not printed", n)
	}
}

// late gates follow from the certificate itself, or come after it.
func late(s lifecycle.Spec) bool {
	return s.Milestone == inventory.NodeAccepted || s.Milestone == inventory.NodeHandedOver || s.Rack == inventory.RackInReview || s.Rack == inventory.RackAccepted || s.Rack == inventory.RackHandedOver
}

// TestAttacksOnEveryEntry: the list holds each attack of the issue, and the
// four that anybody can do for each entry of the package.
func TestAttacksOnEveryEntry(t *testing.T) {
	pkg := pack(t, goodCase(t, true))
	z, err := zip.NewReader(bytes.NewReader(pkg), int64(len(pkg)))
	if err != nil {
		t.Fatal(err)
	}
	attacks, err := handover.Attacks(pkg, siteKey)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, a := range attacks {
		if names[a.Name] {
			t.Errorf("%s stands twice", a.Name)
		}
		names[a.Name] = true
	}
	for _, f := range z.File {
		for _, what := range []string{"one byte flipped in ", "removed ", "duplicate name ", "path ../ before "} {
			if !names[what+f.Name] {
				t.Errorf("nobody tries: %s%s", what, f.Name)
			}
		}
	}
	for _, what := range []string{"entry added", "chain truncated", "evidence swapped", "signed again with another key", "gate claimed as passed under correct digests", "acceptor is the deliverer"} {
		if !names[what] {
			t.Errorf("nobody tries: %s", what)
		}
	}
	t.Logf("%d attacks on %d entries", len(attacks), len(z.File))
}
