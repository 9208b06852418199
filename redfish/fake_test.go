package redfish

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// fake is a tiny BMC over real TLS that counts what it saw. It is for exact
// transport behaviour; bmcsim is the BMC with manners.
type fake struct {
	*httptest.Server
	t *testing.T

	mu       sync.Mutex
	user     string
	password string
	sessions map[string]string // URI → token
	docs     map[string]string // path → body
	hooks    map[string]http.HandlerFunc
	log      []string // METHOD path of every request but logins
	opened   int
	most     int // sessions at once
	wrong    map[string]int
	mustRot  bool
	next     int

	inFlight, maxFlight, writers, maxWriters atomic.Int32
	handshakes                               atomic.Int32
}

const (
	systemURI  = "/redfish/v1/Systems/1"
	managerURI = "/redfish/v1/Managers/1"
	accountURI = "/redfish/v1/AccountService/Accounts/1"
)

func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{t: t, user: "root", password: "factory", sessions: map[string]string{}, wrong: map[string]int{}, hooks: map[string]http.HandlerFunc{}}
	f.docs = map[string]string{
		"/redfish/v1/": `{"RedfishVersion":"1.15.0","UUID":"u-1","Links":{"Sessions":{"@odata.id":"/redfish/v1/SessionService/Sessions"}},
			"SessionService":{"@odata.id":"/redfish/v1/SessionService"},"AccountService":{"@odata.id":"/redfish/v1/AccountService"},
			"Systems":{"@odata.id":"/redfish/v1/Systems"},"Managers":{"@odata.id":"/redfish/v1/Managers"},"Chassis":{"@odata.id":"/redfish/v1/Chassis"},
			"UpdateService":{"@odata.id":"/redfish/v1/UpdateService"},"Tasks":{"@odata.id":"/redfish/v1/TaskService"}}`,
		"/redfish/v1/SessionService":          `{"SessionTimeout":1800}`,
		"/redfish/v1/AccountService":          `{"MinPasswordLength":8,"MaxPasswordLength":20,"AccountLockoutDuration":90,"Accounts":{"@odata.id":"/redfish/v1/AccountService/Accounts"}}`,
		"/redfish/v1/AccountService/Accounts": `{"Members":[{"@odata.id":"/redfish/v1/AccountService/Accounts/1"}]}`,
		accountURI:                            `{"@odata.id":"/redfish/v1/AccountService/Accounts/1","UserName":"root","Password":null}`,
		"/redfish/v1/Systems":                 `{"Members":[{"@odata.id":"/redfish/v1/Systems/1"}]}`,
		systemURI: `{"@odata.id":"/redfish/v1/Systems/1","Id":"1","PowerState":"Off","LastResetTime":"2026-01-01T00:00:00Z","LocationIndicatorActive":false,
			"Boot":{"BootSourceOverrideEnabled":"Disabled","BootSourceOverrideTarget":"None","BootSourceOverrideMode":"UEFI","BootSourceOverrideTarget@Redfish.AllowableValues":["None","Pxe","UefiHttp","CD/DVD"]},
			"Links":{"ManagedBy":[{"@odata.id":"/redfish/v1/Managers/1"}]},
			"Actions":{"#ComputerSystem.Reset":{"target":"/redfish/v1/Systems/1/Actions/ComputerSystem.Reset","@Redfish.ActionInfo":"/redfish/v1/Systems/1/ResetActionInfo"}}}`,
		systemURI + "/ResetActionInfo": `{"Parameters":[{"Name":"ResetType","AllowableValues":["On","ForceOff","ForceRestart"]}]}`,
		"/redfish/v1/Managers":         `{"Members":[{"@odata.id":"/redfish/v1/Managers/1"}]}`,
		managerURI: `{"@odata.id":"/redfish/v1/Managers/1","LastResetTime":"2026-01-01T00:00:00Z","Actions":{"#Manager.Reset":{"target":"/redfish/v1/Managers/1/Actions/Manager.Reset",
			"ResetType@Redfish.AllowableValues":["ForceRestart"]}}}`,
		"/redfish/v1/TaskService":       `{"Tasks":{"@odata.id":"/redfish/v1/TaskService/Tasks"}}`,
		"/redfish/v1/TaskService/Tasks": `{"Members":[]}`,
	}
	f.Server = httptest.NewUnstartedServer(f)
	f.Config.ErrorLog = log.New(io.Discard, "", 0) // refused handshakes are the point of some tests
	f.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			f.handshakes.Add(1)
		}
	}
	f.StartTLS()
	t.Cleanup(f.Close)
	return f
}

// hook answers METHOD path with a handler of the test instead.
func (f *fake) hook(pattern string, h http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hooks[pattern] = h
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	write := r.Method != http.MethodGet && !strings.Contains(r.URL.Path, "/Sessions")
	raise(&f.inFlight, &f.maxFlight)
	defer f.inFlight.Add(-1)
	if write {
		raise(&f.writers, &f.maxWriters)
		defer f.writers.Add(-1)
	}
	f.mu.Lock()
	h := f.hooks[r.Method+" "+r.URL.Path]
	f.mu.Unlock()
	if h != nil {
		f.note(r)
		h(w, r)
		return
	}
	if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/SessionService/Sessions") {
		f.login(w, r)
		return
	}
	f.note(r)
	if r.URL.Path != "/redfish/v1/" && !f.authorised(r) {
		failWith(w, http.StatusUnauthorized, "Base.1.8.NoValidSession", "no session")
		return
	}
	f.serve(w, r)
}

func (f *fake) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mustRot && r.URL.Path != "/redfish/v1/" && r.URL.Path != accountURI && !strings.Contains(r.URL.Path, "/Sessions/") {
		failWith(w, http.StatusForbidden, "Base.1.8.PasswordChangeRequired", "change it", accountURI)
		return
	}
	switch {
	case strings.Contains(r.URL.Path, "/Sessions/") && f.sessions[r.URL.Path] == "":
		failWith(w, http.StatusNotFound, "Base.1.8.ResourceMissingAtURI", "no such session")
	case strings.Contains(r.URL.Path, "/Sessions/") && r.Method == http.MethodDelete:
		delete(f.sessions, r.URL.Path)
		w.WriteHeader(http.StatusNoContent)
	case strings.Contains(r.URL.Path, "/Sessions/"):
		jsonWith(w, http.StatusOK, fmt.Sprintf(`{"@odata.id":%q,"UserName":%q}`, r.URL.Path, f.user))
	case r.Method == http.MethodPatch:
		f.patch(w, r)
	case r.Method == http.MethodPost:
		w.WriteHeader(http.StatusNoContent)
	case f.docs[r.URL.Path] == "":
		failWith(w, http.StatusNotFound, "Base.1.8.ResourceMissingAtURI", "not here")
	default:
		jsonWith(w, http.StatusOK, f.docs[r.URL.Path])
	}
}

func (f *fake) patch(w http.ResponseWriter, r *http.Request) {
	var change, doc map[string]any
	if err := json.NewDecoder(r.Body).Decode(&change); err != nil {
		failWith(w, http.StatusBadRequest, "Base.1.8.MalformedJSON", err.Error())
		return
	}
	if pw, ok := change["Password"].(string); ok && r.URL.Path == accountURI {
		f.password, f.mustRot = pw, false
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if err := json.Unmarshal([]byte(f.docs[r.URL.Path]), &doc); err != nil {
		failWith(w, http.StatusNotFound, "Base.1.8.ResourceMissingAtURI", "not here")
		return
	}
	merge(doc, change)
	text, err := json.Marshal(doc)
	if err != nil {
		f.t.Error(err)
	}
	f.docs[r.URL.Path] = string(text)
	w.WriteHeader(http.StatusNoContent)
}

func merge(into, from map[string]any) {
	for k, v := range from {
		if sub, ok := v.(map[string]any); ok {
			if old, ok := into[k].(map[string]any); ok {
				merge(old, sub)
				continue
			}
		}
		into[k] = v
	}
}

func (f *fake) login(w http.ResponseWriter, r *http.Request) {
	var c struct{ UserName, Password string }
	if err := json.NewDecoder(r.Body).Decode(&c); err != nil {
		failWith(w, http.StatusBadRequest, "Base.1.8.MalformedJSON", err.Error())
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.UserName != f.user || c.Password != f.password {
		f.wrong[c.Password]++
		failWith(w, http.StatusUnauthorized, "Base.1.8.ResourceAtUriUnauthorized", "wrong user or password")
		return
	}
	f.next++
	f.opened++
	uri, token := fmt.Sprintf("/redfish/v1/SessionService/Sessions/%d", f.next), fmt.Sprintf("token-%d", f.next)
	f.sessions[uri] = token
	f.most = max(f.most, len(f.sessions))
	w.Header().Set("Location", uri)
	w.Header().Set("X-Auth-Token", token)
	body := fmt.Sprintf(`{"@odata.id":%q,"Id":"%d"}`, uri, f.next)
	if f.mustRot {
		body = fmt.Sprintf(`{"@odata.id":%q,"Id":"%d","@Message.ExtendedInfo":[{"MessageId":"Base.1.8.PasswordChangeRequired","MessageArgs":[%q]}]}`, uri, f.next, accountURI)
	}
	jsonWith(w, http.StatusCreated, body)
}

func (f *fake) authorised(r *http.Request) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Contains(slices.Collect(maps.Values(f.sessions)), r.Header.Get("X-Auth-Token"))
}

func (f *fake) note(r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log = append(f.log, r.Method+" "+r.URL.Path)
}

// total is how many requests arrived, logins left out.
func (f *fake) total() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.log)
}

// count is how often METHOD path arrived.
func (f *fake) count(line string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, l := range f.log {
		if l == line {
			n++
		}
	}
	return n
}

// live is the number of open sessions, opened how many there ever were.
func (f *fake) live() (live, opened int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.sessions), f.opened
}

// expire ends all sessions on the BMC's side.
func (f *fake) expire() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.sessions)
}

func (f *fake) set(path, body string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.docs[path] = body
}

func raise(now, most *atomic.Int32) {
	n := now.Add(1)
	for {
		m := most.Load()
		if n <= m || most.CompareAndSwap(m, n) {
			return
		}
	}
}

func jsonWith(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

func failWith(w http.ResponseWriter, status int, id, text string, args ...string) {
	body, _ := json.Marshal(map[string]any{"error": map[string]any{"code": id, "message": text,
		"@Message.ExtendedInfo": []any{map[string]any{"MessageId": id, "Message": text, "MessageArgs": args}}}})
	jsonWith(w, status, string(body))
}

// keys is a CredentialSource of one changing secret.
type keys struct {
	mu     sync.Mutex
	user   string
	secret string
	asked  int
}

func (k *keys) Credential(context.Context, string) (string, inventory.Secret, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked++
	return k.user, inventory.NewSecret(k.secret), nil
}

func (k *keys) set(secret string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.secret = secret
}

// notes is a Memory in a map.
type notes struct {
	mu sync.Mutex
	m  map[string][]byte
}

func (n *notes) Load(_ context.Context, name string) ([]byte, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.m[name], nil
}

func (n *notes) Save(_ context.Context, name string, b []byte) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.m == nil {
		n.m = map[string][]byte{}
	}
	n.m[name] = slices.Clone(b)
	return nil
}

func free(context.Context) error { return nil }

func newDialer(t *testing.T) (*Dialer, *keys) {
	t.Helper()
	k := &keys{user: "root", secret: "factory"}
	d := &Dialer{Credentials: k, Memory: &notes{}}
	t.Cleanup(func() {
		if err := d.Logout(context.Background()); err != nil {
			t.Logf("logout: %v", err)
		}
	})
	return d, k
}

func (f *fake) endpoint() inventory.Endpoint {
	return inventory.Endpoint{URL: f.URL, Credential: "bmc"}
}

func dial(t *testing.T, d *Dialer, ep inventory.Endpoint, g Guard) *BMC {
	t.Helper()
	b, err := d.Dial(soon(t), ep, g)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// idle makes the broker believe that its connection was silent for long.
func (b *BMC) idle() {
	b.broker.mu.Lock()
	defer b.broker.mu.Unlock()
	b.broker.heardAt = [2]time.Time{}
}
