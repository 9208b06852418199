package redfish

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// Back-off of the lock-out guard: BMCs have been seen to lock after 4 failures
// for 600 s, and to block the source address.
const (
	lockoutBase = time.Minute
	lockoutCap  = 30 * time.Minute
	maxRefused  = 2 // the new and the old secret of a rotation; nothing else is tried
)

// lockout is the stored state of one BMC: ok → stopped(until) → ok. Each secret
// is refused at most once; after that one probe per back-off step.
type lockout struct {
	Salt    []byte    `json:"salt,omitempty"`
	Refused []string  `json:"refused,omitempty"` // tags of secrets
	Steps   int       `json:"steps,omitempty"`
	Until   time.Time `json:"until,omitzero"`
}

// tag recognises a secret again. Two bytes of a salted hash do that, and tell
// whoever reads the database nothing worth guessing with.
func (l *lockout) tag(user string, secret inventory.Secret) string {
	if l.Salt == nil {
		l.Salt = make([]byte, 16)
		_, _ = rand.Read(l.Salt) // crypto/rand.Read never fails (Go 1.24)
	}
	mac := hmac.New(sha256.New, l.Salt)
	mac.Write([]byte(user + "\x00" + secret.Reveal()))
	return hex.EncodeToString(mac.Sum(nil)[:2])
}

// allow says whether one login with this secret may be sent now; otherwise how
// long to wait.
func (l *lockout) allow(now time.Time, tag string) (time.Duration, bool) {
	if len(l.Refused) == 0 || !now.Before(l.Until) {
		return 0, true
	}
	if !slices.Contains(l.Refused, tag) && len(l.Refused) < maxRefused {
		return 0, true
	}
	return l.Until.Sub(now), false
}

// refuse notes a wrong login. known is AccountLockoutDuration, 0 if unknown.
func (l *lockout) refuse(now time.Time, tag string, known time.Duration) {
	if !slices.Contains(l.Refused, tag) {
		if len(l.Refused) >= maxRefused {
			l.Refused = l.Refused[1:]
		}
		l.Refused = append(l.Refused, tag)
	}
	wait := max(known, lockoutBase)
	for range l.Steps {
		wait = min(2*wait, lockoutCap)
	}
	l.Steps++
	l.Until = now.Add(min(wait, lockoutCap))
}

// accept forgets all refusals but keeps the salt.
func (l *lockout) accept() { l.Refused, l.Steps, l.Until = nil, 0, time.Time{} }
