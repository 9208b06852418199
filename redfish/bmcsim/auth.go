package bmcsim

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"
)

// account is one login. fails counts wrong logins since the last good one.
type account struct {
	name, password, role string
	mustChange           bool
	fails                int
	lockedUntil          time.Time
}

// authenticate finds out who asks and what that account may do. ok false: reply says no.
func (c *call) authenticate() (reply, bool) {
	if c.public() {
		return reply{}, true
	}
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	if !c.identify() {
		c.b.count.Unauthorized++
		return unauthorized(), false
	}
	return c.authorize()
}

// public is what answers without a login (DSP0266: service root, version, metadata
// and the POST that opens a session).
func (c *call) public() bool {
	switch c.path {
	case "/redfish", root, root + "/$metadata", root + "/odata":
		return !mutating(c.r.Method)
	case sessions:
		return c.r.Method == http.MethodPost && !c.b.spec.Access.SessionsByBasic
	}
	return false
}

func (c *call) identify() bool {
	if token := c.r.Header.Get("X-Auth-Token"); token != "" {
		s := c.b.session(token)
		if s == nil {
			return false
		}
		c.session, c.account = s, c.b.accounts[s.account]
		return c.account != nil
	}
	user, password, ok := c.r.BasicAuth()
	if !ok {
		return false
	}
	c.account = c.b.login(user, password)
	return c.account != nil
}

func (c *call) authorize() (reply, bool) {
	a, self := c.account, accounts+"/"+c.account.name
	if a.mustChange && c.path != self && (c.session == nil || c.path != c.session.path) {
		return passwordChange(self), false
	}
	if mutating(c.r.Method) && c.path != self && !c.aboutSessions() {
		above := strings.HasPrefix(c.path, accounts) || strings.HasPrefix(c.path, managers)
		if a.role == "ReadOnly" || a.role == "Operator" && above {
			return failure(http.StatusForbidden, "Base.1.18.InsufficientPrivilege", "There are insufficient privileges for the account or credentials associated with the current session to perform the requested operation."), false
		}
	}
	return reply{}, true
}

func passwordChange(uri string) reply {
	return failure(http.StatusForbidden, "Base.1.18.PasswordChangeRequired",
		"The password provided for this account must be changed before access is granted. PATCH the 'Password' property for this account located at the target URI '"+uri+"' to complete this process.", uri)
}

// login checks a name and a password and keeps the lock-out. The caller holds the lock.
func (b *BMC) login(user, password string) *account {
	b.count.Logins++
	a := b.accounts[user]
	now := time.Now()
	if a != nil && now.Before(a.lockedUntil) {
		b.count.LockedLogins++
		if a.password != password {
			b.wrong(password)
		}
		return nil
	}
	if a == nil || a.password != password {
		b.wrong(password)
		if limit := b.spec.Access.LockThreshold; a != nil {
			a.fails++
			if limit > 0 && a.fails >= limit {
				a.fails, a.lockedUntil = 0, now.Add(b.spec.Access.LockDuration)
				b.count.Lockouts++
			}
		}
		return nil
	}
	a.fails = 0
	return a
}

// wrong counts by a digest: the secret itself is kept nowhere.
func (b *BMC) wrong(password string) {
	sum := sha256.Sum256([]byte(password))
	b.count.WrongLogins++
	b.count.WrongBySecret[hex.EncodeToString(sum[:4])]++
}

// Locked says whether the account is locked now.
func (b *BMC) Locked(user string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.accounts[user]
	return a != nil && time.Now().Before(a.lockedUntil)
}

// SetPassword changes a password behind the client's back. mustChange is the state
// of a factory password.
func (b *BMC) SetPassword(user, password string, mustChange bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.accounts[user] = &account{name: user, password: password, role: "Administrator", mustChange: mustChange}
	b.tree.set(accounts+"/"+user, object{"PasswordChangeRequired": mustChange})
}

// HasPassword says whether this password opens the account now: the tests' way to
// ask without a login that is counted.
func (b *BMC) HasPassword(user, password string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.accounts[user]
	return a != nil && a.password == password
}
