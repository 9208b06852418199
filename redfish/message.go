package redfish

import (
	"encoding/json"
	"slices"
	"strings"
)

// message is one entry of @Message.ExtendedInfo (DSP0266 §8.6).
type message struct {
	ID, Text, Hint, Severity string
	Args                     []string
}

// is compares the name without registry and version: "Base.1.8.X" is X.
func (m message) is(names ...string) bool {
	id := m.ID[strings.LastIndexByte(m.ID, '.')+1:]
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(id, n) })
}

type rawMessage struct {
	MessageID       string            `json:"MessageId"`
	Message         string            `json:"Message"`
	Resolution      string            `json:"Resolution"`
	Severity        string            `json:"Severity"`
	MessageSeverity string            `json:"MessageSeverity"`
	MessageArgs     []json.RawMessage `json:"MessageArgs"`
}

// errorBody is the top-level "error" of a body, or nil.
func errorBody(body []byte) json.RawMessage {
	var top map[string]json.RawMessage
	if json.Unmarshal(body, &top) != nil {
		return nil
	}
	e := top["error"]
	if len(e) == 0 || string(e) == "null" {
		return nil
	}
	return e
}

// messagesOf reads the messages of a body: those of its error, else its own
// @Message.ExtendedInfo. Anything else gives none; it never fails.
func messagesOf(body []byte) []message {
	src := errorBody(body)
	if src == nil {
		src = body
	}
	var e struct {
		Code    string          `json:"code"`
		Message string          `json:"message"`
		Info    json.RawMessage `json:"@Message.ExtendedInfo"`
	}
	if err := json.Unmarshal(src, &e); err != nil {
		return nil
	}
	out := extended(e.Info)
	if len(out) == 0 && e.Code != "" {
		out = append(out, message{ID: e.Code, Text: e.Message})
	}
	return out
}

// extended reads a list of messages, or the single object some BMCs send.
func extended(info json.RawMessage) []message {
	var raws []json.RawMessage
	if json.Unmarshal(info, &raws) != nil {
		raws = []json.RawMessage{info}
	}
	var out []message
	for _, raw := range raws {
		var r rawMessage
		if json.Unmarshal(raw, &r) != nil || (r.MessageID == "" && r.Message == "") {
			continue
		}
		m := message{ID: r.MessageID, Text: r.Message, Hint: r.Resolution, Severity: r.MessageSeverity}
		if m.Severity == "" {
			m.Severity = r.Severity
		}
		for _, a := range r.MessageArgs {
			var text string
			if json.Unmarshal(a, &text) != nil {
				text = string(a)
			}
			m.Args = append(m.Args, text)
		}
		out = append(out, m)
	}
	return out
}

// passing: reasons of a 400 or 409 that go away by themselves.
func passing(ms []message) bool {
	return slices.ContainsFunc(ms, func(m message) bool {
		return m.is("InvalidOperationForSystemState", "SYS518", "ResourceInUse", "ServiceTemporarilyUnavailable", "UpdateInProgress")
	})
}

// sessionsFull: the session table has no free row.
func sessionsFull(ms []message) bool {
	return slices.ContainsFunc(ms, func(m message) bool {
		return m.is("SessionLimitExceeded", "RAC0218", "CreateLimitReachedForResource")
	})
}

// mustChange gives the account to change, if a message demands it.
func mustChange(ms []message) (string, bool) {
	for _, m := range ms {
		if m.is("PasswordChangeRequired") {
			if len(m.Args) > 0 {
				return ownPath(m.Args[0]), true
			}
			return "", true
		}
	}
	return "", false
}

// accepted: the messages of a 2xx whose body looks like an error. HPE and AMI
// report success in that form.
func accepted(ms []message) bool {
	return len(ms) > 0 && !slices.ContainsFunc(ms, func(m message) bool {
		return !m.is("Success", "NoOperation", "Created", "AccountModified", "SystemResetRequired", "ResetInProgress", "ResetRequired", "PasswordChanged") &&
			!strings.EqualFold(m.Severity, "OK")
	})
}
