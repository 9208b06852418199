package sqlstore

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/rackwright/rackwright/inventory"
)

// bodies are text in both databases; what is no text is kept as base64 behind
// a mark that no JSON begins with.
const binaryMark = "base64:"

func toText(b []byte) string {
	if utf8.Valid(b) && (len(b) < len(binaryMark) || string(b[:len(binaryMark)]) != binaryMark) && !hasZero(b) {
		return string(b)
	}
	return binaryMark + base64.StdEncoding.EncodeToString(b)
}

func hasZero(b []byte) bool { // PostgreSQL refuses it inside text
	for _, c := range b {
		if c == 0 {
			return true
		}
	}
	return false
}

func fromText(text string) ([]byte, error) {
	if len(text) >= len(binaryMark) && text[:len(binaryMark)] == binaryMark {
		return base64.StdEncoding.DecodeString(text[len(binaryMark):])
	}
	return []byte(text), nil
}

// Put implements inventory.Documents.
func (s *Store) Put(ctx context.Context, kind inventory.DocKind, body []byte) (inventory.Digest, error) {
	d := inventory.DigestOf(body)
	return d, s.tx(ctx, func(t *tx) error { return t.put(ctx, kind, d, body) })
}

func (t *tx) put(ctx context.Context, kind inventory.DocKind, d inventory.Digest, body []byte) error {
	return t.exec(ctx, "INSERT INTO document (digest, kind, at_ms, body) VALUES ($1,$2,$3,$4) ON CONFLICT (digest) DO NOTHING", string(d), string(kind), t.now, toText(body))
}

// Document implements inventory.Documents.
func (s *Store) Document(ctx context.Context, d inventory.Digest) ([]byte, error) {
	return document(ctx, s.read, d)
}

func document(ctx context.Context, q querier, d inventory.Digest) ([]byte, error) {
	var text string
	err := q.QueryRowContext(ctx, "SELECT body FROM document WHERE digest = $1", string(d)).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("document %s: %w", d, inventory.ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("document %s: %w", d, err)
	}
	raw, err := fromText(text)
	if err == nil && inventory.DigestOf(raw) != d {
		err = fmt.Errorf("its content no longer has that digest: the record is damaged, restore a backup: %w", inventory.ErrInvalid)
	}
	if err != nil {
		return nil, fmt.Errorf("document %s: %w", d, err)
	}
	return raw, nil
}

// Ref implements inventory.Documents.
func (s *Store) Ref(ctx context.Context, kind inventory.DocKind, name string) (inventory.Ref, error) {
	r := inventory.Ref{Kind: kind, Name: name}
	err := s.read.QueryRowContext(ctx, "SELECT digest, version FROM doc_ref WHERE kind = $1 AND name = $2", string(kind), name).Scan(&r.Digest, &r.Version)
	if errors.Is(err, sql.ErrNoRows) {
		return r, fmt.Errorf("%s %q: %w", kind, name, inventory.ErrNotFound)
	}
	if err != nil {
		return r, fmt.Errorf("%s %q: %w", kind, name, err)
	}
	return r, nil
}

// SetRef implements inventory.Documents.
func (s *Store) SetRef(ctx context.Context, r inventory.Ref) (inventory.Ref, error) {
	err := s.tx(ctx, func(t *tx) error {
		if _, ok, err := number(ctx, t, "SELECT 1 FROM document WHERE digest = $1", string(r.Digest)); err != nil || !ok {
			return errors.Join(err, fmt.Errorf("%s %q names document %s: %w", r.Kind, r.Name, r.Digest, inventory.ErrNotFound))
		}
		var n int64
		var err error
		if r.Version == 0 {
			n, err = t.changed(ctx, "INSERT INTO doc_ref (kind, name, digest, version) VALUES ($1,$2,$3,1) ON CONFLICT (kind, name) DO NOTHING", string(r.Kind), r.Name, string(r.Digest))
		} else {
			n, err = t.changed(ctx, "UPDATE doc_ref SET digest = $1, version = version + 1 WHERE kind = $2 AND name = $3 AND version = $4", string(r.Digest), string(r.Kind), r.Name, r.Version)
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("%s %q was changed by somebody else; read it again: %w", r.Kind, r.Name, inventory.ErrConflict)
		}
		_, err = t.event(ctx, "", "document.named", map[string]any{"kind": r.Kind, "name": r.Name, "digest": r.Digest})
		return err
	})
	if err == nil {
		r.Version++
	}
	return r, err
}

// Refs implements inventory.Documents.
func (s *Store) Refs(ctx context.Context, kind inventory.DocKind) ([]inventory.Ref, error) {
	rows, err := s.read.QueryContext(ctx, "SELECT name, digest, version FROM doc_ref WHERE kind = $1 ORDER BY name", string(kind))
	if err != nil {
		return nil, fmt.Errorf("names of %s: %w", kind, err)
	}
	defer rows.Close()
	var out []inventory.Ref
	for rows.Next() {
		r := inventory.Ref{Kind: kind}
		if err := rows.Scan(&r.Name, &r.Digest, &r.Version); err != nil {
			return nil, fmt.Errorf("names of %s: %w", kind, err)
		}
		out = append(out, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("names of %s: %w", kind, err)
	}
	return out, nil
}
