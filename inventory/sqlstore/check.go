package sqlstore

import (
	"context"
	"fmt"

	"github.com/rackwright/rackwright/inventory"
)

// Check recomputes what must hold and lists what does not: chains and their
// heads, intervals of one place, locks and ticks of ended runs, documents that
// rows cite. It changes nothing; an empty list means that the record is sound.
func (s *Store) Check(ctx context.Context) ([]string, error) {
	var out []string
	for _, check := range []func(context.Context) ([]string, error){s.checkChains, s.checkRows, s.checkDocuments} {
		part, err := check(ctx)
		if err != nil {
			return out, fmt.Errorf("check the record: %w", err)
		}
		out = append(out, part...)
	}
	return out, nil
}

func (s *Store) checkChains(ctx context.Context) ([]string, error) {
	chains, err := texts(ctx, s.read, "chains", "SELECT chain FROM chain_head ORDER BY chain")
	if err != nil {
		return nil, err
	}
	var out []string
	for _, chain := range chains {
		var last inventory.Entry
		for e, err := range s.Entries(ctx, parse(chain), 0) {
			if err != nil {
				return out, err
			}
			switch {
			case e.Seq != last.Seq+1:
				out = append(out, fmt.Sprintf("chain %s: entry %d follows %d", chain, e.Seq, last.Seq))
			case e.Prev != last.Hash:
				out = append(out, fmt.Sprintf("chain %s: entry %d does not follow the hash of %d", chain, e.Seq, last.Seq))
			case inventory.ChainHash(e) != e.Hash:
				out = append(out, fmt.Sprintf("chain %s: entry %d was changed", chain, e.Seq))
			}
			last = e
		}
		seq, hash, err := s.Head(ctx, parse(chain))
		if err != nil {
			return out, err
		}
		if seq != last.Seq || hash != last.Hash {
			out = append(out, fmt.Sprintf("chain %s: its head is %d, its last entry %d", chain, seq, last.Seq))
		}
	}
	return out, nil
}

// checkRows asks for rows that must not exist; each query gives a sentence.
func (s *Store) checkRows(ctx context.Context) ([]string, error) {
	queries := []string{
		`SELECT 'place ' || a.slot_id || ' has two parts at one time' FROM install a JOIN install b ON a.slot_id = b.slot_id
			AND (a.from_ms < b.from_ms OR a.from_ms = b.from_ms AND a.from_ev < b.from_ev) AND a.to_ms > b.from_ms WHERE a.void_ev IS NULL AND b.void_ev IS NULL`,
		`SELECT 'lock ' || l.scope || ' belongs to run ' || l.run_id || ', which is over' FROM scope_lock l JOIN run r ON r.id = l.run_id
			WHERE l.state = 'held' AND r.ended_ms IS NOT NULL`,
		`SELECT 'lock ' || scope || ' belongs to no run' FROM scope_lock WHERE run_id NOT IN (SELECT id FROM run)`,
		`SELECT 'timer ' || k.id || ' runs ' || k.run_id || ', which is over' FROM tick k JOIN run r ON r.id = k.run_id WHERE r.ended_ms IS NOT NULL`,
		`SELECT 'node ' || address || ' has no timer' FROM node WHERE 'node:' || id NOT IN (SELECT id FROM tick)`,
		`SELECT 'rack ' || name || ' has no timer' FROM rack WHERE 'rack:' || id NOT IN (SELECT id FROM tick)`,
		`SELECT 'intent ' || id || ' is settled without an outcome' FROM intent WHERE settled = 1 AND outcome NOT IN ('ok','failed')`,
		`SELECT 'node ' || address || ' belongs to no rack' FROM node WHERE rack_id NOT IN (SELECT id FROM rack)`,
	}
	var out []string
	for _, q := range queries {
		part, err := texts(ctx, s.read, "rows", q)
		if err != nil {
			return out, err
		}
		out = append(out, part...)
	}
	return out, nil
}

func (s *Store) checkDocuments(ctx context.Context) ([]string, error) {
	var out []string
	need := map[inventory.Digest]string{}
	racks, err := s.Racks(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range racks {
		need[r.Type.Digest] = "rack type of " + r.Name
	}
	rows, err := list[inventory.Evidence](ctx, s.read, "evidence", "SELECT body FROM evidence")
	if err != nil {
		return nil, err
	}
	for _, e := range rows {
		if e.Document != "" {
			need[e.Document] = fmt.Sprintf("evidence %s of %s", e.ID, e.Gate)
		}
	}
	for d, what := range need {
		if _, err := document(ctx, s.read, d); err != nil {
			out = append(out, fmt.Sprintf("%s: %v", what, err))
		}
	}
	return out, nil
}
