package conductor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"

	"github.com/rackwright/rackwright/firmware"
	"github.com/rackwright/rackwright/firmware/oob"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/redfish"
)

// Sealer closes and opens secrets with the site's key.
type Sealer interface {
	Seal(inventory.Secret) ([]byte, error)
	Unseal([]byte) (inventory.Secret, error)
}

// Access reaches the BMCs of a site: it knows where a node's BMC answers, whose
// unit it is, and which sealed secret opens it.
type Access struct {
	Dialer *redfish.Dialer
	Store  interface {
		Store
		inventory.Vault
	}
	Sealer Sealer
	// Networks are where BMCs may be; empty: anywhere. A manifest or a DHCP answer
	// must not send a site's passwords to another network.
	Networks []netip.Prefix

	ask func(context.Context, netip.AddrPort) (redfish.Root, error) // tests; nil: redfish.Probe
}

// sealed is the plaintext of a vault entry. Phase made: the secret may not be
// on the BMC yet; active: a second login proved it. Old names the entry that
// opened the BMC before.
type sealed struct {
	User     string `json:"user"`
	Password string `json:"password"`
	Phase    string `json:"phase,omitempty"`
	Old      string `json:"old,omitempty"`
}

// Phases of a sealed secret.
const (
	phaseMade   = "made"
	phaseActive = "active"
)

// Credential implements redfish.CredentialSource.
func (a *Access) Credential(ctx context.Context, name string) (string, inventory.Secret, error) {
	c, _, err := a.open(ctx, name)
	return c.User, inventory.NewSecret(c.Password), err
}

func (a *Access) open(ctx context.Context, name string) (sealed, int64, error) {
	var c sealed
	raw, version, err := a.Store.Sealed(ctx, name)
	if err != nil {
		return c, 0, fmt.Errorf("credential %s: %w", name, err)
	}
	plain, err := a.Sealer.Unseal(raw)
	if err != nil {
		return c, 0, fmt.Errorf("credential %s: %w", name, err)
	}
	if err := json.Unmarshal([]byte(plain.Reveal()), &c); err != nil {
		return c, 0, fmt.Errorf("credential %s is not readable: %w", name, inventory.ErrInvalid) // never the text itself
	}
	return c, version, nil
}

func (a *Access) seal(ctx context.Context, name string, c sealed, version int64) error {
	raw, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("seal %s: %w", name, err)
	}
	closed, err := a.Sealer.Seal(inventory.NewSecret(string(raw)))
	if err != nil {
		return fmt.Errorf("seal %s: %w", name, err)
	}
	return a.Store.Seal(ctx, name, closed, version)
}

// ErrNoAddress: nobody knows where the BMC answers.
var ErrNoAddress = errors.New("no BMC address is known")

// find says where a node's BMC answers and how it is opened: it asks the
// service root without a login, and the answer says whose unit it is. ordered:
// the UUID that it shows to everybody is that unit's. Nothing is bound yet.
func (a *Access) find(ctx context.Context, t Turn) (e inventory.Endpoint, ordered bool, err error) {
	e = t.Node.BMC
	if e.URL == "" {
		if e.URL, err = a.sighted(ctx, e.MAC); err != nil {
			return e, false, err
		}
	}
	root, err := a.probe(ctx, e.URL)
	if errors.Is(err, redfish.ErrUnreachable) {
		e, root, err = a.follow(ctx, e, err)
	}
	if err != nil {
		return e, false, err
	}
	home := whose(t.Node, t.Members, unit{uuid: root.UUID, pin: root.Pin})
	e.Profile, e.Credential, e.Simulated = home.BMC.Profile, home.BMC.Credential, e.Simulated || root.Simulated
	if home.ID != t.Node.ID || e.Pin == "" { // another unit sits here, or the first contact
		if e.Pin != root.Pin {
			e.Detectors = 0
		}
		e.Pin = root.Pin
	}
	name := credentialOf(root.Pin)
	switch c, _, err := a.open(ctx, name); {
	case err == nil && c.Phase == phaseMade && c.Old != "":
		e.Credential = c.Old // sealed, then the server died: no byte of the change has left
	case err == nil:
		e.Credential = name // the unit was secured before, wherever it sat
	case !errors.Is(err, inventory.ErrNotFound):
		return e, false, err
	}
	return e, sameUUID(home.UUID, root.UUID), nil
}

func (a *Access) probe(ctx context.Context, url string) (redfish.Root, error) {
	at, err := a.address(ctx, url)
	if err != nil {
		return redfish.Root{}, err
	}
	if a.ask != nil {
		return a.ask(ctx, at)
	}
	return redfish.Probe(ctx, at)
}

// follow goes after a BMC that DHCP has given another address since: only one
// that proves the key that is bound. Otherwise what was tried first stands.
func (a *Access) follow(ctx context.Context, e inventory.Endpoint, cause error) (inventory.Endpoint, redfish.Root, error) {
	if e.Pin == "" {
		return e, redfish.Root{}, cause
	}
	url, err := a.sighted(ctx, e.MAC)
	if errors.Is(err, ErrNoAddress) || url == e.URL {
		return e, redfish.Root{}, cause
	}
	if err != nil {
		return e, redfish.Root{}, err
	}
	root, err := a.probe(ctx, url)
	if err != nil || root.Pin != e.Pin {
		return e, redfish.Root{}, cause
	}
	e.URL = url
	return e, root, nil
}

// credentialOf names the secret of a unit by the key it proves to hold, so that
// the secret moves with the unit.
func credentialOf(pin inventory.Digest) string { return "bmc/" + pin.Hex() }

// sighted is the address that DHCP gave to the BMC's MAC.
func (a *Access) sighted(ctx context.Context, mac inventory.MAC) (string, error) {
	if mac == "" {
		return "", fmt.Errorf("%w: give bmc url or mac in the manifest", ErrNoAddress)
	}
	list, err := a.Store.Sightings(ctx)
	if err != nil {
		return "", err
	}
	for _, s := range list {
		if addr, err := netip.ParseAddr(s.Addr); err == nil && s.MAC == mac {
			return "https://" + netip.AddrPortFrom(addr, 443).String(), nil
		}
	}
	return "", fmt.Errorf("%w: %s has not been seen by DHCP yet; check its cable, or give bmc url in the manifest", ErrNoAddress, mac)
}

// address resolves the host of a BMC's URL, if it is in a network of BMCs.
func (a *Access) address(ctx context.Context, text string) (netip.AddrPort, error) {
	at, err := resolve(ctx, text)
	in := func(p netip.Prefix) bool { return p.Contains(at.Addr()) }
	if err == nil && len(a.Networks) > 0 && !slices.ContainsFunc(a.Networks, in) {
		return at, fmt.Errorf("%w: %s is in none of redfish.networks %v", ErrNoAddress, at.Addr(), a.Networks)
	}
	return at, err
}

func resolve(ctx context.Context, text string) (netip.AddrPort, error) {
	u, err := url.Parse(text)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("BMC address %q: %w: %w", text, inventory.ErrInvalid, err)
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	n, err := net.DefaultResolver.LookupPort(ctx, "tcp", port)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("BMC address %q: %w: %w", text, inventory.ErrInvalid, err)
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
	if err != nil || len(ips) == 0 {
		return netip.AddrPort{}, fmt.Errorf("BMC address %q does not resolve: %w: %w", text, redfish.ErrUnreachable, err)
	}
	return netip.AddrPortFrom(ips[0].Unmap(), uint16(n)), nil
}

// dial opens the bound BMC of a node. guard nil: read-only.
func (a *Access) dial(ctx context.Context, e inventory.Endpoint, guard redfish.Guard) (*redfish.BMC, error) {
	if e.URL == "" {
		return nil, ErrNoAddress
	}
	if len(a.Networks) > 0 {
		if _, err := a.address(ctx, e.URL); err != nil {
			return nil, err
		}
	}
	if e.Pin == "" { // never bound, or a person has confirmed a new key: what it shows now counts, as at a sweep
		root, err := a.probe(ctx, e.URL)
		if err != nil {
			return nil, err
		}
		e.Pin = root.Pin
	}
	return a.Dialer.Dial(ctx, e, guard)
}

// Updater implements Updaters: the device of a node for one turn. A lease that
// is too short for a write is "busy": nothing was sent, and it comes back. So is a
// hold that was set meanwhile: an activation resets a host, or switches it on.
func (a *Access) Updater(ctx context.Context, t Turn) (firmware.Updater, func(), error) {
	bmc, err := a.dial(ctx, t.Node.BMC, func(ctx context.Context) error {
		if err := t.Guard(switchingOn(ctx)); err != nil {
			return fmt.Errorf("%w: %w", firmware.ErrBusy, err)
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return oob.Updater{BMC: bmc}, func() { _ = bmc.Close() }, nil // Close gives the handle back and cannot fail
}

// trouble turns what a BMC answered into a blocker and a time to come back; an
// error that is nobody's to act on comes back as it is.
func trouble(t Turn, gate inventory.Gate, err error) (*inventory.Blocker, error) {
	b := func(owner inventory.Owner, fix string, args ...string) (*inventory.Blocker, error) {
		x := blocker(t, gate, owner, fix, args...)
		return &x, nil
	}
	switch {
	case errors.Is(err, ErrNoAddress):
		return b(inventory.OwnerTechnician, "conductor.no_address", t.Node.Address, err.Error())
	case errors.Is(err, redfish.ErrPin):
		return b(inventory.OwnerTechnician, "conductor.pin", t.Node.Address, err.Error())
	case errors.Is(err, redfish.ErrAuth), errors.Is(err, redfish.ErrLocked):
		return b(inventory.OwnerTechnician, "conductor.login", t.Node.Address, err.Error())
	case errors.Is(err, redfish.ErrUnreachable):
		return b(inventory.OwnerTechnician, "conductor.unreachable", t.Node.Address, err.Error())
	case errors.Is(err, redfish.ErrEmpty):
		return b(inventory.OwnerTechnician, "conductor.empty", t.Node.Address, err.Error())
	case errors.Is(err, redfish.ErrUnsupported):
		return b(inventory.OwnerVendor, "conductor.unsupported", t.Node.Address, err.Error())
	case errors.Is(err, inventory.ErrNotFound):
		return b(inventory.OwnerTechnician, "conductor.login", t.Node.Address, err.Error())
	}
	return nil, err
}
