package killtest_test

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"aead.dev/minisign"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/auth"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/client"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/server"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/virtualrack"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
	"github.com/rackwright/rackwright/redfish/bmcsim"
)

// prepare makes a record that stands where people have done their part: the
// rack is powered, both nodes are installed, nobody has asked for the bring-up
// and no BMC was asked anything. Every point starts from a copy of it.
func prepare(t *testing.T, n int, dsn string) *lane {
	t.Helper()
	l := addresses(t, n)
	l.data, l.dsn = t.TempDir(), dsn
	public, private, err := minisign.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := public.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	l.tokens["key"] = string(key)
	r := l.rack(t, t.TempDir(), bmcsim.Options{})
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	programs(t, filepath.Join(l.data, "programs"))
	srv, err := server.New(t.Context(), server.Options{Config: l.settings(l.data, dsn, string(key)), Version: "kill-test", Simulated: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx) }()
	l.people(t, srv, r, private)
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for _, b := range r.Fleet().BMCs() {
		if c := b.Counters(); c.Requests > 0 {
			t.Fatalf("BMC was asked %d times before the bring-up", c.Requests)
		}
	}
	return l
}

func programs(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"snponly.efi", "undionly.kpxe", "ipxe.efi"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("MZ SIMULATED boot program "+name+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// people hires, stocks and signs until the rack is powered and full.
func (l *lane) people(t *testing.T, srv *server.Server, r *virtualrack.Rack, key minisign.PrivateKey) {
	t.Helper()
	hire := func(id string, role inventory.Role) *client.Client {
		ctx := inventory.WithCause(t.Context(), inventory.Cause{By: "admin", Via: "cli"})
		p := inventory.Person{ID: inventory.PersonID(id), Name: id, Grants: []inventory.Grant{{Role: role}}}
		secret, token, err := auth.NewToken(p, p.Grants, time.Now().Add(time.Hour), "kill-test", time.Now())
		if err := errors.Join(err, srv.Store().SavePerson(ctx, p), srv.Store().SaveToken(ctx, token)); err != nil {
			t.Fatal(err)
		}
		l.tokens[id] = secret.Reveal()
		c, err := client.New(client.Login{Server: "https://" + srv.Address(), Pin: srv.Pin(), Token: secret})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	tess, fay, adam := hire("tess", inventory.RoleTechnician), hire("fay", inventory.RoleFacilities), hire("adam", inventory.RoleAdmin)
	l.stock(t, adam, key)
	if _, err := tess.Import(t.Context(), manifest(t, r), false); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(60 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		d, err := tess.Rack(t.Context(), rackName)
		if err != nil {
			t.Fatal(err)
		}
		installed := 0
		for _, s := range d.Slots {
			switch {
			case s.Node.Milestone == inventory.NodeInstalled:
				installed++
			case s.Node.Milestone == inventory.NodeExpected && lifecycle.RackRank(d.Milestone) >= lifecycle.RackRank(inventory.RackArrived):
				_, err = tess.Scan(t.Context(), api.ScanRequest{Rack: rackName, Code: s.Node.Serial, Node: s.Slot.Path, Disposition: "received"})
			case s.Node.Milestone == inventory.NodeReceived:
				_, err = tess.Signoff(t.Context(), api.SignoffRequest{On: string(s.Node.ID), Note: "kill-test"}, false)
			}
			fatal(t, err)
		}
		if d.Milestone == inventory.RackPowerReady && installed == len(d.Slots) {
			return
		}
		for _, g := range d.Gates {
			if g.Open() || g.Producer != inventory.ByChecklist || g.Gate == "power.sequence" {
				continue
			}
			who := tess
			if g.Gate == lifecycle.GateFacility {
				who = fay
			}
			_, err := who.Signoff(t.Context(), api.SignoffRequest{On: rackName, Gates: []inventory.Gate{g.Gate}, Note: "kill-test"}, false)
			fatal(t, err)
		}
		if time.Now().After(end) {
			t.Fatalf("the rack stands at %s with %d nodes installed", d.Milestone, installed)
		}
	}
}

// fatal lets pass what only says that the rack has moved on meanwhile.
func fatal(t *testing.T, err error) {
	t.Helper()
	var p *api.Problem
	if err != nil && !(errors.As(err, &p) && p.Code == "invalid") {
		t.Fatal(err)
	}
}

// stock brings in image, firmware package and signed baseline.
func (l *lane) stock(t *testing.T, adam *client.Client, key minisign.PrivateKey) {
	t.Helper()
	put := func(name string, raw []byte) inventory.Digest {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := adam.PutBlob(t.Context(), file, nil)
		if err != nil {
			t.Fatal(err)
		}
		return got.Digest
	}
	files := map[string]inventory.Digest{"kernel": put("kernel", []byte("SIMULATED kernel\n")), "initrd": put("initrd", []byte("SIMULATED initrd\n"))}
	if _, err := adam.PublishImage(t.Context(), api.Image{Name: "burnin", Version: "kill", Arch: "amd64", Files: files, Simulated: true}); err != nil {
		t.Fatal(err)
	}
	text := baseline(string(put("package", payload())))
	if _, err := adam.ImportBaseline(t.Context(), text, minisign.Sign(key, text)); err != nil {
		t.Fatal(err)
	}
}

// network is where the machines of the rack find their server.
func (l *lane) network(t *testing.T) virtualrack.Network {
	t.Helper()
	at, err := netip.ParseAddr(l.host)
	if err != nil {
		t.Fatal(err)
	}
	relay, err := netip.ParseAddr(l.subnet("2"))
	if err != nil {
		t.Fatal(err)
	}
	return virtualrack.Network{DHCP: netip.AddrPortFrom(at, uint16(l.ports[2])), Relay: relay, TFTP: uint16(l.ports[3])}
}
