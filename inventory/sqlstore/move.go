package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
)

func rackType(ctx context.Context, q querier, r inventory.Rack) (inventory.RackType, error) {
	var kind inventory.RackType
	raw, err := document(ctx, q, r.Type.Digest)
	if err == nil {
		err = json.Unmarshal(raw, &kind)
	}
	if err != nil {
		return kind, fmt.Errorf("rack type %s of %s: %w", r.Type.Name, r.Name, err)
	}
	return kind, nil
}

// lawFacts reads everything the law looks at, inside the transaction. The
// rack's evidence and its members' are both there.
func (t *tx) lawFacts(ctx context.Context, rackID inventory.RackID) (lifecycle.Facts, error) {
	f := lifecycle.Facts{Now: inventory.FromMillis(t.now)}
	var err error
	if f.Rack, err = rack(ctx, t, rackID); err != nil {
		return f, err
	}
	if f.Type, err = rackType(ctx, t, f.Rack); err != nil {
		return f, err
	}
	if f.Nodes, err = members(ctx, t, rackID); err != nil {
		return f, err
	}
	if f.Evidence, err = list[inventory.Evidence](ctx, t, "evidence", `SELECT body FROM evidence WHERE subject = $1
		OR subject IN (SELECT 'node:' || id FROM node WHERE rack_id = $2) ORDER BY at_ms, id`, inventory.RackSubject(rackID).String(), string(rackID)); err != nil {
		return f, err
	}
	if f.Findings, err = list[inventory.Finding](ctx, t, "findings", "SELECT body FROM finding WHERE rack_id = $1 ORDER BY id", string(rackID)); err != nil {
		return f, err
	}
	f.Waivers, err = list[inventory.Waiver](ctx, t, "waivers", "SELECT body FROM waiver WHERE rack_id = $1 ORDER BY id", string(rackID))
	return f, err
}

// moveNode is the one place that moves a node's milestone forward. The law is
// asked inside the transaction; a shut gate is a *BlockedError.
func (t *tx) moveNode(ctx context.Context, id inventory.NodeID, e inventory.Event) (bool, error) {
	n, err := node(ctx, t, id)
	if err != nil {
		return false, err
	}
	to, err := lifecycle.Next(n, e.Kind)
	if err != nil {
		return false, err
	}
	f, err := t.lawFacts(ctx, n.Rack)
	if err != nil {
		return false, err
	}
	f.Node = n
	switch {
	case e.Kind == inventory.EventReturn:
		to = lifecycle.HighestValid(f, to)
	case lifecycle.Rank(to) > lifecycle.Rank(n.Milestone) && lifecycle.Rank(n.Milestone) >= 0:
		if shut := lifecycle.Gate(to, f); len(shut) > 0 {
			return false, &inventory.BlockedError{Blockers: shut}
		}
	}
	return to != n.Milestone, t.setMilestone(ctx, &n, to, e)
}

// setMilestone writes a node's new milestone, voids what it no longer carries
// and tells the rack.
func (t *tx) setMilestone(ctx context.Context, n *inventory.Node, to inventory.Milestone, e inventory.Event) error {
	was := n.Milestone
	if was == to {
		_, err := t.event(ctx, n.Rack, "node."+string(e.Kind), map[string]any{"node": n.Address, "reason": e.Reason, "milestone": to})
		return err
	}
	n.Milestone, n.Since = to, inventory.FromMillis(t.now)
	if err := t.saveNode(ctx, n); err != nil {
		return err
	}
	if lifecycle.Rank(to) >= 0 && (lifecycle.Rank(was) > lifecycle.Rank(to) || lifecycle.Rank(was) < 0) {
		if err := t.void(ctx, inventory.NodeSubject(n.ID), lifecycle.Voids(to), fmt.Sprintf("%s: %s", e.Kind, e.Reason)); err != nil {
			return err
		}
	}
	if _, err := t.event(ctx, n.Rack, "node."+string(e.Kind), map[string]any{"node": n.Address, "from": was, "to": to, "reason": e.Reason,
		"by": e.By, "evidence": e.Evidence}); err != nil {
		return err
	}
	if err := t.wake(ctx, inventory.NodeSubject(n.ID)); err != nil {
		return err
	}
	if lifecycle.Rank(to) < lifecycle.Rank(was) {
		if err := t.reopen(ctx, *n, fmt.Sprintf("%s: %s", e.Kind, e.Reason)); err != nil {
			return err
		}
	}
	return t.wake(ctx, inventory.RackSubject(n.Rack))
}

// invalidate lets a node fall back to what an event leaves valid.
func (t *tx) invalidate(ctx context.Context, id inventory.NodeID, kind inventory.EventKind, why string) error {
	n, err := node(ctx, t, id)
	if err != nil {
		return err
	}
	to, err := lifecycle.Next(n, kind)
	if err != nil || to == n.Milestone {
		return nil // handed over, retired or below: nothing of ours falls
	}
	return t.setMilestone(ctx, &n, to, inventory.Event{Kind: kind, Reason: why})
}

// reopen takes back a certificate that is under way and covers a node which has
// fallen back or left the way: what it says of it is no longer so.
func (t *tx) reopen(ctx context.Context, n inventory.Node, why string) error {
	r, err := rack(ctx, t, n.Rack)
	if err != nil || slices.Contains(r.Excluded, n.ID) {
		return err
	}
	return t.retake(ctx, r, n.Address+": "+why)
}

// retake ends the validity of a draft that says what is not so, wherever its rack stands.
func (t *tx) retake(ctx context.Context, r inventory.Rack, why string) error {
	switch {
	case r.Milestone == inventory.RackInReview || r.Milestone == inventory.RackAccepted:
		return t.setRack(ctx, &r, inventory.RackPowerReady, inventory.Event{Kind: inventory.EventRackReopened, Reason: why})
	case lifecycle.RackRank(r.Milestone) >= 0 && lifecycle.RackRank(r.Milestone) <= lifecycle.RackRank(inventory.RackTested):
		return t.voidDraft(ctx, r, why)
	}
	return nil
}

// voidDraft ends the validity of a draft and of what people signed on it: it is
// about other members, or about what they were.
func (t *tx) voidDraft(ctx context.Context, r inventory.Rack, why string) error {
	return t.void(ctx, inventory.RackSubject(r.ID), []inventory.Gate{lifecycle.GateDraft, lifecycle.GateDeliverer, lifecycle.GateAcceptor, lifecycle.GatePackage}, why)
}

// fallBack is what a rack takes with it when it falls: the draft, and the
// acceptance of members that no certificate covers any more.
func (t *tx) fallBack(ctx context.Context, r inventory.Rack, why string) error {
	if err := t.voidDraft(ctx, r, why); err != nil {
		return err
	}
	nodes, err := members(ctx, t, r.ID)
	if err != nil {
		return err
	}
	for _, n := range nodes {
		if n.Milestone != inventory.NodeAccepted {
			continue
		}
		if err := t.setMilestone(ctx, &n, inventory.NodeRackTested, inventory.Event{Kind: inventory.EventMembersChanged, Reason: why}); err != nil {
			return err
		}
	}
	return nil
}

// moveRack moves a rack: by its members (computed), or by paper and people.
func (t *tx) moveRack(ctx context.Context, id inventory.RackID, e inventory.Event, excluded []inventory.NodeID) (bool, error) {
	r, err := rack(ctx, t, id)
	if err != nil {
		return false, err
	}
	to, err := lifecycle.NextRack(r, e.Kind)
	if err != nil {
		return false, err
	}
	f, err := t.lawFacts(ctx, id)
	if err != nil {
		return false, err
	}
	switch {
	case e.Kind == inventory.EventRackComputed:
		to = lifecycle.RackTarget(f)
		out := lifecycle.Excluded(f.Type, f.Nodes, to)
		if !slices.Equal(out, r.Excluded) { // frozen a moment ago, perhaps, without the one that has just passed
			if err := t.voidDraft(ctx, r, "other members are covered now: "+e.Reason); err != nil {
				return false, err
			}
		}
		r.Excluded = out
	case lifecycle.RackRank(to) > lifecycle.RackRank(r.Milestone) && lifecycle.RackRank(r.Milestone) >= 0:
		if shut := lifecycle.GateRack(to, f); len(shut) > 0 {
			return false, &inventory.BlockedError{Blockers: shut}
		}
	}
	return to != r.Milestone, t.setRack(ctx, &r, to, e)
}

// setRack writes a rack's milestone; falling back voids what people signed for
// a later one.
func (t *tx) setRack(ctx context.Context, r *inventory.Rack, to inventory.RackMilestone, e inventory.Event) error {
	was := r.Milestone
	if was == to && e.Kind == inventory.EventRackComputed {
		return t.saveRack(ctx, r) // the excluded members may be others
	}
	r.Milestone, r.Since = to, inventory.FromMillis(t.now)
	if err := t.saveRack(ctx, r); err != nil {
		return err
	}
	if lifecycle.RackRank(to) < lifecycle.RackRank(was) || lifecycle.RackRank(was) < 0 { // rework and its end, too
		if err := t.fallBack(ctx, *r, fmt.Sprintf("%s: %s", e.Kind, e.Reason)); err != nil {
			return err
		}
	}
	kind := string(e.Kind)
	if _, err := t.event(ctx, r.ID, kind, map[string]any{"rack": r.Name, "from": was, "to": to, "reason": e.Reason, "by": e.By, "excluded": r.Excluded}); err != nil {
		return err
	}
	if err := t.wakeMembers(ctx, r.ID); err != nil {
		return err
	}
	return t.wake(ctx, inventory.RackSubject(r.ID))
}
