package sqlstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
)

// File implements inventory.Recorder. Evidence for a gate that the law does not
// know, or by a producer it does not accept, is refused rather than kept unread.
func (s *Store) File(ctx context.Context, e inventory.Evidence) (inventory.EvidenceID, error) {
	if e.Result != inventory.ResultPass && e.Result != inventory.ResultFail && e.Result != inventory.ResultUnjudged {
		return "", fmt.Errorf("evidence of %s says %q; a producer says pass, fail or unjudged: %w", e.Gate, e.Result, inventory.ErrInvalid)
	}
	if e.By == "" || e.Producer == "" {
		return "", fmt.Errorf("evidence of %s does not say who made it: %w", e.Gate, inventory.ErrInvalid)
	}
	if _, ok := lifecycle.Find(e.Gate, e.Subject.Scope == inventory.ScopeRack); !ok {
		return "", fmt.Errorf("%s is no gate of a %s: %w", e.Gate, e.Subject.Scope, inventory.ErrInvalid)
	}
	err := s.tx(ctx, func(t *tx) error {
		on, rackID, err := subject(ctx, t, e.Subject)
		if err != nil {
			return err
		}
		if err := t.hold(ctx, rackID); err != nil {
			return err
		}
		e.Subject, e.ID, e.Void, e.VoidWhy = on, inventory.EvidenceID(newID()), false, ""
		if e.At.IsZero() {
			e.At = inventory.FromMillis(t.now).Add(-e.Age)
		}
		e.At = inventory.FromMillis(min(e.At.UnixMilli(), t.now)) // a clock that is ahead must not outlive what is filed later
		if e.Document != "" {
			if _, ok, err := number(ctx, t, "SELECT 1 FROM document WHERE digest = $1", string(e.Document)); err != nil || !ok {
				return fmt.Errorf("evidence of %s cites document %s, which is not in the record: %w (%v)", e.Gate, e.Document, inventory.ErrNotFound, err)
			}
		}
		if e.Simulated {
			if err := t.simulatedSubject(ctx, on, rackID); err != nil {
				return err
			}
		}
		if err := t.exec(ctx, "INSERT INTO evidence (id, subject, gate, at_ms, void, body) VALUES ($1,$2,$3,$4,0,$5)", string(e.ID), on.String(), string(e.Gate), e.At.UnixMilli(), encode(e)); err != nil {
			return err
		}
		if _, err := t.event(ctx, rackID, "evidence.filed", map[string]any{"evidence": e.ID, "gate": e.Gate, "subject": on.String(), "result": e.Result,
			"producer": e.Producer, "by": e.By, "document": e.Document, "detail": e.Detail}); err != nil {
			return err
		}
		if err := t.wake(ctx, on); err != nil {
			return err
		}
		return t.wake(ctx, inventory.RackSubject(rackID))
	})
	return e.ID, err
}

func (t *tx) simulatedSubject(ctx context.Context, on inventory.Subject, rackID inventory.RackID) error {
	if on.Scope == inventory.ScopeNode {
		n, err := node(ctx, t, inventory.NodeID(on.ID))
		if err != nil {
			return err
		}
		return t.simulated(ctx, &n)
	}
	r, err := rack(ctx, t, rackID)
	if err != nil {
		return err
	}
	return t.simulatedRack(ctx, &r)
}

// void ends the validity of a subject's evidence for gates; the rows stay.
func (t *tx) void(ctx context.Context, on inventory.Subject, gates []inventory.Gate, why string) error {
	return t.voidThose(ctx, on, why, func(e inventory.Evidence) bool { return slices.Contains(gates, e.Gate) })
}

func (t *tx) voidThose(ctx context.Context, on inventory.Subject, why string, those func(inventory.Evidence) bool) error {
	rows, err := list[inventory.Evidence](ctx, t, "evidence", "SELECT body FROM evidence WHERE subject = $1 AND void = 0", on.String())
	if err != nil {
		return err
	}
	var ended []inventory.Gate
	for _, e := range rows {
		if !those(e) {
			continue
		}
		e.Void, e.VoidWhy = true, why
		if err := t.exec(ctx, "UPDATE evidence SET void = 1, body = $1 WHERE id = $2", encode(e), string(e.ID)); err != nil {
			return err
		}
		if !slices.Contains(ended, e.Gate) {
			ended = append(ended, e.Gate)
		}
	}
	if len(ended) == 0 {
		return nil
	}
	_, rackID, err := subject(ctx, t, on)
	if err == nil {
		slices.Sort(ended)
		_, err = t.event(ctx, rackID, "evidence.void", map[string]any{"subject": on.String(), "gates": ended, "reason": why})
	}
	return err
}

// Waive implements inventory.Recorder.
func (s *Store) Waive(ctx context.Context, w inventory.Waiver) (inventory.WaiverID, error) {
	if w.Approver != "" && w.Approver == w.Requester {
		return "", fmt.Errorf("%s asked for this waiver and cannot approve it; a second person must: %w", w.Requester, inventory.ErrDenied)
	}
	if strings.TrimSpace(w.Reason) == "" || w.Requester == "" || w.Until.IsZero() {
		return "", fmt.Errorf("a waiver needs a reason, a requester and an expiry: %w", inventory.ErrInvalid)
	}
	err := s.tx(ctx, func(t *tx) error {
		on, rackID, err := subject(ctx, t, w.Subject)
		if err != nil {
			return err
		}
		if err := t.hold(ctx, rackID); err != nil {
			return err
		}
		w.Subject = on
		if err := t.waivable(ctx, w, on); err != nil {
			return err
		}
		kind := "waiver.asked"
		if w.Approver != "" {
			kind = "waiver.approved"
			err = t.approve(ctx, &w, rackID)
		} else {
			w.ID, w.At = inventory.WaiverID(newID()), inventory.FromMillis(t.now)
			w.Until = inventory.FromMillis(w.Until.UnixMilli())
			err = t.exec(ctx, "INSERT INTO waiver (id, subject, rack_id, body) VALUES ($1,$2,$3,$4)", string(w.ID), on.String(), string(rackID), encode(w))
		}
		if err != nil {
			return err
		}
		if _, err := t.event(ctx, rackID, kind, map[string]any{"waiver": w.ID, "gate": w.Gate, "finding": w.Finding, "subject": on.String(),
			"reason": w.Reason, "requester": w.Requester, "approver": w.Approver, "until": w.Until}); err != nil {
			return err
		}
		if err := t.wake(ctx, on); err != nil {
			return err
		}
		return t.wakeMembers(ctx, rackID)
	})
	return w.ID, err
}

func (t *tx) waivable(ctx context.Context, w inventory.Waiver, on inventory.Subject) error {
	if w.Gate == "" {
		_, err := one[inventory.Finding](ctx, t, fmt.Sprintf("finding %q", w.Finding), "SELECT body FROM finding WHERE id = $1", string(w.Finding))
		return err
	}
	spec, ok := lifecycle.Find(w.Gate, on.Scope == inventory.ScopeRack)
	if !ok {
		return fmt.Errorf("%s is no gate of a %s: %w", w.Gate, on.Scope, inventory.ErrInvalid)
	}
	if spec.Unwaivable {
		return fmt.Errorf("gate %s can never be waived, by nobody: let it pass, or leave the unit out: %w", w.Gate, inventory.ErrInvalid)
	}
	return nil
}

// approve sets the second person on the waiver as it was asked for; nothing
// else of it may differ. A draft that is frozen does not print it, and ends.
func (t *tx) approve(ctx context.Context, w *inventory.Waiver, rackID inventory.RackID) error {
	asked, err := one[inventory.Waiver](ctx, t, fmt.Sprintf("waiver %q", w.ID), "SELECT body FROM waiver WHERE id = $1", string(w.ID))
	if err != nil {
		return err
	}
	if asked.Requester == w.Approver {
		return fmt.Errorf("%s asked for this waiver and cannot approve it; a second person must: %w", w.Approver, inventory.ErrDenied)
	}
	if asked.Approver != "" {
		return fmt.Errorf("waiver %s is approved by %s already: %w", asked.ID, asked.Approver, inventory.ErrConflict)
	}
	asked.Approver = w.Approver
	*w = asked
	if err := t.exec(ctx, "UPDATE waiver SET body = $1 WHERE id = $2", encode(asked), string(asked.ID)); err != nil {
		return err
	}
	r, err := rack(ctx, t, rackID)
	if err != nil {
		return err
	}
	return t.retake(ctx, r, fmt.Sprintf("waiver %s of %s was approved, which the draft does not print", w.ID, cmp.Or(string(w.Gate), string(w.Finding))))
}
