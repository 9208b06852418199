package inventory

import (
	"encoding/json"
	"log/slog"
)

// Secret is text that must never be printed. Every formatted, logged or
// marshalled form reads REDACTED; only [Secret.Reveal] gives the value.
type Secret struct{ value string }

const redacted = "REDACTED"

// NewSecret wraps a value.
func NewSecret(value string) Secret { return Secret{value: value} }

// Reveal returns the value; call it only where the bytes leave for the wire or the vault.
func (s Secret) Reveal() string { return s.value }

// IsZero reports whether no secret is held.
func (s Secret) IsZero() bool { return s.value == "" }

// String implements fmt.Stringer without the value.
func (s Secret) String() string { return redacted }

// GoString keeps %#v from printing the value.
func (s Secret) GoString() string { return redacted }

// LogValue implements slog.LogValuer without the value.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON writes REDACTED; a secret never travels inside a document.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }

// MarshalText writes REDACTED, which covers YAML and map keys.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
