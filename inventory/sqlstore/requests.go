package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/rackwright/rackwright/inventory"
)

// Results of a request line that are still open.
const openResults = "('not_started','running')"

// Ask implements inventory.Recorder.
func (s *Store) Ask(ctx context.Context, req inventory.Request) (inventory.Request, error) {
	if req.On.Empty() {
		return req, fmt.Errorf("the selector is empty, so nothing is selected; name racks or nodes, or say all: %w", inventory.ErrInvalid)
	}
	if req.Key == "" || req.By == "" || req.Op == "" {
		return req, fmt.Errorf("a request needs its key, operation and person: %w", inventory.ErrInvalid)
	}
	content := string(inventory.DigestOf([]byte(encode([]any{req.Op, req.On, req.Plan, req.Args, req.By, req.Approver}))))
	err := s.tx(ctx, func(t *tx) error {
		old, err := one[inventory.Request](ctx, t, "request", "SELECT body FROM request WHERE by_id = $1 AND idem_key = $2", string(req.By), req.Key)
		if err == nil {
			same, _, err := number(ctx, t, "SELECT COUNT(*) FROM request WHERE run_id = $1 AND content = $2", string(old.Run), content)
			if err != nil {
				return err
			}
			if same == 0 {
				return fmt.Errorf("key %q was used for another request (run %s): %w", req.Key, old.Run, inventory.ErrConflict)
			}
			req, err = t.withLines(ctx, old)
			return err
		}
		if !errors.Is(err, inventory.ErrNotFound) {
			return err
		}
		req.Run, req.State, req.At = inventory.RunID(newID()), inventory.RequestAccepted, inventory.FromMillis(t.now)
		if req.Lines, err = t.targets(ctx, req); err != nil {
			return err
		}
		if len(req.Lines) == 0 {
			return fmt.Errorf("the selector matches nothing: %w", inventory.ErrNotFound)
		}
		return t.saveRequest(ctx, req, content)
	})
	return req, err
}

// targets are the subjects of a request: the members of a rack, and the rack
// itself where the work is the rack's.
func (t *tx) targets(ctx context.Context, req inventory.Request) ([]inventory.RequestLine, error) {
	line := func(on inventory.Subject) inventory.RequestLine {
		return inventory.RequestLine{Subject: on, Result: "not_started"}
	}
	var out []inventory.RequestLine
	if req.Op == inventory.OpRackTest || req.Op == inventory.OpBringUp {
		for _, id := range req.On.Racks {
			r, err := rack(ctx, t, id)
			if err != nil {
				return nil, err
			}
			out = append(out, line(inventory.RackSubject(r.ID)))
		}
		if req.Op == inventory.OpRackTest {
			return out, nil
		}
	}
	nodes, err := selected(ctx, t, req.On)
	for _, n := range nodes {
		out = append(out, line(inventory.NodeSubject(n.ID)))
	}
	return out, err
}

func (t *tx) saveRequest(ctx context.Context, req inventory.Request, content string) error {
	lines := req.Lines
	req.Lines = nil
	if err := t.exec(ctx, "INSERT INTO request (run_id, by_id, idem_key, content, at_ms, body) VALUES ($1,$2,$3,$4,$5,$6)", string(req.Run), string(req.By), req.Key, content, t.now, encode(req)); err != nil {
		return err
	}
	racks := map[inventory.RackID]int{}
	for i, l := range lines {
		_, rackID, err := subject(ctx, t, l.Subject)
		if err != nil {
			return err
		}
		racks[rackID]++
		if err := t.exec(ctx, "INSERT INTO request_line (run_id, subject, rack_id, n, result, detail) VALUES ($1,$2,$3,$4,$5,$6)", string(req.Run), l.Subject.String(), string(rackID), i, l.Result, l.Detail); err != nil {
			return err
		}
		if err := t.wake(ctx, l.Subject); err != nil {
			return err
		}
	}
	for _, rackID := range sortedRacks(racks) {
		if _, err := t.event(ctx, rackID, "request.accepted", map[string]any{"run": req.Run, "operation": req.Op, "by": req.By, "approver": req.Approver, "targets": racks[rackID]}); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) withLines(ctx context.Context, req inventory.Request) (inventory.Request, error) {
	var err error
	req.Lines, err = lines(ctx, t, req.Run)
	return req, err
}

func lines(ctx context.Context, q querier, run inventory.RunID) ([]inventory.RequestLine, error) {
	rows, err := q.QueryContext(ctx, "SELECT subject, result, detail FROM request_line WHERE run_id = $1 ORDER BY n", string(run))
	if err != nil {
		return nil, fmt.Errorf("lines of request %s: %w", run, err)
	}
	defer rows.Close()
	var out []inventory.RequestLine
	for rows.Next() {
		var l inventory.RequestLine
		var on string
		if err := rows.Scan(&on, &l.Result, &l.Detail); err != nil {
			return nil, fmt.Errorf("lines of request %s: %w", run, err)
		}
		l.Subject = parse(on)
		out = append(out, l)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("lines of request %s: %w", run, err)
	}
	return out, nil
}

// Request implements inventory.Reader: by run, or by key.
func (s *Store) Request(ctx context.Context, id inventory.RunID) (inventory.Request, error) {
	req, err := one[inventory.Request](ctx, s.read, fmt.Sprintf("request %q", id), "SELECT body FROM request WHERE run_id = $1 OR idem_key = $1 ORDER BY at_ms DESC LIMIT 1", string(id))
	if err == nil {
		req.Lines, err = lines(ctx, s.read, req.Run)
	}
	return req, err
}

// Requests implements inventory.Reader: newest first.
func (s *Store) Requests(ctx context.Context, on inventory.Subject) ([]inventory.Request, error) {
	on, _, err := subject(ctx, s.read, on)
	if err != nil {
		return nil, err
	}
	column, value := "subject", on.String()
	if on.Scope == inventory.ScopeRack {
		column, value = "rack_id", on.ID
	}
	out, err := list[inventory.Request](ctx, s.read, "requests", "SELECT body FROM request WHERE run_id IN (SELECT run_id FROM request_line WHERE "+column+" = $1) ORDER BY at_ms DESC, run_id DESC", value)
	for i := range out {
		if err == nil {
			out[i].Lines, err = lines(ctx, s.read, out[i].Run)
		}
	}
	return out, err
}

// Asked implements inventory.Work: open requests of the claim's subject, oldest first.
func (s *Store) Asked(ctx context.Context, c inventory.Claim) ([]inventory.Request, error) {
	out, err := list[inventory.Request](ctx, s.read, "requests", `SELECT body FROM request WHERE run_id IN
		(SELECT run_id FROM request_line WHERE subject = $1 AND result IN `+openResults+`) ORDER BY at_ms, run_id`, c.Subject.String())
	for i := range out {
		if err == nil {
			out[i].Lines, err = lines(ctx, s.read, out[i].Run)
		}
	}
	return out, err
}

// Answer implements inventory.Work.
func (s *Store) Answer(ctx context.Context, c inventory.Claim, run inventory.RunID, l inventory.RequestLine) error {
	return s.tx(ctx, func(t *tx) error {
		_, rackID, err := t.claimed(ctx, c)
		if err != nil {
			return err
		}
		var was, detail string
		err = t.QueryRowContext(ctx, "SELECT result, detail FROM request_line WHERE run_id = $1 AND subject = $2", string(run), c.Subject.String()).Scan(&was, &detail)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("request %s does not name %s: %w", run, c.Subject, inventory.ErrNotFound)
		}
		if err != nil {
			return fmt.Errorf("request %s: %w", run, err)
		}
		if was == l.Result && detail == l.Detail {
			return nil
		}
		if err := t.exec(ctx, "UPDATE request_line SET result = $1, detail = $2 WHERE run_id = $3 AND subject = $4", l.Result, l.Detail, string(run), c.Subject.String()); err != nil {
			return err
		}
		if was != l.Result {
			if _, err := t.event(ctx, rackID, "request.line", map[string]any{"run": run, "subject": c.Subject.String(), "result": l.Result, "detail": l.Detail}); err != nil {
				return err
			}
		}
		return t.requestState(ctx, run)
	})
}

// requestState follows from the lines. Accepted is not success.
func (t *tx) requestState(ctx context.Context, run inventory.RunID) error {
	req, err := one[inventory.Request](ctx, t, "request", "SELECT body FROM request WHERE run_id = $1", string(run))
	if err != nil {
		return err
	}
	all, err := lines(ctx, t, run)
	if err != nil {
		return err
	}
	state := stateOf(all)
	if state == req.State {
		return nil
	}
	req.State, req.Lines = state, nil
	return t.exec(ctx, "UPDATE request SET body = $1 WHERE run_id = $2", encode(req), string(run))
}

func stateOf(all []inventory.RequestLine) inventory.RequestState {
	count := map[string]int{}
	for _, l := range all {
		count[l.Result]++
	}
	switch {
	case count["not_started"] == len(all):
		return inventory.RequestAccepted
	case count["not_started"]+count["running"] > 0:
		return inventory.RequestRunning
	case count["ok"] == len(all):
		return inventory.RequestDone
	case count["ok"]+count["unknown"] > 0:
		return inventory.RequestPartial
	}
	return inventory.RequestFailed
}
