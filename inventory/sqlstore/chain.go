package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/gowebpki/jcs"

	"github.com/rackwright/rackwright/inventory"
)

// newChain begins a chain; an existing one stays.
func (t *tx) newChain(ctx context.Context, chain inventory.Subject) error {
	return t.exec(ctx, "INSERT INTO chain_head (chain, seq, hash) VALUES ($1, 0, '') ON CONFLICT (chain) DO NOTHING", chain.String())
}

// hold locks a rack's chain row, so that writes of one rack follow each other
// and each sees all of the one before.
func (t *tx) hold(ctx context.Context, rack inventory.RackID) error {
	return t.exec(ctx, "UPDATE chain_head SET seq = seq WHERE chain = $1", inventory.RackSubject(rack).String())
}

// event appends to a rack's chain (or the site's, for the empty rack) and
// returns its number. The body is any JSON value; secrets never come here.
func (t *tx) event(ctx context.Context, rack inventory.RackID, kind string, body any) (int64, error) {
	chain := inventory.RackSubject(rack)
	if rack == "" {
		chain = inventory.SiteSubject(t.s.site)
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return 0, fmt.Errorf("event %s: %w", kind, err)
	}
	if raw, err = jcs.Transform(raw); err != nil {
		return 0, fmt.Errorf("event %s: %w", kind, err)
	}
	cause := inventory.CauseOf(ctx)
	e := inventory.Entry{Chain: chain.String(), At: inventory.FromMillis(t.now), Client: cause.Client, By: cause.By, Via: cause.Via,
		Request: cause.Request, Kind: kind, Body: raw}
	if e.By == "" {
		e.By = "rackwright"
	}
	if e.Via == "" {
		e.Via = "conductor"
	}
	var seq int64
	err = t.QueryRowContext(ctx, "UPDATE chain_head SET seq = seq + 1 WHERE chain = $1 RETURNING seq, hash", e.Chain).Scan(&seq, &e.Prev)
	if err != nil {
		return 0, fmt.Errorf("chain %s: %w", e.Chain, err)
	}
	e.Seq = uint64(seq)
	e.Hash = inventory.ChainHash(e)
	err = t.exec(ctx, `INSERT INTO event (chain, seq, at_ms, client_ms, actor, via, request_id, kind, body, prev_hash, hash)
		VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11)`, e.Chain, seq, t.now, inventory.Millis(e.Client), e.By, e.Via, e.Request, e.Kind, string(raw),
		string(e.Prev), string(e.Hash))
	if err != nil {
		return 0, err
	}
	return seq, t.exec(ctx, "UPDATE chain_head SET hash = $1 WHERE chain = $2", string(e.Hash), e.Chain)
}

// page bounds how many entries one read takes.
const page = 500

// Entries implements inventory.Journal.
func (s *Store) Entries(ctx context.Context, chain inventory.Subject, after uint64) iter.Seq2[inventory.Entry, error] {
	return func(yield func(inventory.Entry, error) bool) {
		for {
			part, err := entries(ctx, s.read, chain.String(), after)
			if err != nil {
				yield(inventory.Entry{}, err)
				return
			}
			for _, e := range part {
				if !yield(e, nil) {
					return
				}
				after = e.Seq
			}
			if len(part) < page {
				return
			}
		}
	}
}

func entries(ctx context.Context, q querier, chain string, after uint64) ([]inventory.Entry, error) {
	rows, err := q.QueryContext(ctx, `SELECT chain, seq, at_ms, client_ms, actor, via, request_id, kind, body, prev_hash, hash
		FROM event WHERE chain = $1 AND seq > $2 ORDER BY seq LIMIT $3`, chain, int64(after), page)
	if err != nil {
		return nil, fmt.Errorf("chain %s: %w", chain, err)
	}
	defer rows.Close()
	var out []inventory.Entry
	for rows.Next() {
		var e inventory.Entry
		var at, client int64
		var body string
		if err := rows.Scan(&e.Chain, &e.Seq, &at, &client, &e.By, &e.Via, &e.Request, &e.Kind, &body, &e.Prev, &e.Hash); err != nil {
			return nil, fmt.Errorf("chain %s: %w", chain, err)
		}
		e.At, e.Client, e.Body = inventory.FromMillis(at), inventory.FromMillis(client), json.RawMessage(body)
		out = append(out, e)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("chain %s: %w", chain, err)
	}
	return out, nil
}

// Head implements inventory.Journal; an unknown chain is ErrNotFound.
func (s *Store) Head(ctx context.Context, chain inventory.Subject) (uint64, inventory.Digest, error) {
	var seq uint64
	var hash inventory.Digest
	err := s.read.QueryRowContext(ctx, "SELECT seq, hash FROM chain_head WHERE chain = $1", chain.String()).Scan(&seq, &hash)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, "", fmt.Errorf("chain %s: %w", chain, inventory.ErrNotFound)
	}
	if err != nil {
		return 0, "", fmt.Errorf("chain %s: %w", chain, err)
	}
	return seq, hash, nil
}

// parse turns "node:01J…" back into a subject.
func parse(text string) inventory.Subject {
	scope, id, _ := strings.Cut(text, ":")
	return inventory.Subject{Scope: inventory.Scope(scope), ID: id}
}
