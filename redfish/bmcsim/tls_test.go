package bmcsim

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"testing"
	"time"
)

func TestCertificateKinds(t *testing.T) {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	for _, c := range []struct {
		kind  string
		wrong any // the error type a strict client meets; nil: it connects
	}{{CertSelfSigned, &unknown}, {CertExpired, &invalid}, {CertWrongName, &name}, {CertCA, nil}} {
		t.Run(c.kind, func(t *testing.T) {
			f, p := rig(t, ProfileX86, func(s *Spec) { s.Cert = c.kind })
			pool := x509.NewCertPool()
			pool.AppendCertsFromPEM(f.CA())
			if c.kind == CertExpired || c.kind == CertWrongName { // trusted, so that the other fault shows
				pool.AddCert(leaf(t, p.b))
			}
			tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
			defer tr.CloseIdleConnections()
			resp, err := (&http.Client{Transport: tr}).Get(p.b.URL() + root)
			if err == nil {
				resp.Body.Close()
			}
			if c.wrong == nil && err != nil || c.wrong != nil && !errors.As(err, c.wrong) {
				t.Errorf("error %v, want %T", err, c.wrong)
			}
		})
	}
	s := NewSpec(ProfileX86, "x")
	s.Cert = "golden"
	f, err := New(Options{}, s)
	if err != nil {
		t.Fatal(err)
	}
	if f.Start() == nil {
		t.Error("an unknown certificate kind was accepted")
	}
}

func leaf(t *testing.T, b *BMC) *x509.Certificate {
	c, err := tls.Dial("tcp", b.addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0]
}

func TestPinIsThePublicKey(t *testing.T) {
	a, b := NewSpec(ProfileX86, "a"), NewSpec(ProfileX86, "b")
	b.Listen = "127.0.0.2:0"
	f, err := New(Options{}, a, b)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Start(); err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, one := range f.BMCs() {
		sum := sha256.Sum256(leaf(t, one).RawSubjectPublicKeyInfo)
		equal(t, "pin", one.Pin(), "sha256:"+hex.EncodeToString(sum[:]))
	}
	if f.BMC("a").Pin() == f.BMC("b").Pin() {
		t.Error("two BMCs share a key")
	}
	equal(t, "directory", len(f.Directory()), 2)
}

func TestKeepAliveAndHandshakes(t *testing.T) {
	_, p := rig(t, ProfileX86, nil)
	for range 10 {
		equal(t, "protocol", p.do("GET", root, nil).Proto, "HTTP/1.1")
	}
	equal(t, "handshakes with keep-alive", p.b.Counters().Handshakes, 1)
	_, p = rig(t, ProfileX86, func(s *Spec) { s.Quirks.CloseAfterReply = true })
	for range 3 {
		p.get(root)
	}
	equal(t, "handshakes with Connection: close", p.b.Counters().Handshakes, 3)
}

func TestOnlyLoopback(t *testing.T) {
	s := NewSpec(ProfileX86, "x")
	s.Listen = "0.0.0.0:0"
	f, err := New(Options{}, s)
	if err != nil {
		t.Fatal(err)
	}
	if f.Start() == nil {
		_ = f.Close()
		t.Error("a simulator listens on all addresses")
	}
}

func TestBadSpecs(t *testing.T) {
	good := NewSpec(ProfileX86, "x")
	for what, change := range map[string]func(*Spec){
		"no name": func(s *Spec) { s.Name = "" }, "no profile": func(s *Spec) { s.Profile = "ibm" }, "no user": func(s *Spec) { s.User = "" },
		"slot twice": func(s *Spec) { s.Parts = append(s.Parts, s.Parts[0]) },
	} {
		s := good
		change(&s)
		if _, err := New(Options{}, s); err == nil {
			t.Errorf("%s was accepted", what)
		}
	}
	if _, err := New(Options{}, good, good); err == nil {
		t.Error("two BMCs of one name were accepted")
	}
}

func TestCloseTwiceLeavesNothing(t *testing.T) {
	f, p := rig(t, ProfileX86, nil)
	p.login()
	p.want(204, "POST", systems+"/1/Actions/ComputerSystem.Reset", object{"ResetType": "On"})
	start := time.Now()
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if d := time.Since(start); d > 2*time.Second {
		t.Errorf("Close took %v", d)
	}
	if _, err := p.try("GET", root, nil); err == nil {
		t.Error("a closed fleet answers")
	}
}

// TestManyBMCs: a hall of BMCs is one process; each has its own key and little memory.
func TestManyBMCs(t *testing.T) {
	const n = 150
	var specs []Spec
	for i := range n {
		specs = append(specs, NewSpec(ProfileHGX, fmt.Sprintf("bmc-%d", i)))
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f, err := New(Options{}, specs...)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Start(); err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	runtime.GC()
	runtime.ReadMemStats(&after)
	if each := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / n; each > 400<<10 {
		t.Errorf("one BMC takes %d kB", each>>10)
	}
	pins := map[string]bool{}
	for _, b := range f.BMCs() {
		p := newPeer(t, b)
		equal(t, b.Name(), p.get(root)["UUID"], b.Spec().UUID)
		pins[b.Pin()] = true
	}
	equal(t, "pins", len(pins), n)
}
