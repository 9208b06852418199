package inventory

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"time"
)

// Entry is one event of a hash chain: everything that the hash covers, and the hash.
type Entry struct {
	Chain   string          `json:"chain"` // subject of the rack or site
	Seq     uint64          `json:"seq"`   // 1 is the first
	At      time.Time       `json:"at"`
	Client  time.Time       `json:"client,omitzero"` // time at an offline device
	By      string          `json:"by"`              // person id or holder
	Via     string          `json:"via"`             // api, cli, web, conductor, pxe, agent …
	Request string          `json:"request,omitempty"`
	Kind    string          `json:"kind"`
	Body    json.RawMessage `json:"body"` // canonical JSON, RFC 8785
	Prev    Digest          `json:"prev"` // empty for the first entry
	Hash    Digest          `json:"hash"`
}

// ChainHash computes the hash of an entry from its other fields: SHA-256 over
// (prev, chain, seq, at_ms, client_ms, by, via, request, kind, body), each
// field length-prefixed with eight big-endian bytes (inventory.md §8). Body
// must already be canonical. A zero time counts as 0 ms.
func ChainHash(e Entry) Digest {
	h := sha256.New()
	field := func(b []byte) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(b)))
		h.Write(n[:])
		h.Write(b)
	}
	number := func(v uint64) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], v)
		field(n[:])
	}
	field([]byte(e.Prev))
	field([]byte(e.Chain))
	number(e.Seq)
	number(uint64(Millis(e.At)))
	number(uint64(Millis(e.Client)))
	field([]byte(e.By))
	field([]byte(e.Via))
	field([]byte(e.Request))
	field([]byte(e.Kind))
	field(e.Body)
	return Digest(digestPrefix + hex.EncodeToString(h.Sum(nil)))
}

// Millis is Unix milliseconds; the zero time is 0.
func Millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// FromMillis is the inverse of Millis, in UTC.
func FromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// Cause says on whose behalf a call changes the record; it ends up in the event.
type Cause struct {
	By      string    // person id; empty: the holder itself
	Via     string    // api, cli, web, conductor, pxe, agent
	Request string    // request id
	Client  time.Time // time at an offline device, else zero
}

type causeKey struct{}

// WithCause attaches a cause to a context.
func WithCause(ctx context.Context, c Cause) context.Context {
	return context.WithValue(ctx, causeKey{}, c)
}

// CauseOf returns the attached cause, or the zero Cause.
func CauseOf(ctx context.Context) Cause {
	c, _ := ctx.Value(causeKey{}).(Cause)
	return c
}
