package handover

import (
	"crypto/ed25519"
	"fmt"
	"slices"
	"strings"

	"github.com/rackwright/rackwright/inventory"
)

// Trust is whose signature counts: public keys, or fingerprints from paper.
type Trust struct {
	Keys         []ed25519.PublicKey
	Fingerprints []inventory.Digest
}

// knows reports whether a key is trusted.
func (t Trust) knows(key ed25519.PublicKey) bool {
	for _, k := range t.Keys {
		if k.Equal(key) {
			return true
		}
	}
	return slices.Contains(t.Fingerprints, Fingerprint(key))
}

// Signer says whether the signing key is one the caller trusts.
type Signer string

// Signer states. An intact package of an unknown signer is never "verified".
const (
	SignerKnown   Signer = "known"
	SignerUnknown Signer = "unknown"
)

// Check is one step of the verification.
type Check struct {
	Name   string `json:"name"`            // zip, signature, entries, certificate, evidence, chain, gates, people, holds, members, rederived
	Entry  string `json:"entry,omitempty"` // the entry that broke it
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"` // what is wrong; empty when OK
}

// Report is the result of VerifyPackage.
type Report struct {
	Rack                 string           `json:"rack,omitempty"`
	Checks               []Check          `json:"checks"`
	Broken               *Check           `json:"broken,omitempty"` // the first broken link
	Signer               Signer           `json:"signer"`
	Key                  inventory.Digest `json:"key,omitempty"` // fingerprint of the signer
	Simulated            bool             `json:"simulated"`
	AcceleratorsUntested bool             `json:"acceleratorsUntested"`
	Notices              []string         `json:"notices,omitempty"`
	Certificate          *Certificate     `json:"certificate,omitempty"` // nil when it could not be read
}

// Intact reports whether every check passed, whoever signed.
func (r Report) Intact() bool { return r.Broken == nil && len(r.Checks) > 0 }

// Verified reports whether the package is intact and its signer is trusted.
func (r Report) Verified() bool { return r.Intact() && r.Signer == SignerKnown }

// Verdict is the one line a person reads.
func (r Report) Verdict() string {
	switch {
	case r.Broken != nil && r.Broken.Entry != "":
		return "NOT VALID: " + r.Broken.Name + ": " + r.Broken.Entry + ": " + r.Broken.Detail
	case r.Broken != nil:
		return "NOT VALID: " + r.Broken.Name + ": " + r.Broken.Detail
	case !r.Verified():
		return "intact, signer unknown: " + string(r.Key)
	}
	text := "verified, signed by " + string(r.Key)
	if n := len(r.uncovered()); n > 0 {
		text += fmt.Sprintf("; %s NOT covered (%s)", slotCount(n), strings.Join(r.uncovered(), " "))
	}
	if r.AcceleratorsUntested {
		text += "; " + AcceleratorsUntested
	}
	if r.Simulated {
		text += "; SIMULATED"
	}
	return text
}

// uncovered are the slots the certificate says nothing good about.
func (r Report) uncovered() []string {
	var out []string
	if r.Certificate != nil {
		for _, x := range r.Certificate.Excluded {
			out = append(out, x.Slot)
		}
	}
	return out
}

func slotCount(n int) string {
	if n == 1 {
		return "1 slot"
	}
	return fmt.Sprint(n, " slots")
}

// check files one step; it returns false when the step failed.
func (r *Report) check(name, entry string, err error) bool {
	c := Check{Name: name, OK: err == nil}
	if err != nil {
		c.Entry, c.Detail = entry, err.Error()
	}
	r.Checks = append(r.Checks, c)
	if err != nil && r.Broken == nil {
		r.Broken = &c
	}
	return err == nil
}
