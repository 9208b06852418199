package redfish

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// Root is what a service says of itself before anybody logs in, and the
// certificate it showed. UUID, Vendor and Product may be missing (redfish.md §5.1).
type Root struct {
	Addr      netip.AddrPort
	Version   string // RedfishVersion, "1.15.0"
	UUID      string
	Vendor    string
	Product   string
	OEM       []string // keys of Oem, sorted
	Sessions  string   // Links.Sessions
	Expand    int      // levels of $expand that are offered; 0: none
	Pin       inventory.Digest
	Subject   string // of the certificate
	Simulated bool   // Oem.Rackwright.Simulated: the peer says that it is a simulator
}

// Times of a probe: an address where nothing listens is given up fast, a BMC
// that has just started answers its first call late.
const (
	probeConnect = 800 * time.Millisecond
	probeAnswer  = 60 * time.Second
	maxRoot      = 1 << 20
)

// Probe asks one address who it is: one TCP connection, one unauthenticated GET
// of /redfish/v1/, nothing else. It never logs in and tries no password. A
// refused connection, a peer without TLS, or one that is no Redfish service is
// ErrUnreachable with the reason. The certificate is not judged here: its key
// is what the caller records and compares.
func Probe(ctx context.Context, at netip.AddrPort) (Root, error) {
	d := net.Dialer{Timeout: probeConnect}
	return probe(ctx, at, d.DialContext)
}

func probe(ctx context.Context, at netip.AddrPort, dial func(context.Context, string, string) (net.Conn, error)) (Root, error) {
	ctx, cancel := context.WithTimeout(ctx, probeAnswer)
	defer cancel()
	root := Root{Addr: at}
	t := &http.Transport{DialContext: dial, DisableKeepAlives: true, TLSHandshakeTimeout: 15 * time.Second, Proxy: nil,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
			VerifyConnection: func(cs tls.ConnectionState) error { return root.see(cs) }}}
	defer t.CloseIdleConnections()
	url := "https://" + at.String()
	fail := func(status int, err error, hint string) (Root, error) {
		return Root{}, &Error{Op: "probe", Endpoint: url, Status: status, Hint: hint, Err: fmt.Errorf("%w: %w", ErrUnreachable, err)}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+rootURI, nil)
	if err != nil {
		return fail(0, err, "")
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("OData-Version", "4.0")
	resp, err := t.RoundTrip(req)
	if err != nil {
		return fail(0, err, "")
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxRoot+1))
	switch {
	case err != nil:
		return fail(resp.StatusCode, err, "")
	case resp.StatusCode != http.StatusOK:
		return fail(resp.StatusCode, errors.New("the service root answers "+resp.Status), "is this a BMC, and is Redfish switched on?")
	case len(body) > maxRoot:
		return fail(resp.StatusCode, fmt.Errorf("the service root is larger than %d bytes", maxRoot), "")
	}
	if err := root.parse(body); err != nil {
		return fail(resp.StatusCode, err, "is this a BMC, and is Redfish switched on?")
	}
	return root, nil
}

// see records the key of the certificate that the peer proved to hold.
func (r *Root) see(cs tls.ConnectionState) error {
	if len(cs.PeerCertificates) == 0 {
		return errors.New("the peer shows no certificate")
	}
	r.Pin, r.Subject = pinOf(cs.PeerCertificates[0]), cs.PeerCertificates[0].Subject.String()
	return nil
}

// parse reads the root tolerantly; what makes it a Redfish root is its type, or
// a link to one of the services every BMC has.
func (r *Root) parse(body json.RawMessage) error {
	res, err := parseResource(body, rootURI)
	if err != nil {
		return fmt.Errorf("the service root: %w", err)
	}
	known := slices.ContainsFunc([]string{"Systems", "Chassis", "Managers", "SessionService"}, func(k string) bool { return res.fields[k] != nil })
	if res.kind != "ServiceRoot" && !known {
		return errors.New("the answer is no Redfish service root")
	}
	r.Version, r.UUID, r.Vendor, r.Product = res.at("RedfishVersion"), res.at("UUID"), res.at("Vendor"), res.at("Product")
	for _, s := range res.links("Links/Sessions") {
		r.Sessions = s
	}
	if res.at("ProtocolFeaturesSupported/ExpandQuery/Levels") == "true" {
		r.Expand = max(int(whole(res.at("ProtocolFeaturesSupported/ExpandQuery/MaxLevels"))), 1)
	}
	var oem map[string]json.RawMessage
	if json.Unmarshal(res.fields["Oem"], &oem) == nil {
		for k := range oem {
			r.OEM = append(r.OEM, k)
		}
		slices.Sort(r.OEM)
	}
	r.Simulated = res.at("Oem/Rackwright/Simulated") == "true"
	return nil
}
