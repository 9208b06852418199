package redfish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
)

// patch changes properties under the ETag ladder of redfish.md §2.5: a fresh
// read right before, then one rung after the other while the BMC answers 412 or
// 428, which both mean that nothing was applied. Where no tag was accepted and
// the change went without one, the properties are compared by a new read.
func (b *BMC) patch(ctx context.Context, c call, uri string, body map[string]any) error {
	if err := b.open(); err != nil {
		return err
	}
	if b.guard == nil {
		return b.broker.refuse(c.op, ErrReadOnly, "dial with a guard to write")
	}
	c.guard = b.guard
	r, err := b.broker.get(ctx, call{op: c.op, account: c.account}, uri)
	if err != nil {
		return err
	}
	var own struct {
		ETag string `json:"@odata.etag"`
	}
	if json.Unmarshal(r.body, &own) != nil {
		own.ETag = "" // a resource without a readable tag of its own
	}
	for i, step := range ladder(r.header, own.ETag, b.broker.facts().Rung) {
		if _, err = b.broker.patchOnce(ctx, c, uri, body, step.tag); unmatched(err) {
			continue
		}
		if err != nil {
			return err
		}
		b.broker.learnRung(ctx, step.name)
		if step.name == rungNone && i > 0 {
			return b.compare(ctx, c, uri, body)
		}
		return nil
	}
	return err
}

// unmatched: 412 Precondition Failed or 428 Precondition Required.
func unmatched(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Status == http.StatusPreconditionFailed || e.Status == http.StatusPreconditionRequired)
}

func (b *broker) patchOnce(ctx context.Context, c call, uri string, body map[string]any, tag string) (*reply, error) {
	return b.doWith(ctx, c, http.MethodPatch, uri, body, func(h http.Header) {
		if tag != "" {
			h["If-Match"] = []string{tag}
		}
	})
}

// learnRung keeps the rung that worked, and says so once.
func (b *broker) learnRung(ctx context.Context, name string) {
	if b.facts().Rung == name {
		return
	}
	b.log.Info("ETag rung learned", "rung", name)
	if err := b.change(ctx, func(s *state) { s.Facts.Rung = name }); err != nil {
		b.log.Warn("learned facts not stored", "err", err)
	}
}

// compare reads the resource anew and checks that the wanted values are there.
// A value that reads as null or not at all is secret and proves nothing.
func (b *BMC) compare(ctx context.Context, c call, uri string, body map[string]any) error {
	r, err := b.broker.get(ctx, call{op: c.op, account: c.account}, uri)
	if err != nil {
		return &Error{Op: c.op, Endpoint: b.broker.name, Err: fmt.Errorf("%w: read back: %w", ErrOutcomeUnknown, err), Hint: hintReadBack}
	}
	var got any
	if err := json.Unmarshal(r.body, &got); err != nil {
		return &Error{Op: c.op, Endpoint: b.broker.name, Err: fmt.Errorf("%w: read back: %w", ErrOutcomeUnknown, err), Hint: hintReadBack}
	}
	text, err := json.Marshal(body)
	if err != nil {
		return b.broker.refuse(c.op, err, "")
	}
	var want any
	if err := json.Unmarshal(text, &want); err != nil {
		return b.broker.refuse(c.op, err, "")
	}
	if at := differs(want, got, ""); at != "" {
		return &Error{Op: c.op, Endpoint: b.broker.name, Err: fmt.Errorf("the BMC took the change without keeping it: %s", at),
			Hint: "set it by hand, or correct the profile of this model"}
	}
	return nil
}

// differs gives the first path where got does not hold what want asks for.
func differs(want, got any, at string) string {
	w, ok := want.(map[string]any)
	if !ok {
		if got == nil || reflect.DeepEqual(want, got) {
			return ""
		}
		return fmt.Sprintf("%s is %v, not %v", at, got, want)
	}
	g, ok := got.(map[string]any)
	if !ok {
		return at + " is missing"
	}
	for k, v := range w {
		if d := differs(v, g[k], at+"/"+k); d != "" {
			return d
		}
	}
	return ""
}
