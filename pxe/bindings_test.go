package pxe

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/rackwright/rackwright/inventory"
)

// countingBindings counts reads of the table.
type countingBindings struct {
	inventory.Bindings
	rows  []inventory.Binding
	reads int
	err   error
}

func (c *countingBindings) Bound(context.Context, netip.Prefix) ([]inventory.Binding, error) {
	c.reads++
	return c.rows, c.err
}

// TestBindingsMemory: a storm reads once a second, own commits show at once.
func TestBindingsMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := &countingBindings{rows: []inventory.Binding{{Hint: inventory.Hint{MAC: macOf(1)}, Addr: loopScope.First, Subnet: loopScope.Subnet}}}
		var c bindings
		c.put(inventory.Binding{Subnet: loopScope.Subnet}) // nothing is held: the record has it
		size := func() int {
			rows, err := c.get(t.Context(), from, loopScope.Subnet)
			if err != nil {
				t.Fatal(err)
			}
			return len(rows)
		}
		for range 100 {
			if size() != 1 {
				t.Fatal("rows differ")
			}
		}
		c.put(inventory.Binding{Hint: inventory.Hint{MAC: macOf(2)}, Addr: loopScope.Last, Subnet: loopScope.Subnet})
		c.put(inventory.Binding{Hint: inventory.Hint{MAC: macOf(1)}, Addr: loopScope.First.Next(), Subnet: loopScope.Subnet}) // moved
		if n := size(); n != 2 || from.reads != 1 {
			t.Errorf("%d rows after %d reads, want 2 after 1", n, from.reads)
		}
		time.Sleep(bindingsFor)
		if n := size(); n != 1 || from.reads != 2 {
			t.Errorf("%d rows after %d reads: older than a second", n, from.reads)
		}
		c.forget(loopScope.Subnet)
		from.err = errors.New("gone")
		if _, err := c.get(t.Context(), from, loopScope.Subnet); !errors.Is(err, from.err) {
			t.Errorf("error %v", err)
		}
	})
}

// TestRequestProvesNothing: a stranger that names a machine's MAC in a REQUEST
// for its own address does not get to use that machine's token.
func TestRequestProvesNothing(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	s.expect(1)
	base, _ := booted(t, s, 1)
	stranger := netip.MustParseAddr("127.9.0.66") // not of the pool
	got := asks(t, s, macOf(1), dhcpv4.MessageTypeRequest, selecting(stranger, loopServer))
	if got == nil || got.MessageType() != dhcpv4.MessageTypeNak {
		t.Errorf("answer %v, want a NAK", got)
	}
	if res, _ := fetchFrom(t, stranger, "GET", base+"/f/"+s.digest.Hex()+"/kernel"); res.StatusCode != http.StatusForbidden {
		t.Errorf("%s, want 403", res.Status)
	}
}

// TestSightingsAreLimited: a flood of invented machines does not write without end.
func TestSightingsAreLimited(t *testing.T) {
	t.Parallel()
	s := newSeen()
	due := 0
	for i := range 1000 {
		if s.sight(string(rune('a'+i%26))+macText(i), testNow) {
			due++
		}
	}
	if due > 200 || due < 100 {
		t.Errorf("%d of 1000 at once are written, want at most 200", due)
	}
}

func macText(i int) string { return string(macOf(i%256)) + string(rune('0'+i/256)) }
