package bmcsim

import (
	"crypto/rand"
	"net/http"
	"strconv"
	"time"
)

// session is one login with a token. It ends by DELETE, idle time or a BMC reset.
type session struct {
	path, token, account string
	used                 time.Time
}

// session finds a live session by its token and refreshes it. The caller holds the lock.
func (b *BMC) session(token string) *session {
	b.expire()
	s := b.sessions[token]
	if s != nil {
		s.used = time.Now()
	}
	return s
}

// expire drops idle sessions. The caller holds the lock.
func (b *BMC) expire() {
	for token, s := range b.sessions {
		if idle := b.spec.Access.SessionTimeout; idle > 0 && time.Since(s.used) > idle {
			delete(b.sessions, token)
			b.tree.remove(s.path)
		}
	}
}

// forget loses what a BMC keeps in memory only: sessions and tasks. The caller holds the lock.
func (b *BMC) forget() {
	for token, s := range b.sessions {
		delete(b.sessions, token)
		b.tree.remove(s.path)
	}
	b.loseTasks()
}

// openSession answers POST Sessions: 201 with Id, Location and X-Auth-Token.
func (c *call) openSession() reply {
	var in struct{ UserName, Password string }
	if out, ok := c.decode(&in); !ok {
		return out
	}
	b := c.b
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.login(in.UserName, in.Password)
	if a == nil {
		return unauthorized()
	}
	b.expire()
	if limit := b.spec.Access.SessionLimit; limit > 0 && len(b.sessions) >= limit {
		b.count.SessionsRefused++
		if b.spec.Access.FullStatus == http.StatusBadRequest {
			return failure(http.StatusBadRequest, "Base.1.18.SessionLimitExceeded", "The session establishment failed due to the number of simultaneous sessions exceeding the limit of the implementation.")
		}
		return busy(http.StatusServiceUnavailable, -1, "IDRAC.2.8.RAC0218", "The maximum number of user sessions is reached.")
	}
	b.nextID++
	id := strconv.Itoa(b.nextID)
	s := &session{path: sessions + "/" + id, token: rand.Text(), account: a.name, used: time.Now()}
	b.sessions[s.token] = s
	b.count.SessionsMax = max(b.count.SessionsMax, len(b.sessions))
	b.tree.add(s.path, "Session.v1_7_0", "User Session", object{"UserName": a.name, "CreatedTime": stamp(s.used)})
	if b.spec.Quirks.SessionNoBody {
		return empty(http.StatusNoContent).with("X-Auth-Token", s.token).with("Location", s.path)
	}
	body := object{"@odata.id": s.path, "@odata.type": "#Session.v1_7_0.Session", "Id": id, "Name": "User Session", "UserName": a.name}
	if a.mustChange {
		body["@Message.ExtendedInfo"] = []object{info("Base.1.18.PasswordChangeRequired",
			"The password provided for this account must be changed before access is granted.", accounts+"/"+a.name)}
	}
	return jsonReply(http.StatusCreated, body).with("X-Auth-Token", s.token).with("Location", s.path)
}

// logout answers DELETE of a session; one account may end another's only as Administrator.
func (c *call) logout() reply {
	b := c.b
	b.mu.Lock()
	defer b.mu.Unlock()
	for token, s := range b.sessions {
		if s.path != c.path {
			continue
		}
		if c.account.role != "Administrator" && s.account != c.account.name {
			return failure(http.StatusForbidden, "Base.1.18.InsufficientPrivilege", "There are insufficient privileges to end this session.")
		}
		delete(b.sessions, token)
		b.tree.remove(s.path)
		return empty(http.StatusNoContent)
	}
	return notFound(c.path)
}

// stamp is a Redfish time with milliseconds, so that two resets within a second differ.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }
