package web

import (
	"bytes"
	"embed"
	"errors"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
	"github.com/rackwright/rackwright/inventory"
)

//go:embed static/*
var static embed.FS

//go:embed templates/*.html
var templates embed.FS

// Pages are the pages of one site.
type Pages struct {
	API *api.Service
	Log *slog.Logger
	all *template.Template
}

// Handler serves the pages and their static files.
func (p *Pages) Handler() http.Handler {
	p.all = template.Must(template.New("").Funcs(functions).ParseFS(templates, "templates/*.html"))
	mux := http.NewServeMux()
	files, err := fs.Sub(static, "static")
	if err != nil {
		panic(err) // the folder is embedded; its absence is a fault of the build
	}
	mux.Handle("GET /static/", http.StripPrefix("/static/", http.FileServerFS(files)))
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) { p.show(w, r, http.StatusOK, "login.html", "") })
	mux.HandleFunc("POST /login", p.login)
	mux.HandleFunc("POST /logout", p.logout)
	mux.HandleFunc("GET /{$}", p.signed(p.racks))
	mux.HandleFunc("GET /racks/{rack}", p.signed(p.rack))
	mux.HandleFunc("GET /racks/{rack}/live", p.signed(p.live))
	mux.HandleFunc("GET /racks/{rack}/slots/{slot}", p.signed(p.node))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		p.show(w, r, http.StatusNotFound, "error.html", &api.Problem{Title: "No such page", Detail: "There is nothing at " + r.URL.Path + ".", Fix: "Go back to the racks."})
	})
	return guard(http.NewCrossOriginProtection().Handler(mux)) // a form of another site changes nothing here
}

// guard sets what a page may do: nothing from elsewhere, no framing, no
// scripts in the page itself.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// cookie holds the token; it leaves over TLS only, to this site only, and no
// script can read it.
const cookie = "rackwright"

func (p *Pages) login(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 4096)
	token := r.PostFormValue("token")
	_, err := p.API.Identify(r.Context(), token)
	if err != nil && !api.Unknown(err) {
		p.answer(w, r, err, "", nil)
		return
	}
	if err != nil {
		p.show(w, r, http.StatusUnauthorized, "login.html", "This token is not known, or it has expired. Ask an admin for another.")
		return
	}
	http.SetCookie(w, &http.Cookie{Name: cookie, Value: token, Path: "/", HttpOnly: true, Secure: true, SameSite: http.SameSiteStrictMode, MaxAge: int((12 * time.Hour).Seconds())})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (p *Pages) logout(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, &http.Cookie{Name: cookie, Path: "/", HttpOnly: true, Secure: true, SameSite: http.SameSiteStrictMode, MaxAge: -1})
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}

// signed lets a page see its caller, or sends the person to the login.
func (p *Pages) signed(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := r.Cookie(cookie)
		if err != nil {
			http.Redirect(w, r, "/login", http.StatusSeeOther)
			return
		}
		who, err := p.API.Identify(r.Context(), c.Value)
		if api.Unknown(err) {
			http.Redirect(w, r, "/login", http.StatusSeeOther)
			return
		}
		if err != nil { // the record is away: a log-in would not help
			p.answer(w, r, err, "", nil)
			return
		}
		ctx := inventory.WithCause(api.WithCaller(r.Context(), who), inventory.Cause{By: string(who.Person.ID), Via: "web"})
		next(w, r.WithContext(ctx))
	}
}

func (p *Pages) racks(w http.ResponseWriter, r *http.Request) {
	list, err := p.API.Racks(r.Context())
	p.answer(w, r, err, "racks.html", list)
}

// rackPage is what the elevation is drawn from, twice.
type rackPage struct {
	api.RackDetail
	Elevation elevation
	Signs     []api.Sign
	Never     []api.SlotLine // must not be powered off now
}

func (p *Pages) rack(w http.ResponseWriter, r *http.Request) {
	d, err := p.API.RackOf(r.Context(), r.PathValue("rack"))
	name := "rack.html"
	if r.Header.Get("X-Fragment") != "" { // the part that changes, for the live page
		name = "fragment.html"
	}
	page := rackPage{RackDetail: d, Elevation: draw(d), Signs: api.Signs()}
	for _, slot := range d.Slots {
		if slot.Node.NeverPowerOff {
			page.Never = append(page.Never, slot)
		}
	}
	p.answer(w, r, err, name, page)
}

// live is the stream that tells the page to look again. It goes on from the
// entry that the page has seen, so that nothing falls between page and stream.
func (p *Pages) live(w http.ResponseWriter, r *http.Request) {
	d, err := p.API.RackOf(r.Context(), r.PathValue("rack"))
	if err != nil {
		p.answer(w, r, err, "", nil)
		return
	}
	q := r.URL.Query()
	q.Set("chains", d.Name)
	if after := q.Get("after"); after != "" {
		q.Set("chains", d.Name+":"+after)
	}
	r.URL.RawQuery = q.Encode()
	p.API.Events(w, r)
}

type nodePage struct {
	api.NodeDetail
	RackName string
	History  []inventory.Entry
}

func (p *Pages) node(w http.ResponseWriter, r *http.Request) {
	d, history, err := p.API.NodeOf(r.Context(), r.PathValue("rack")+"/"+r.PathValue("slot"))
	slices.Reverse(history) // the newest first
	name := "node.html"
	if r.Header.Get("X-Fragment") != "" {
		name = "nodefragment.html"
	}
	p.answer(w, r, err, name, nodePage{d, r.PathValue("rack"), history})
}

// answer renders a page, or the error as a page that says what to do.
func (p *Pages) answer(w http.ResponseWriter, r *http.Request, err error, name string, data any) {
	var problem *api.Problem
	switch {
	case errors.As(err, &problem):
		p.show(w, r, problem.Status, "error.html", problem)
	case err != nil:
		p.Log.Error("page failed", "path", r.URL.Path, "err", err)
		p.show(w, r, http.StatusInternalServerError, "error.html", &api.Problem{Title: "Internal error", Detail: err.Error(), Fix: "Look into the server's log; the record is unchanged."})
	default:
		p.show(w, r, http.StatusOK, name, data)
	}
}

// show renders into memory first: a page is whole or it is an error.
func (p *Pages) show(w http.ResponseWriter, r *http.Request, status int, name string, data any) {
	var page bytes.Buffer
	err := p.all.ExecuteTemplate(&page, name, map[string]any{"Data": data, "Site": p.API.Site, "Simulated": p.API.Simulated, "Path": r.URL.Path, "Now": time.Now().UTC()})
	if err != nil {
		p.Log.Error("template failed", "template", name, "err", err)
		http.Error(w, "the page cannot be drawn; see the server's log", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if _, err := page.WriteTo(w); err != nil {
		p.Log.Debug("client went away", "err", err)
	}
}
