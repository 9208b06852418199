package sqlstore

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/rackwright/rackwright/inventory"
)

// Person implements inventory.People.
func (s *Store) Person(ctx context.Context, id inventory.PersonID) (inventory.Person, error) {
	return one[inventory.Person](ctx, s.read, fmt.Sprintf("person %q", id), "SELECT body FROM person WHERE id = $1", string(id))
}

// Persons implements inventory.People.
func (s *Store) Persons(ctx context.Context) ([]inventory.Person, error) {
	return list[inventory.Person](ctx, s.read, "people", "SELECT body FROM person ORDER BY id")
}

// SavePerson implements inventory.People.
func (s *Store) SavePerson(ctx context.Context, p inventory.Person) error {
	if p.ID == "" {
		return fmt.Errorf("a person needs an id: %w", inventory.ErrInvalid)
	}
	return s.tx(ctx, func(t *tx) error {
		if err := t.exec(ctx, "INSERT INTO person (id, body) VALUES ($1,$2) ON CONFLICT (id) DO UPDATE SET body = excluded.body", string(p.ID), encode(p)); err != nil {
			return err
		}
		_, err := t.event(ctx, "", "person.saved", map[string]any{"person": p.ID, "grants": p.Grants, "disabled": p.Disabled})
		return err
	})
}

// Token implements inventory.People.
func (s *Store) Token(ctx context.Context, hash inventory.Digest) (inventory.Token, error) {
	return one[inventory.Token](ctx, s.read, "token", "SELECT body FROM api_token WHERE hash = $1", string(hash))
}

// SaveToken implements inventory.People. The last use is no event.
func (s *Store) SaveToken(ctx context.Context, k inventory.Token) error {
	return s.tx(ctx, func(t *tx) error {
		_, known, err := number(ctx, t, "SELECT 1 FROM api_token WHERE hash = $1", string(k.Hash))
		if err != nil {
			return err
		}
		if err := t.exec(ctx, "INSERT INTO api_token (hash, person_id, body) VALUES ($1,$2,$3) ON CONFLICT (hash) DO UPDATE SET body = excluded.body", string(k.Hash), string(k.Person), encode(k)); err != nil || known {
			return err
		}
		_, err = t.event(ctx, "", "token.made", map[string]any{"prefix": k.Prefix, "person": k.Person, "until": k.Until, "note": k.Note})
		return err
	})
}

// Sealed implements inventory.Vault; each read is an event.
func (s *Store) Sealed(ctx context.Context, name string) ([]byte, int64, error) {
	var raw []byte
	var version int64
	err := s.tx(ctx, func(t *tx) error {
		var text string
		err := t.QueryRowContext(ctx, "SELECT body, version FROM vault WHERE name = $1", name).Scan(&text, &version)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("secret %q: %w", name, inventory.ErrNotFound)
		}
		if err != nil {
			return fmt.Errorf("secret %q: %w", name, err)
		}
		if raw, err = base64.StdEncoding.DecodeString(text); err != nil {
			return fmt.Errorf("secret %q: the row is damaged: %w", name, err)
		}
		_, err = t.event(ctx, "", "secret.read", map[string]any{"name": name, "version": version})
		return err
	})
	return raw, version, err
}

// Seal implements inventory.Vault.
func (s *Store) Seal(ctx context.Context, name string, ciphertext []byte, version int64) error {
	return s.tx(ctx, func(t *tx) error {
		body := base64.StdEncoding.EncodeToString(ciphertext)
		var n int64
		var err error
		if version == 0 {
			n, err = t.changed(ctx, "INSERT INTO vault (name, version, body) VALUES ($1,1,$2) ON CONFLICT (name) DO NOTHING", name, body)
		} else {
			n, err = t.changed(ctx, "UPDATE vault SET version = version + 1, body = $1 WHERE name = $2 AND version = $3", body, name, version)
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("secret %q is not at version %d: %w", name, version, inventory.ErrConflict)
		}
		_, err = t.event(ctx, "", "secret.sealed", map[string]any{"name": name, "version": version + 1})
		return err
	})
}

// Load implements inventory.BMCMemory.
func (s *Store) Load(ctx context.Context, endpoint string) ([]byte, error) {
	var text string
	err := s.read.QueryRowContext(ctx, "SELECT body FROM bmc_state WHERE endpoint = $1", endpoint).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("memory of %s: %w", endpoint, err)
	}
	return fromText(text)
}

// Save implements inventory.BMCMemory.
func (s *Store) Save(ctx context.Context, endpoint string, state []byte) error {
	return s.tx(ctx, func(t *tx) error {
		return t.exec(ctx, "INSERT INTO bmc_state (endpoint, body) VALUES ($1,$2) ON CONFLICT (endpoint) DO UPDATE SET body = excluded.body", endpoint, toText(state))
	})
}
