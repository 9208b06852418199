package bmcsim

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"
)

// peer is a plain HTTP client: nothing of package redfish.
type peer struct {
	t     *testing.T
	b     *BMC
	c     *http.Client
	token string
}

// answer is a whole response.
type answer struct {
	*http.Response
	body object
	raw  []byte
}

// rig starts one BMC; change may be nil.
func rig(t *testing.T, profile string, change func(*Spec)) (*Fleet, *peer) {
	t.Helper()
	s := NewSpec(profile, "node1")
	s.Timing = Timing{PowerOn: 20 * time.Millisecond, PowerOff: 20 * time.Millisecond, Post: 40 * time.Millisecond, BMCReset: 100 * time.Millisecond, Update: 100 * time.Millisecond}
	if change != nil {
		change(&s)
	}
	f, err := New(Options{}, s)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f, newPeer(t, f.BMC("node1"))
}

func newPeer(t *testing.T, b *BMC) *peer {
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ExpectContinueTimeout: 5 * time.Second}
	t.Cleanup(tr.CloseIdleConnections)
	return &peer{t: t, b: b, c: &http.Client{Transport: tr, Timeout: 20 * time.Second}}
}

// try sends one request; header pairs follow the body.
func (p *peer) try(method, path string, body any, header ...string) (answer, error) {
	var r io.Reader
	switch v := body.(type) {
	case nil:
	case io.Reader:
		r = v
	case []byte:
		r = bytes.NewReader(v)
	default:
		raw, err := json.Marshal(v)
		if err != nil {
			p.t.Fatal(err)
		}
		r = bytes.NewReader(raw)
	}
	req, err := http.NewRequest(method, p.b.URL()+path, r)
	if err != nil {
		p.t.Fatal(err)
	}
	if p.token != "" {
		req.Header.Set("X-Auth-Token", p.token)
	} else {
		req.SetBasicAuth(p.b.spec.User, p.b.spec.Password)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := p.c.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	a := answer{Response: resp, raw: raw}
	_ = json.Unmarshal(raw, &a.body) // some tests want broken JSON
	return a, err
}

func (p *peer) do(method, path string, body any, header ...string) answer {
	p.t.Helper()
	a, err := p.try(method, path, body, header...)
	if err != nil {
		p.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

// want sends a request and checks the status.
func (p *peer) want(status int, method, path string, body any, header ...string) answer {
	p.t.Helper()
	a := p.do(method, path, body, header...)
	if a.StatusCode != status {
		p.t.Fatalf("%s %s: %s, want %d\n%s", method, path, a.Status, status, a.raw)
	}
	return a
}

func (p *peer) get(path string) object { p.t.Helper(); return p.want(200, "GET", path, nil).body }

// login opens a session and keeps its token.
func (p *peer) login() answer {
	p.t.Helper()
	a := p.want(201, "POST", sessions, object{"UserName": p.b.spec.User, "Password": p.b.spec.Password})
	p.token = a.Header.Get("X-Auth-Token")
	return a
}

func messageID(body object) string {
	e, _ := body["error"].(object)
	list, _ := e["@Message.ExtendedInfo"].([]any)
	if len(list) == 0 {
		return ""
	}
	one, _ := list[0].(object)
	return str(one, "MessageId")
}

// eventually polls a condition for at most 5 s.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if cond() {
			return
		}
	}
	t.Fatalf("not within 5 s: %s", what)
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
