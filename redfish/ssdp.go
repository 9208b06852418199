package redfish

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// SSDP of DSP0266 §15: a search for this target, three times in three seconds.
const (
	ssdpTarget = "urn:dmtf-org:service:redfish-rest:1"
	ssdpTries  = 3
	ssdpEvery  = time.Second
	ssdpLinger = 2 * time.Second
)

// ssdpGroups are the multicast groups of UPnP; link-local for IPv6.
var ssdpGroups = []netip.AddrPort{netip.MustParseAddrPort("239.255.255.250:1900"), netip.MustParseAddrPort("[ff02::c]:1900")}

// Announced is one answer to a search: where a service says its root is. It is
// a hint and proves nothing; ask it with [Probe].
type Announced struct {
	From netip.AddrPort
	Root *url.URL // the AL header: the service root
	UUID string   // of the USN header
}

// Search asks the network of one interface for Redfish services and returns
// what answered in the time of three tries, each service once. Services that
// switched SSDP off stay unseen. An interface that can send neither IPv4 nor
// IPv6 multicast is an error.
func Search(ctx context.Context, ifi *net.Interface) ([]Announced, error) {
	var out []Announced
	var failed error
	sent := false
	for _, group := range ssdpGroups {
		found, err := searchGroup(ctx, ifi, group)
		if err != nil {
			failed = err
			continue
		}
		sent = true
		out = append(out, found...)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if !sent {
		return nil, fmt.Errorf("ssdp search on %s: %w", ifi.Name, failed)
	}
	return distinctServices(out), nil
}

func searchGroup(ctx context.Context, ifi *net.Interface, group netip.AddrPort) ([]Announced, error) {
	network, zone := "udp4", ""
	if group.Addr().Is6() {
		network, zone = "udp6", ifi.Name
	}
	local, err := localAddr(ifi, group.Addr().Is6())
	if err != nil {
		return nil, err
	}
	conn, err := net.ListenUDP(network, local)
	if err != nil {
		return nil, err
	}
	return search(ctx, conn, &net.UDPAddr{IP: group.Addr().AsSlice(), Port: int(group.Port()), Zone: zone}, ssdpEvery, ssdpLinger)
}

// localAddr is the interface's own address: sent from it, multicast leaves by
// this interface and answers come back to it.
func localAddr(ifi *net.Interface, six bool) (*net.UDPAddr, error) {
	addrs, err := ifi.Addrs()
	if err != nil {
		return nil, err
	}
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok || (n.IP.To4() == nil) != six || six && !n.IP.IsLinkLocalUnicast() {
			continue
		}
		u := &net.UDPAddr{IP: n.IP}
		if six {
			u.Zone = ifi.Name
		}
		return u, nil
	}
	return nil, fmt.Errorf("%s has no address to search from", ifi.Name)
}

// search sends the question and collects answers until the last try has lingered.
func search(ctx context.Context, conn *net.UDPConn, to net.Addr, every, linger time.Duration) ([]Announced, error) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	ask := []byte("M-SEARCH * HTTP/1.1\r\nHOST: " + to.String() + "\r\nMAN: \"ssdp:discover\"\r\nMX: 2\r\nST: " + ssdpTarget + "\r\n\r\n")
	var out []Announced
	for try := range ssdpTries {
		if _, err := conn.WriteTo(ask, to); err != nil {
			return nil, err
		}
		wait := every
		if try == ssdpTries-1 {
			wait = linger
		}
		if err := conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
			return nil, err
		}
		found, err := answers(ctx, conn)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return distinctServices(out), nil
}

func answers(ctx context.Context, conn *net.UDPConn) ([]Announced, error) {
	var out []Announced
	buf := make([]byte, 2048)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case isTimeout(err):
			return out, nil
		case err != nil:
			return nil, err
		}
		if a, ok := parseAnswer(buf[:n]); ok {
			a.From = from
			out = append(out, a)
		}
	}
}

// parseAnswer reads one datagram; anything that is no 200 for our target with
// an absolute AL is somebody else's and left alone.
func parseAnswer(raw []byte) (Announced, bool) {
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(raw)), nil)
	if err != nil {
		return Announced{}, false
	}
	resp.Body.Close()
	st := resp.Header.Get("ST")
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(st, strings.TrimSuffix(ssdpTarget, ":1")) {
		return Announced{}, false
	}
	root, err := url.Parse(strings.TrimSpace(resp.Header.Get("AL")))
	if err != nil || root.Host == "" || root.Scheme != "https" && root.Scheme != "http" {
		return Announced{}, false
	}
	uuid, _, _ := strings.Cut(strings.TrimPrefix(resp.Header.Get("USN"), "uuid:"), "::")
	return Announced{Root: root, UUID: uuid}, true
}

func distinctServices(list []Announced) []Announced {
	seen := map[string]bool{}
	var out []Announced
	for _, a := range list {
		key := a.UUID + " " + a.Root.String()
		if !seen[key] {
			seen[key] = true
			out = append(out, a)
		}
	}
	return out
}

// isTimeout reports a deadline of a socket.
func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}
