package redfish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

const memoryTimeout = 5 * time.Second

// state is what the Memory keeps of one BMC.
type state struct {
	Session string           `json:"session,omitempty"` // URI, never the token
	Created string           `json:"created,omitempty"` // CreatedTime of that session
	Pin     inventory.Digest `json:"pin,omitempty"`     // recorded at first contact
	Lock    lockout          `json:"lock,omitzero"`
	Facts   facts            `json:"facts,omitzero"`
}

// facts are learned about one BMC at one firmware level.
type facts struct {
	Service     string `json:"service,omitempty"` // version, product and UUID of the root they belong to
	SessionsURI string `json:"sessionsUri,omitempty"`
	Basic       bool   `json:"basic,omitempty"`     // no SessionService: Basic on each request
	BasicPost   bool   `json:"basicPost,omitempty"` // POST of a session wants Basic
	Rung        string `json:"rung,omitempty"`      // ETag rung that worked
	Idle        int    `json:"idle,omitempty"`      // SessionTimeout, seconds
	Lockout     int    `json:"lockout,omitempty"`   // AccountLockoutDuration, seconds
	MinPassword int    `json:"minPassword,omitempty"`
	MaxPassword int    `json:"maxPassword,omitempty"`
}

// load reads the memory once per process.
func (b *broker) load(ctx context.Context) error {
	b.mu.Lock()
	done := b.loaded || b.memory == nil
	b.mu.Unlock()
	if done {
		return nil
	}
	raw, err := b.memory.Load(ctx, b.name)
	if err != nil && !errors.Is(err, inventory.ErrNotFound) {
		return fmt.Errorf("memory of %s: %w", b.name, err)
	}
	var s state
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &s); err != nil {
			return fmt.Errorf("memory of %s is not readable: %w", b.name, err)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.loaded {
		b.state, b.loaded = s, true
		b.trust.remember(s.Pin)
	}
	return nil
}

// save outlives the caller: a lost lock-out state costs an account.
func (b *broker) save(ctx context.Context) error {
	if b.memory == nil {
		return nil
	}
	b.mu.Lock()
	raw, err := json.Marshal(b.state)
	b.mu.Unlock()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), memoryTimeout)
	defer cancel()
	if err := b.memory.Save(ctx, b.name, raw); err != nil {
		return fmt.Errorf("memory of %s: %w", b.name, err)
	}
	return nil
}

// change edits the state and saves it.
func (b *broker) change(ctx context.Context, edit func(*state)) error {
	b.mu.Lock()
	edit(&b.state)
	b.mu.Unlock()
	return b.save(ctx)
}

func (b *broker) facts() facts {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state.Facts
}

// recordPin stores a first-use pin; a pin that cannot be stored is not used.
func (b *broker) recordPin(pin inventory.Digest) error {
	b.log.Info("certificate pinned at first contact", "pin", string(pin))
	return b.change(context.Background(), func(s *state) { s.Pin = pin })
}
