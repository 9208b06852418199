package pxe

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// bindings is the memory of the record's bindings, at most a second old
// (netboot.md §7.1): a storm of machines must not read the table for every
// packet. It only chooses; what is given is decided by Confirm in the record.
type bindings struct {
	mu sync.Mutex
	by map[netip.Prefix]*boundRows
}

type boundRows struct {
	rows  []inventory.Binding
	until time.Time
}

const bindingsFor = time.Second

// get returns the bindings of a subnet; the caller must not change them.
func (c *bindings) get(ctx context.Context, from inventory.Bindings, subnet netip.Prefix) ([]inventory.Binding, error) {
	c.mu.Lock()
	defer c.mu.Unlock() // held while reading: a storm reads once
	now := time.Now()
	if have := c.by[subnet]; have != nil && now.Before(have.until) {
		return have.rows, nil
	}
	rows, err := from.Bound(ctx, subnet)
	if err != nil {
		return nil, fmt.Errorf("bindings of %s: %w", subnet, err)
	}
	if c.by == nil {
		c.by = map[netip.Prefix]*boundRows{}
	}
	c.by[subnet] = &boundRows{rows: rows, until: now.Add(bindingsFor)}
	return rows, nil
}

// put enters a binding that was committed by this server.
func (c *bindings) put(b inventory.Binding) {
	c.mu.Lock()
	defer c.mu.Unlock()
	have := c.by[b.Subnet]
	if have == nil {
		return
	}
	rows := slices.DeleteFunc(slices.Clone(have.rows), func(o inventory.Binding) bool { return o.MAC == b.MAC || o.Addr == b.Addr })
	have.rows = append(rows, b)
}

// forget makes the next get read the record.
func (c *bindings) forget(subnet netip.Prefix) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.by, subnet)
}
