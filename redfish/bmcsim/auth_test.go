package bmcsim

import (
	"strings"
	"testing"
	"time"
)

func TestLoginWire(t *testing.T) {
	_, p := rig(t, ProfileX86, nil)
	a := p.login()
	equal(t, "Location", a.Header.Get("Location"), sessions+"/1")
	equal(t, "Id", a.body["Id"], "1")
	if len(p.token) < 16 {
		t.Errorf("token %q", p.token)
	}
	p.get(systems + "/1")
	equal(t, "members", p.get(sessions)["Members@odata.count"], 1)
	p.want(204, "DELETE", sessions+"/1", nil)
	p.want(401, "GET", systems+"/1", nil)
	p.token = ""
	p.get(systems + "/1") // Basic
	c := p.b.Counters()
	equal(t, "live and max", []int{c.SessionsLive, c.SessionsMax}, []int{0, 1})
	equal(t, "wrong logins", c.WrongLogins, 0)
}

func TestUnauthenticated(t *testing.T) {
	_, p := rig(t, ProfileX86, nil)
	p.token = "nonsense"
	for _, path := range []string{"/redfish", root, root + "/"} {
		p.want(200, "GET", path, nil)
	}
	a := p.want(401, "GET", systems, nil)
	if !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Basic") {
		t.Error("401 without WWW-Authenticate")
	}
	p.want(401, "POST", systems+"/1/Actions/ComputerSystem.Reset", object{"ResetType": "On"})
	equal(t, "power", p.b.Power(), powerOff)
}

func TestSessionLimit(t *testing.T) {
	for _, c := range []struct {
		status int
		id     string
	}{{503, "IDRAC.2.8.RAC0218"}, {400, "Base.1.18.SessionLimitExceeded"}} {
		_, p := rig(t, ProfileX86, func(s *Spec) { s.Access.SessionLimit, s.Access.FullStatus = 2, c.status })
		p.login()
		p.login()
		a := p.want(c.status, "POST", sessions, object{"UserName": p.b.spec.User, "Password": p.b.spec.Password})
		equal(t, "message", messageID(a.body), c.id)
		equal(t, "refused", p.b.Counters().SessionsRefused, 1)
		p.want(204, "DELETE", sessions+"/1", nil)
		p.login()
	}
}

// rewind puts the last use of every session and the end of every lock into the past.
func rewind(b *BMC, d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.sessions {
		s.used = s.used.Add(-d)
	}
	for _, a := range b.accounts {
		a.lockedUntil = a.lockedUntil.Add(-d)
	}
}

func TestSessionIdles(t *testing.T) {
	_, p := rig(t, ProfileX86, func(s *Spec) { s.Access.SessionTimeout = time.Hour })
	p.login()
	for range 3 { // each use refreshes
		rewind(p.b, 50*time.Minute)
		p.get(systems)
	}
	rewind(p.b, 61*time.Minute)
	p.want(401, "GET", systems, nil)
	equal(t, "live", p.b.Counters().SessionsLive, 0)
}

func TestLockOut(t *testing.T) {
	_, p := rig(t, ProfileX86, func(s *Spec) { s.Access.LockThreshold, s.Access.LockDuration = 3, time.Hour })
	right := object{"UserName": p.b.spec.User, "Password": p.b.spec.Password}
	for range 3 {
		p.want(401, "POST", sessions, object{"UserName": p.b.spec.User, "Password": "wrong-one"})
	}
	if !p.b.Locked(p.b.spec.User) {
		t.Fatal("not locked after three wrong logins")
	}
	p.want(401, "POST", sessions, right)
	c := p.b.Counters()
	equal(t, "wrong, locked out, refused while locked", []int{c.WrongLogins, c.Lockouts, c.LockedLogins}, []int{3, 1, 1})
	equal(t, "secrets", len(c.WrongBySecret), 1)
	rewind(p.b, 61*time.Minute)
	p.want(201, "POST", sessions, right)
	p.want(401, "POST", sessions, object{"UserName": p.b.spec.User, "Password": "wrong-two"})
	p.want(201, "POST", sessions, right) // a good login starts the count again
	equal(t, "secrets", len(p.b.Counters().WrongBySecret), 2)
}

func TestFactoryPassword(t *testing.T) {
	_, p := rig(t, ProfileX86, func(s *Spec) { s.Factory = true })
	a := p.login()
	if !strings.Contains(string(a.raw), "PasswordChangeRequired") {
		t.Error("the login does not announce the change")
	}
	self := accounts + "/" + p.b.spec.User
	a = p.want(403, "GET", systems, nil)
	equal(t, "message", messageID(a.body), "Base.1.18.PasswordChangeRequired")
	args := a.body["error"].(object)["@Message.ExtendedInfo"].([]any)[0].(object)["MessageArgs"].([]any)
	equal(t, "args name the account", args[0], self)
	p.want(403, "POST", systems+"/1/Actions/ComputerSystem.Reset", object{"ResetType": "On"})
	p.get(self)
	p.get(sessions + "/1")
	for _, bad := range []any{"short", strings.Repeat("x", 21), 7, p.b.spec.Password} {
		p.want(400, "PATCH", self, object{"Password": bad})
	}
	p.want(200, "PATCH", self, object{"Password": "Correct-Horse-9"})
	p.get(systems) // the session lives on
	equal(t, "changes", p.b.Counters().PasswordChanges, 1)
	if !p.b.HasPassword(p.b.spec.User, "Correct-Horse-9") || p.b.HasPassword(p.b.spec.User, p.b.spec.Password) {
		t.Error("the new password is not the only one")
	}
	p.want(401, "POST", sessions, object{"UserName": p.b.spec.User, "Password": p.b.spec.Password})
	p.want(201, "POST", sessions, object{"UserName": p.b.spec.User, "Password": "Correct-Horse-9"})
	if strings.Contains(string(p.do("GET", self, nil).raw), "Horse") {
		t.Error("the account shows its password")
	}
}

func TestRoles(t *testing.T) {
	_, p := rig(t, ProfileX86, nil)
	reset := systems + "/1/Actions/ComputerSystem.Reset"
	for _, c := range []struct {
		role              string
		power, bmc, other int
	}{{"ReadOnly", 403, 403, 403}, {"Operator", 204, 403, 403}} {
		p.b.mu.Lock()
		p.b.accounts["guest"] = &account{name: "guest", password: "guest-word", role: c.role}
		p.b.mu.Unlock()
		p.token = p.want(201, "POST", sessions, object{"UserName": "guest", "Password": "guest-word"}).Header.Get("X-Auth-Token")
		p.get(systems)
		p.want(c.power, "POST", reset, object{"ResetType": "On"})
		p.want(c.bmc, "POST", managers+"/BMC/Actions/Manager.Reset", object{"ResetType": "ForceRestart"})
		p.want(c.other, "PATCH", accounts+"/"+p.b.spec.User, object{"Password": "Another-One-1"})
	}
}

func TestLoginQuirks(t *testing.T) {
	_, p := rig(t, ProfileX86, func(s *Spec) { s.Quirks.SessionNoBody = true })
	a := p.want(204, "POST", sessions, object{"UserName": p.b.spec.User, "Password": p.b.spec.Password})
	if a.Header.Get("X-Auth-Token") == "" || a.Header.Get("Location") == "" {
		t.Error("204 without token or Location")
	}
	_, p = rig(t, ProfileX86, func(s *Spec) { s.Access.SessionsByBasic = true })
	p.token = "none"
	p.want(401, "POST", sessions, object{"UserName": p.b.spec.User, "Password": p.b.spec.Password})
	p.token = ""
	p.login()
}
