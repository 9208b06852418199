package redfish

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// Trust says which certificate of a BMC is accepted (redfish.md §2.2).
type Trust string

// Trust modes. The empty mode is TrustPin where a pin is known and
// TrustFirstUse where none is.
const (
	TrustCA       Trust = "ca"        // chain to Dialer.CA, and the name
	TrustPin      Trust = "pin"       // only the recorded public key; expired or wrongly named is reported, not refused
	TrustFirstUse Trust = "first-use" // anything once, then that key
)

// Certificate is what the BMC showed at the last handshake.
type Certificate struct {
	Pin      inventory.Digest // SHA-256 of the public key; record it in Endpoint.Pin
	NotAfter time.Time
	Faults   []string // why a CA-minded client would refuse it
}

// trust judges the handshakes of one BMC.
type trust struct {
	mode   Trust
	pool   *x509.CertPool
	name   string
	mu     sync.Mutex
	pin    inventory.Digest
	last   Certificate
	record func(inventory.Digest) error // a first-use pin, once
}

// pinOf is the digest of the leaf's public key, not of the certificate: a
// renewed certificate over the same key keeps its pin.
func pinOf(cert *x509.Certificate) inventory.Digest {
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return inventory.Digest("sha256:" + hex.EncodeToString(sum[:]))
}

func (t *trust) config(oldTLS bool) *tls.Config {
	conf := &tls.Config{
		// Not insecure: VerifyConnection below judges every handshake, resumed ones
		// included (VerifyPeerCertificate is skipped on those).
		InsecureSkipVerify: true,
		VerifyConnection:   t.verify,
		MinVersion:         tls.VersionTLS12,
		ServerName:         t.name,
		ClientSessionCache: tls.NewLRUClientSessionCache(2),
		NextProtos:         []string{"http/1.1"},
	}
	if net.ParseIP(t.name) != nil {
		conf.ServerName = "" // no SNI for addresses (RFC 6066 §3)
	}
	if oldTLS {
		conf.MinVersion = tls.VersionTLS10
		for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
			conf.CipherSuites = append(conf.CipherSuites, s.ID)
		}
	}
	return conf
}

func (t *trust) verify(cs tls.ConnectionState) error {
	if len(cs.PeerCertificates) == 0 {
		return fmt.Errorf("%w: the BMC showed no certificate", ErrPin)
	}
	leaf := cs.PeerCertificates[0]
	faults := t.chain(cs.PeerCertificates)
	seen := pinOf(leaf)
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.mode == TrustCA:
		if faults != nil {
			return errors.Join(faults...)
		}
	case t.pin == "" && t.mode == TrustPin:
		return fmt.Errorf("%w: no pin is recorded for it (it shows %s)", ErrPin, seen)
	case t.pin == "":
		if err := t.record(seen); err != nil {
			return fmt.Errorf("the pin of this BMC cannot be recorded: %w", err)
		}
		t.pin = seen
	case t.pin != seen:
		return fmt.Errorf("%w: recorded %s, shown %s", ErrPin, t.pin, seen)
	}
	t.last = Certificate{Pin: seen, NotAfter: leaf.NotAfter}
	for _, f := range faults {
		t.last.Faults = append(t.last.Faults, f.Error())
	}
	return nil
}

// chain verifies to the pool; nil means that a CA-minded client is content.
func (t *trust) chain(certs []*x509.Certificate) []error {
	var faults []error
	between := x509.NewCertPool()
	for _, c := range certs[1:] {
		between.AddCert(c)
	}
	pool := t.pool
	if pool == nil {
		pool = x509.NewCertPool() // nil would mean the system's authorities
	}
	if _, err := certs[0].Verify(x509.VerifyOptions{Roots: pool, Intermediates: between}); err != nil {
		faults = append(faults, err)
	}
	name := t.name
	if hw, err := net.ParseMAC(name); err == nil {
		if mac := hw.String(); bytes.EqualFold([]byte(certs[0].Subject.CommonName), []byte(mac)) {
			return faults
		}
	}
	if err := certs[0].VerifyHostname(name); err != nil {
		faults = append(faults, err)
	}
	return faults
}

// remember takes a stored pin unless one was given.
func (t *trust) remember(pin inventory.Digest) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.pin == "" {
		t.pin = pin
	}
}

// confirm takes the pin of an endpoint: it outranks what was recorded.
func (t *trust) confirm(pin inventory.Digest) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if pin != "" {
		t.pin = pin
	}
}

func (t *trust) seen() Certificate {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last
}

// base checks the URL of an endpoint and gives scheme://host:port, the key of
// its broker. Plain http is for loopback only: simulators and mocks.
func base(endpoint string) (*url.URL, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return nil, fmt.Errorf("BMC address %q: %w", endpoint, err)
	}
	port := map[string]string{"https": "443", "http": "80"}[u.Scheme]
	switch {
	case port == "" || u.Hostname() == "":
		return nil, fmt.Errorf("BMC address %q: write https://host[:port]", endpoint)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || (u.Path != "" && u.Path != "/"):
		return nil, fmt.Errorf("BMC address %q: only https://host[:port]; credentials belong in the vault", u.Redacted())
	}
	if ip := net.ParseIP(u.Hostname()); u.Scheme == "http" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("BMC address %q: http is accepted for loopback addresses only, use https", endpoint)
	}
	if u.Port() != "" {
		port = u.Port()
	}
	return &url.URL{Scheme: u.Scheme, Host: net.JoinHostPort(u.Hostname(), port)}, nil
}
