package handover

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/rackwright/rackwright/inventory"
)

// Attack forges a package offline. Tests and the demonstration apply every one
// and demand that VerifyPackage refuses the result and names Entry.
type Attack struct {
	Name  string
	Entry string // the entry the report must name
	Apply func(pkg []byte) ([]byte, error)
	// Unknown marks forgeries that are intact under another key: they must come
	// back as "intact, signer unknown" and never as verified.
	Unknown bool
}

// Attacks lists the forgeries of one package: what anybody can do to each of
// its entries, and what only the owner of the signing key could try. With a nil
// key the second group is left out.
func Attacks(pkg []byte, key ed25519.PrivateKey) ([]Attack, error) {
	content, err := unzip(bytes.NewReader(pkg), int64(len(pkg)))
	if err != nil {
		return nil, fmt.Errorf("read the package to attack: %w", err)
	}
	names := make([]string, 0, len(content))
	for name := range content {
		names = append(names, name)
	}
	sort.Strings(names)
	var out []Attack
	for _, name := range names {
		out = append(out, onEntry(name)...)
	}
	if !slices.ContainsFunc(names, evidenceEntry.MatchString) {
		return nil, fmt.Errorf("package has no evidence to attack: %w", inventory.ErrInvalid)
	}
	rows := names[slices.IndexFunc(names, evidenceEntry.MatchString):]
	out = append(out, onPackage(rows[0])...)
	if key != nil {
		var cert Certificate
		if err := readCanonical(content[entryCertificate], &cert); err != nil {
			return nil, fmt.Errorf("read the certificate to attack: %w", err)
		}
		out = append(out, withKey(key, evidenceName(cert.Evidence[0]))...)
	}
	return out, nil
}

// raw is a package taken apart: its entries, and what a zip can do besides.
type raw struct {
	content map[string][]byte
	twice   string // this entry is written a second time
}

// edit takes a package apart, changes it and writes it again.
func edit(change func(*raw) error) func([]byte) ([]byte, error) {
	return func(pkg []byte) ([]byte, error) {
		content, err := unzip(bytes.NewReader(pkg), int64(len(pkg)))
		if err != nil {
			return nil, err
		}
		p := &raw{content: content}
		if err := change(p); err != nil {
			return nil, err
		}
		var out bytes.Buffer
		if err := forgeZip(&out, p); err != nil {
			return nil, err
		}
		return out.Bytes(), nil
	}
}

// onEntry is what anybody can do to one entry.
func onEntry(name string) []Attack {
	list := []Attack{
		{Name: "one byte flipped in " + name, Entry: name, Apply: edit(func(p *raw) error {
			p.content[name] = flip(p.content[name])
			return nil
		})},
		{Name: "removed " + name, Entry: name, Apply: edit(func(p *raw) error {
			delete(p.content, name)
			return nil
		})},
		{Name: "duplicate name " + name, Entry: name, Apply: edit(func(p *raw) error {
			p.twice = name
			return nil
		})},
		{Name: "path ../ before " + name, Entry: "../" + name, Apply: edit(func(p *raw) error {
			p.content["../"+name] = p.content[name]
			delete(p.content, name)
			return nil
		})},
	}
	return list
}

// flip changes one bit in the middle, in a letter or digit if there is one.
func flip(content []byte) []byte {
	out := bytes.Clone(content)
	if len(out) == 0 {
		return []byte{1}
	}
	out[len(out)/2] ^= 1
	return out
}

func onPackage(evidence string) []Attack {
	extra := evidenceDir + strings.Repeat("0", 64) + ".json"
	return []Attack{
		{Name: "entry added", Entry: extra, Apply: edit(func(p *raw) error {
			p.content[extra] = []byte("{}")
			return nil
		})},
		{Name: "chain truncated", Entry: entryEvents, Apply: edit(func(p *raw) error {
			return cutChain(p.content, -1)
		})},
		{Name: "evidence swapped", Entry: evidence, Apply: edit(func(p *raw) error {
			return swapEvidence(p.content)
		})},
		{Name: "signed again with another key", Entry: entrySignature, Unknown: true, Apply: edit(func(p *raw) error {
			// The seed is public: this key proves nothing to anybody.
			return reseal(p.content, ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize)), nil)
		})},
	}
}

// withKey is what the owner of the signing key could try: every digest and
// signature is right, and the statement is wrong.
func withKey(key ed25519.PrivateKey, row string) []Attack {
	signed := func(change func(map[string][]byte, *Certificate) error) func([]byte) ([]byte, error) {
		return edit(func(p *raw) error {
			return reseal(p.content, key, func(c *Certificate) error { return change(p.content, c) })
		})
	}
	return []Attack{
		{Name: "gate claimed as passed under correct digests", Entry: entryCertificate, Apply: signed(func(_ map[string][]byte, c *Certificate) error {
			return claim(c)
		})},
		{Name: "evidence turned to fail, certificate claims pass", Entry: entryCertificate, Apply: signed(failEvidence)},
		{Name: "acceptor is the deliverer", Entry: entryCertificate, Apply: signed(func(_ map[string][]byte, c *Certificate) error {
			for i := range c.Approvals {
				c.Approvals[i].Person, c.Approvals[i].Name = c.Approvals[0].Person, c.Approvals[0].Name
			}
			return nil
		})},
		{Name: "chain truncated and signed", Entry: entryEvents, Apply: signed(func(content map[string][]byte, c *Certificate) error {
			return cutChain(content, int(c.Head.Seq)-1)
		})},
		{Name: "event rewritten and signed", Entry: entryEvents, Apply: signed(func(content map[string][]byte, _ *Certificate) error {
			return rewriteEvent(content)
		})},
		{Name: "evidence row removed and signed", Entry: row, Apply: signed(func(content map[string][]byte, c *Certificate) error {
			delete(content, evidenceName(c.Evidence[0]))
			return nil
		})},
		{Name: "open hold", Entry: entryCertificate, Apply: signed(func(_ map[string][]byte, c *Certificate) error {
			c.Rack.Holds = append(c.Rack.Holds, inventory.Hold{Name: inventory.HoldQuarantine, Reason: "forged", Since: c.FrozenAt})
			return nil
		})},
		{Name: "member dropped", Entry: entryCertificate, Apply: signed(func(_ map[string][]byte, c *Certificate) error {
			c.Members = c.Members[1:]
			return nil
		})},
	}
}

// claim lifts the gates that did not pass by evidence to pass.
func claim(c *Certificate) error {
	for i, g := range c.Gates {
		if g.Result == inventory.ResultNotApplicable || g.Result == inventory.ResultWaived {
			c.Gates[i].Result, c.Gates[i].Producer = inventory.ResultPass, inventory.ByMachine
			return nil
		}
	}
	return fmt.Errorf("no gate to lie about: %w", inventory.ErrNotFound)
}

// reapprove makes both approvals fit the changed draft, as a forger would.
func reapprove(c *Certificate) error {
	digest, err := c.Digest()
	if err != nil {
		return err
	}
	for i := range c.Approvals {
		c.Approvals[i].Draft = digest
	}
	return nil
}
