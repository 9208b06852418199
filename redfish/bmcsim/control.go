package bmcsim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// Control is the plain-HTTP door for a test that runs the fleet in another process:
//
//	GET  /directory      []Entry
//	GET  /counters       Snapshot
//	GET  /mutations      []Mutation
//	GET  /power          name → PowerState; GET /boots?bmc=NAME  []Boot
//	GET  /versions       name → component → VersionState
//	GET  /password?bmc=NAME&user=U&password=P   true or false, without a counted login
//	POST /faults         []Fault, appended;  DELETE /faults
//	POST /kill           Kill;  GET /kill
//	POST /updatefaults?bmc=NAME   UpdateFaults
//	POST /set?bmc=NAME&path=P     a patch, as BMC.Set
//	POST /leak?bmc=NAME&detector=ID&state=S
//	POST /away?bmc=NAME&for=5s;  POST /accycle?bmc=NAME;  POST /release?bmc=NAME
//	POST /foreign?bmc=NAME&component=ID&version=V
//
// Serve it on loopback only: it has no login.
func (f *Fleet) Control() http.Handler {
	m := http.NewServeMux()
	f.controlReads(m)
	f.controlWrites(m)
	return m
}

func (f *Fleet) controlReads(m *http.ServeMux) {
	m.HandleFunc("GET /directory", func(w http.ResponseWriter, _ *http.Request) { show(w, f.Directory()) })
	m.HandleFunc("GET /counters", func(w http.ResponseWriter, _ *http.Request) { show(w, f.Snapshot()) })
	m.HandleFunc("GET /mutations", func(w http.ResponseWriter, _ *http.Request) { show(w, f.Mutations()) })
	m.HandleFunc("GET /kill", func(w http.ResponseWriter, _ *http.Request) { k, _ := f.Armed(); show(w, k) })
	m.HandleFunc("GET /power", func(w http.ResponseWriter, _ *http.Request) {
		out := map[string]string{}
		for _, b := range f.bmcs {
			out[b.spec.Name] = b.Power()
		}
		show(w, out)
	})
	m.HandleFunc("GET /versions", func(w http.ResponseWriter, _ *http.Request) {
		out := map[string]map[string]VersionState{}
		for _, b := range f.bmcs {
			out[b.spec.Name] = b.Versions()
		}
		show(w, out)
	})
	m.HandleFunc("GET /boots", f.one(func(b *BMC, _ *http.Request) (any, error) { return b.Boots(), nil }))
	m.HandleFunc("GET /password", f.one(func(b *BMC, r *http.Request) (any, error) {
		return b.HasPassword(r.FormValue("user"), r.FormValue("password")), nil
	}))
}

func (f *Fleet) controlWrites(m *http.ServeMux) {
	m.HandleFunc("DELETE /faults", func(w http.ResponseWriter, _ *http.Request) { f.ClearFaults(); show(w, true) })
	m.HandleFunc("POST /faults", func(w http.ResponseWriter, r *http.Request) {
		var list []Fault
		say(w, take(r, &list, func() error { return f.AddFaults(list...) }))
	})
	m.HandleFunc("POST /kill", func(w http.ResponseWriter, r *http.Request) {
		var k Kill
		say(w, take(r, &k, func() error { return f.Arm(k) }))
	})
	m.HandleFunc("POST /updatefaults", f.one(func(b *BMC, r *http.Request) (any, error) {
		var u UpdateFaults
		return true, take(r, &u, func() error { b.SetUpdateFaults(u); return nil })
	}))
	m.HandleFunc("POST /set", f.one(func(b *BMC, r *http.Request) (any, error) {
		var patch map[string]any
		return true, take(r, &patch, func() error {
			if !b.Set(r.FormValue("path"), patch) {
				return fmt.Errorf("no resource at %q", r.FormValue("path"))
			}
			return nil
		})
	}))
	m.HandleFunc("POST /leak", f.one(func(b *BMC, r *http.Request) (any, error) {
		return true, b.SetLeak(r.FormValue("detector"), r.FormValue("state"))
	}))
	m.HandleFunc("POST /away", f.one(func(b *BMC, r *http.Request) (any, error) {
		d, err := time.ParseDuration(r.FormValue("for"))
		if err == nil {
			b.Away(d)
		}
		return true, err
	}))
	m.HandleFunc("POST /accycle", f.one(func(b *BMC, _ *http.Request) (any, error) { b.ACCycle(); return true, nil }))
	m.HandleFunc("POST /foreign", f.one(func(b *BMC, r *http.Request) (any, error) {
		return true, b.Foreign(r.FormValue("component"), r.FormValue("version"))
	}))
	m.HandleFunc("POST /release", f.one(func(b *BMC, _ *http.Request) (any, error) { return b.Release(), nil }))
}

// one wraps what concerns one BMC.
func (f *Fleet) one(do func(*BMC, *http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		b := f.BMC(r.URL.Query().Get("bmc"))
		if b == nil {
			http.Error(w, fmt.Sprintf("no BMC %q: GET /directory lists them", r.URL.Query().Get("bmc")), http.StatusNotFound)
			return
		}
		out, err := do(b, r)
		if err != nil {
			say(w, err)
			return
		}
		show(w, out)
	}
}

func take(r *http.Request, into any, then func() error) error {
	d := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("body: %w", err)
	}
	return then()
}

func say(w http.ResponseWriter, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	show(w, true)
}

func show(w http.ResponseWriter, v any) {
	raw, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(raw) // the reader may have gone
}
