package redfish

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// issue makes a certificate for the names; nil parent: self-signed.
func issue(t *testing.T, parent *tls.Certificate, edit func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "bmc"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		BasicConstraintsValid: true}
	if edit != nil {
		edit(tmpl)
	}
	signer, signKey := tmpl, any(key)
	if parent != nil {
		signer, signKey = parent.Leaf, parent.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, signer, &key.PublicKey, signKey)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// newFakeWith is a fake that shows this certificate.
func newFakeWith(t *testing.T, cert tls.Certificate) *fake {
	t.Helper()
	f := newFake(t)
	f.Server.Close()
	f.Server = httptest.NewUnstartedServer(f)
	f.Config.ErrorLog = log.New(io.Discard, "", 0)
	f.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	f.StartTLS()
	t.Cleanup(f.Server.Close)
	return f
}

// TestEmptyPoolRefusesASelfSignedServer is the regression test of redfish.md §1:
// bmclib main with gofish v0.22 connects here. The provider's twin is in
// driver_openbmc_test.go.
func TestEmptyPoolRefusesASelfSignedServer(t *testing.T) {
	for name, pool := range map[string]*x509.CertPool{"empty": x509.NewCertPool(), "none": nil} {
		f := newFake(t)
		d, _ := newDialer(t)
		d.Trust, d.CA = TrustCA, pool
		_, err := d.Dial(soon(t), f.endpoint(), nil)
		var unknown x509.UnknownAuthorityError
		if !errors.As(err, &unknown) || !errors.Is(err, ErrUnreachable) {
			t.Errorf("%s pool: got %v, want an unknown authority", name, err)
		}
		if len(f.log) != 0 || len(f.wrong) != 0 {
			t.Errorf("%s pool: requests were sent: %v", name, f.log)
		}
	}
}

func TestTrustCA(t *testing.T) {
	ca := issue(t, nil, func(c *x509.Certificate) { c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign })
	pool := x509.NewCertPool()
	pool.AddCert(ca.Leaf)
	for _, c := range []struct {
		name string
		edit func(*x509.Certificate)
		mac  inventory.MAC
		ok   bool
	}{
		{"right", nil, "", true},
		{"expired", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }, "", false},
		{"wrong name", func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(10, 0, 0, 9)} }, "", false},
		{"named by MAC", func(c *x509.Certificate) { c.IPAddresses, c.Subject.CommonName = nil, "AA:BB:CC:00:11:22" }, "aa:bb:cc:00:11:22", true},
		{"named by another MAC", func(c *x509.Certificate) { c.Subject.CommonName = "aa:bb:cc:00:11:23" }, "aa:bb:cc:00:11:22", false},
	} {
		f := newFakeWith(t, issue(t, &ca, c.edit))
		d, _ := newDialer(t)
		d.Trust, d.CA = TrustCA, pool
		ep := f.endpoint()
		if c.mac != "" {
			d.Profiles = map[string]Profile{"m": {Name: "m", CertName: "mac"}}
			ep.Profile, ep.MAC = "m", c.mac
		}
		if _, err := d.Dial(soon(t), ep, nil); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestPin: the key counts, not the paper. Expired and wrongly named is accepted
// and reported; another key is ErrPin, and no login is sent to it.
func TestPin(t *testing.T) {
	stale := issue(t, nil, func(c *x509.Certificate) {
		c.NotAfter, c.IPAddresses = time.Now().Add(-time.Minute), nil
	})
	f := newFakeWith(t, stale)
	d, _ := newDialer(t)
	ep := f.endpoint()
	ep.Pin = pinOf(stale.Leaf)
	b := dial(t, d, ep, nil)
	if c := b.Certificate(); c.Pin != ep.Pin || len(c.Faults) != 2 {
		t.Errorf("certificate %+v, want two faults reported", c)
	}

	g := newFakeWith(t, issue(t, nil, nil))
	d2, _ := newDialer(t)
	ep = g.endpoint()
	ep.Pin = pinOf(stale.Leaf)
	_, err := d2.Dial(soon(t), ep, nil)
	if !errors.Is(err, ErrPin) || errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), string(ep.Pin)) {
		t.Errorf("got %v, want ErrPin", err)
	}
	if len(g.log)+g.opened != 0 {
		t.Error("a BMC with another key was spoken to")
	}

	d3, _ := newDialer(t)
	d3.Trust = TrustPin
	if _, err := d3.Dial(soon(t), g.endpoint(), nil); !errors.Is(err, ErrPin) {
		t.Errorf("pin mode without a pin: %v", err)
	}
}

// TestFirstUseHappensOnce: the first key is stored and is the only one from
// then on, across restarts, until a person confirms another.
func TestFirstUseHappensOnce(t *testing.T) {
	memory := &notes{}
	k := &keys{user: "root", secret: "factory"}
	f := newFake(t)
	dial(t, &Dialer{Credentials: k, Memory: memory}, f.endpoint(), nil)

	addr := f.Listener.Addr().String()
	f.Server.Close()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	f.Server = httptest.NewUnstartedServer(f)
	f.Listener.Close()
	f.Listener = l
	f.Config.ErrorLog = log.New(io.Discard, "", 0)
	other := issue(t, nil, nil)
	f.TLS = &tls.Config{Certificates: []tls.Certificate{other}}
	f.StartTLS()
	t.Cleanup(f.Server.Close)

	again := &Dialer{Credentials: k, Memory: memory}
	if _, err := again.Dial(soon(t), f.endpoint(), nil); !errors.Is(err, ErrPin) {
		t.Fatalf("another key at the second contact: %v, want ErrPin", err)
	}
	ep := f.endpoint()
	ep.Pin = pinOf(other.Leaf) // confirmed, as an event
	b := dial(t, again, ep, nil)
	if b.Certificate().Pin != ep.Pin {
		t.Error("the confirmed pin is not the one in use")
	}
	if err := again.Logout(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestResumedHandshakesAreJudgedToo: VerifyPeerCertificate would be skipped.
func TestResumedHandshakesAreJudgedToo(t *testing.T) {
	f := newFake(t)
	d, _ := newDialer(t)
	b := dial(t, d, f.endpoint(), nil)
	b.broker.wire.transport.CloseIdleConnections()
	if _, err := b.get(soon(t), systemURI); err != nil {
		t.Fatal(err)
	}
	b.broker.wire.transport.CloseIdleConnections()
	b.broker.trust.confirm(inventory.DigestOf([]byte("another key")))
	if _, err := b.get(soon(t), systemURI); !errors.Is(err, ErrPin) {
		t.Errorf("got %v, want ErrPin on a resumed connection", err)
	}
}

// TestNoPoolIsNotTheSystemsPool runs in a process whose system authorities are
// ours: a client that took them would connect, and one that was given none must
// not.
func TestNoPoolIsNotTheSystemsPool(t *testing.T) {
	const marker = "RACKWRIGHT_TEST_SYSTEM_POOL"
	if os.Getenv(marker) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestNoPoolIsNotTheSystemsPool$", "-test.v")
		dir := t.TempDir()
		cmd.Env = append(os.Environ(), marker+"=1", "SSL_CERT_DIR="+dir, "SSL_CERT_FILE="+filepath.Join(dir, "ca.pem"))
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	ca := issue(t, nil, func(c *x509.Certificate) { c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign })
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Leaf.Raw})
	if err := os.WriteFile(os.Getenv("SSL_CERT_FILE"), block, 0o600); err != nil {
		t.Fatal(err)
	}
	f := newFakeWith(t, issue(t, &ca, nil))
	conn, err := (&tls.Dialer{}).DialContext(context.Background(), "tcp", f.Listener.Addr().String())
	if err != nil {
		t.Fatalf("the system's pool is not ours, so this proves nothing: %v", err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	d, _ := newDialer(t)
	d.Trust = TrustCA
	if _, err := d.Dial(soon(t), f.endpoint(), nil); err == nil {
		t.Error("no pool means the system's authorities")
	}
}
