package handover

import (
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// SchemaVersion is the version of the certificate and of the package's entries.
const SchemaVersion = 1

// AcceleratorsUntested stands on certificate, page and report when the
// accelerators' tests were waived.
const AcceleratorsUntested = "accelerators NOT tested"

// Certificate is what deliverer and acceptor sign. Everything above Approvals
// is the draft; people approve its digest.
type Certificate struct {
	Schema     int                           `json:"schema"`
	Law        string                        `json:"law"` // version of inventory/lifecycle that judged
	Rack       inventory.Rack                `json:"rack"`
	TypeName   string                        `json:"typeName"`
	TypeDigest inventory.Digest              `json:"typeDigest"`
	Unverified string                        `json:"unverified,omitempty"` // the rack type was never seen on real hardware
	Members    []Member                      `json:"members"`
	Excluded   []Exclusion                   `json:"excluded"`
	Gates      []GateLine                    `json:"gates"`
	Waivers    []WaiverLine                  `json:"waivers"`
	Findings   FindingSummary                `json:"findings"`
	Holds      []HoldLine                    `json:"holds"`    // of excluded members; any other forbids the certificate
	Evidence   []inventory.Digest            `json:"evidence"` // digest of every evidence row, sorted
	Cited      map[string][]inventory.Digest `json:"cited"`    // image, plan, baseline … digests the verdicts stand on
	Head       Head                          `json:"head"`
	FrozenAt   time.Time                     `json:"frozenAt"`
	Simulated  bool                          `json:"simulated"`
	Notices    []string                      `json:"notices"` // sentences that must be read, AcceleratorsUntested among them
	Scale      string                        `json:"scale"`   // name of the scale the levels belong to

	Approvals []Approval       `json:"approvals,omitempty"`
	IssuedAt  time.Time        `json:"issuedAt,omitzero"`
	Key       inventory.Digest `json:"key,omitempty"` // fingerprint: SHA-256 of the 32 key bytes
	Signature string           `json:"signature,omitempty"`
}

// Member is one node as certified. Its BMC address and credentials are left out.
type Member struct {
	inventory.Node
	Fingerprint inventory.Digest `json:"fingerprint"` // of the parts seen last
}

// Exclusion is a slot of the rack type that the certificate does not cover.
type Exclusion struct {
	Slot   string             `json:"slot"`
	Kind   inventory.NodeKind `json:"kind"`
	Node   *inventory.Node    `json:"node,omitempty"` // nil: the slot is empty
	Reason string             `json:"reason"`
}

// GateLine is one gate of one subject: its result, and who or what proves it.
type GateLine struct {
	Subject   inventory.Subject    `json:"subject"`
	Address   string               `json:"address"`
	Milestone string               `json:"milestone"`
	Gate      inventory.Gate       `json:"gate"`
	Result    inventory.Result     `json:"result"`
	Producer  inventory.Producer   `json:"producer"`
	Evidence  inventory.EvidenceID `json:"evidence,omitempty"`
	Row       inventory.Digest     `json:"row,omitempty"` // digest of the evidence row: evidence/<hex>.json
	Document  inventory.Digest     `json:"document,omitempty"`
	By        string               `json:"by,omitempty"`
	Waiver    inventory.WaiverID   `json:"waiver,omitempty"`
	Reason    string               `json:"reason,omitempty"`
	Simulated bool                 `json:"simulated,omitempty"`
}

// WaiverLine is a waiver with the names of both persons.
type WaiverLine struct {
	inventory.Waiver
	RequesterName string `json:"requesterName"`
	ApproverName  string `json:"approverName"`
}

// HoldLine is a hold and whose it is.
type HoldLine struct {
	Address string         `json:"address"`
	Hold    inventory.Hold `json:"hold"`
}

// FindingSummary counts findings; the rows are in findings.json.
type FindingSummary struct {
	Open   int                           `json:"open"`
	Closed int                           `json:"closed"`
	ByKind map[inventory.FindingKind]int `json:"byKind"`
}

// Part says for which side a person signs.
type Part string

// The two sides of a handover.
const (
	Deliverer Part = "deliverer"
	Acceptor  Part = "acceptor"
)

// Approval is one person's word for one draft.
type Approval struct {
	Person inventory.PersonID `json:"person"`
	Name   string             `json:"name"`
	Part   Part               `json:"part"`
	Role   inventory.Role     `json:"role"`
	Draft  inventory.Digest   `json:"draft"` // Certificate.Digest of what was read
	At     time.Time          `json:"at"`
}

// Untested reports whether the certificate says that accelerators were not tested.
func (c Certificate) Untested() bool { return slices.Contains(c.Notices, AcceleratorsUntested) }

// Digest is the digest of the draft: the certificate without approvals, time,
// key and signature. Both persons approve this digest.
func (c Certificate) Digest() (inventory.Digest, error) {
	c.Approvals, c.IssuedAt, c.Key, c.Signature = nil, time.Time{}, "", ""
	return digestOf(c)
}

// Fingerprint is what a person compares on paper: SHA-256 of the 32 bytes of an ed25519 public key.
func Fingerprint(key ed25519.PublicKey) inventory.Digest { return inventory.DigestOf(key) }

// Issue signs an approved draft. The approvals must be one deliverer and one
// acceptor, two different persons, with the draft's
// digest. It refuses a certificate whose gates, holds or members forbid it.
func Issue(draft Certificate, approvals []Approval, key ed25519.PrivateKey, at time.Time) (Certificate, error) {
	if len(key) != ed25519.PrivateKeySize {
		return Certificate{}, fmt.Errorf("issue: the signing key has %d bytes, want %d: %w", len(key), ed25519.PrivateKeySize, inventory.ErrInvalid)
	}
	c := draft
	c.Approvals = slices.Clone(approvals)
	slices.SortFunc(c.Approvals, func(a, b Approval) int { return strings.Compare(string(b.Part), string(a.Part)) }) // deliverer first
	c.IssuedAt, c.Key, c.Signature = at.UTC().Truncate(time.Millisecond), Fingerprint(key.Public().(ed25519.PublicKey)), ""
	if err := c.complete(); err != nil {
		return Certificate{}, fmt.Errorf("issue certificate of %s: %w", c.Rack.Name, err)
	}
	raw, err := canonical(c)
	if err != nil {
		return Certificate{}, err
	}
	c.Signature = hex.EncodeToString(ed25519.Sign(key, raw))
	return c, nil
}

// Verify checks signature, key and approvals with nothing but the key. The
// gates are proven by VerifyPackage, which has the evidence.
func (c Certificate) Verify(key ed25519.PublicKey) error {
	if len(key) != ed25519.PublicKeySize {
		return fmt.Errorf("verify: the key has %d bytes, want %d: %w", len(key), ed25519.PublicKeySize, inventory.ErrInvalid)
	}
	if c.Key != Fingerprint(key) {
		return fmt.Errorf("verify: the certificate names key %s, this is %s: %w", c.Key, Fingerprint(key), inventory.ErrDenied)
	}
	signature, err := hex.DecodeString(c.Signature)
	if err != nil {
		return fmt.Errorf("verify: signature is no hex: %w", inventory.ErrInvalid)
	}
	unsigned := c
	unsigned.Signature = ""
	raw, err := canonical(unsigned)
	if err != nil {
		return err
	}
	if !ed25519.Verify(key, raw, signature) {
		return fmt.Errorf("verify: signature does not match the certificate: %w", inventory.ErrDenied)
	}
	return c.complete()
}
