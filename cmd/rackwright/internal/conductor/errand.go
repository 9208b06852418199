package conductor

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
)

// Locate blinks a node's locator LED when somebody asks. It is repeatable and
// changes nothing that a certificate speaks of.
type Locate struct {
	Store  Store
	Access *Access
}

// Kind implements Maker.
func (*Locate) Kind() inventory.OpKind { return inventory.OpLocate }

// Make implements Maker.
func (m *Locate) Make(ctx context.Context, t Turn, _ lifecycle.Facts) (Result, bool, error) {
	req, ok := own(t, inventory.OpLocate)
	if !ok {
		return Result{}, true, nil
	}
	on := struct {
		On *bool `json:"on"`
	}{}
	if len(req.Args) > 0 {
		if err := json.Unmarshal(req.Args, &on); err != nil {
			return m.done(ctx, t, fmt.Errorf("arguments: %w: %w", inventory.ErrInvalid, err))
		}
	}
	bmc, err := m.Access.dial(ctx, t.Node.BMC, t.Guard)
	if err == nil {
		defer bmc.Close()
		err = bmc.SetLocator(ctx, on.On == nil || *on.On)
	}
	return m.done(ctx, t, err)
}

func (m *Locate) done(ctx context.Context, t Turn, err error) (Result, bool, error) {
	line := inventory.RequestLine{Result: lineOK}
	if err != nil {
		line = inventory.RequestLine{Result: lineFailed, Detail: err.Error()}
	}
	return Result{}, true, Answered(ctx, m.Store, t, inventory.OpLocate, line)
}

// own is the oldest open request for exactly this operation.
func own(t Turn, op inventory.OpKind) (inventory.Request, bool) {
	for _, req := range t.Asked {
		if req.Op == op {
			return req, true
		}
	}
	return inventory.Request{}, false
}
