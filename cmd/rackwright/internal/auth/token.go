package auth

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

const tokenPrefix = "rw_"

// MaxTokenLife bounds every token; expiry is required.
const MaxTokenLife = 400 * 24 * time.Hour

// NewToken makes a bearer token for a person. The secret is shown once and is
// not kept; the record gets its SHA-256 and first 8 characters only.
func NewToken(person inventory.Person, grants []inventory.Grant, until time.Time, note string, now time.Time) (inventory.Secret, inventory.Token, error) {
	if !until.After(now) || until.Sub(now) > MaxTokenLife {
		return inventory.Secret{}, inventory.Token{}, fmt.Errorf("token for %s: expiry must lie in the next %d days: %w", person.ID, int(MaxTokenLife.Hours()/24), inventory.ErrInvalid)
	}
	if len(grants) == 0 {
		return inventory.Secret{}, inventory.Token{}, fmt.Errorf("token for %s: name at least one grant: %w", person.ID, inventory.ErrInvalid)
	}
	if err := Within(grants, person.Grants); err != nil {
		return inventory.Secret{}, inventory.Token{}, err
	}
	raw := make([]byte, 32)
	if _, err := rand.Read(raw); err != nil {
		return inventory.Secret{}, inventory.Token{}, fmt.Errorf("token: %w", err)
	}
	text := tokenPrefix + base64.RawURLEncoding.EncodeToString(raw)
	t := inventory.Token{Hash: HashToken(text), Prefix: text[:8], Person: person.ID, Grants: grants, Until: until, Note: note}
	return inventory.NewSecret(text), t, nil
}

// HashToken is how a token is looked up.
func HashToken(text string) inventory.Digest { return inventory.DigestOf([]byte(text)) }

// Bearer takes the token out of an Authorization header value.
func Bearer(header string) (string, bool) {
	scheme, text, ok := strings.Cut(header, " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") || !strings.HasPrefix(text, tokenPrefix) {
		return "", false
	}
	return text, true
}

// Effective are the grants that hold now for a token of a person: the token's,
// cut by what the person still has.
func Effective(t inventory.Token, p inventory.Person, now time.Time) ([]inventory.Grant, error) {
	switch {
	case p.Disabled:
		return nil, fmt.Errorf("%s is disabled; ask an admin: %w", p.ID, inventory.ErrDenied)
	case !now.Before(t.Until):
		return nil, fmt.Errorf("token %s… expired at %s; ask an admin for a new one: %w", t.Prefix, t.Until.UTC().Format(time.RFC3339), inventory.ErrDenied)
	}
	var out []inventory.Grant
	for _, g := range t.Grants {
		if Within([]inventory.Grant{g}, p.Grants) == nil {
			out = append(out, g)
		}
	}
	return out, nil
}
