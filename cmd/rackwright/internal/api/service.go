package api

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"time"

	"aead.dev/minisign"
	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/rackwright/rackwright/images"
	"github.com/rackwright/rackwright/inventory"
)

// Sealer seals secrets before they reach the record.
type Sealer interface {
	Seal(inventory.Secret) ([]byte, error)
}

// Service is the API of one site.
type Service struct {
	Store     inventory.Store
	Images    *images.Catalogue
	Sealer    Sealer
	Signing   ed25519.PrivateKey
	Simulated bool // the signing key is a demo key
	Site      string
	Version   string
	Wake      func() // tells the conductor that something became due
	// Backup writes the whole record into a new file while work goes on.
	Backup func(ctx context.Context, path string) error
	Log    *slog.Logger
	// Baselines are the public keys whose signature on a firmware baseline counts.
	Baselines []minisign.PublicKey
}

// maxBody bounds an uploaded document; the error says so.
const maxBody = 20 << 20

// Handler serves /v1. The caller mounts it on the management address only.
func (s *Service) Handler() http.Handler {
	mux := http.NewServeMux()
	s.build(mux)
	mux.HandleFunc("GET /v1/events", s.events)
	mux.HandleFunc("POST "+blobPath, s.putBlob)
	mux.HandleFunc("GET "+blobPath+"/{digest}", s.getBlob)
	mux.HandleFunc("/v1/", func(w http.ResponseWriter, r *http.Request) {
		err := &Problem{Type: "about:blank", Title: http.StatusText(http.StatusNotFound), Status: http.StatusNotFound, Code: "no_endpoint",
			Detail: "there is no " + r.Method + " " + r.URL.Path, Fix: "See the contract: rackwright openapi, or GET /v1/openapi.json."}
		writeProblem(w, err, inventory.CauseOf(r.Context()).Request)
	})
	return s.frame(mux)
}

// OpenAPI is the contract: version 3.1 JSON, the same bytes for the same code.
func (s *Service) OpenAPI() ([]byte, error) {
	return json.MarshalIndent(s.build(http.NewServeMux()).OpenAPI(), "", " ")
}

func (s *Service) build(mux *http.ServeMux) huma.API {
	cfg := huma.DefaultConfig("Rackwright", "v1")
	cfg.DocsPath, cfg.SchemasPath, cfg.OpenAPIPath = "", "", "/v1/openapi"
	cfg.CreateHooks = nil // no $schema links: answers are the same behind every address
	cfg.Formats = map[string]huma.Format{"application/json": jsonFormat, "json": jsonFormat,
		"text/csv": csvFormat, "application/problem+json": jsonFormat}
	cfg.DefaultFormat = "application/json"
	cfg.Transformers = []huma.Transformer{problemOf}
	cfg.Info.Description = "From delivery to a signed handover. Errors are RFC 9457 problems with code and fix."
	cfg.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer"}}
	api := humago.New(mux, cfg)
	for _, add := range []func(huma.API){s.addSite, s.addRacks, s.addNodes, s.addFindings, s.addPaper, s.addRequests,
		s.addHolds, s.addBMC, s.addWaivers, s.addPeople, s.addFirmware, s.addHandover, s.addBackup, s.addImages, s.addVerdicts, s.addBurnInPlans, s.addFirmwarePlans} {
		add(api)
	}
	document(api.OpenAPI())
	return api
}

// document puts into the contract what huma cannot know: the shape of our
// errors, and the stream that is no huma endpoint.
func document(doc *huma.OpenAPI) {
	stream := op(http.MethodGet, "/events", "events", "Hash chains as server-sent events; Last-Event-ID resumes")
	stream.Parameters = []*huma.Param{{Name: "chains", In: "query", Required: true, Schema: &huma.Schema{Type: "string"},
		Description: "racks with the last number already known: A12:118,A13:40"}}
	stream.Responses = map[string]*huma.Response{"200": {Description: "one event an entry", Content: map[string]*huma.MediaType{"text/event-stream": {}}}, "default": {}}
	doc.AddOperation(&stream)
	documentBlobs(doc)
	shape := doc.Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "Problem")
	for _, path := range doc.Paths {
		for _, o := range []*huma.Operation{path.Get, path.Put, path.Post} {
			if o != nil {
				o.Responses["default"] = &huma.Response{Description: "Error (RFC 9457)", Content: map[string]*huma.MediaType{"application/problem+json": {Schema: shape}}}
			}
		}
	}
}

var jsonFormat = huma.Format{
	Marshal: func(w io.Writer, v any) error {
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		return enc.Encode(v)
	},
	Unmarshal: json.Unmarshal,
}

// op describes one endpoint.
func op(method, path, id, summary string) huma.Operation {
	return huma.Operation{Method: method, Path: "/v1" + path, OperationID: id, Summary: summary, MaxBodyBytes: maxBody,
		Security: []map[string][]string{{"token": {}}}}
}

// body wraps an answer.
type body[T any] struct{ Body T }

func answer[T any](v T) *body[T] { return &body[T]{Body: v} }

// accepted is the answer to long work: 202 and where to look.
type accepted struct {
	Status   int    `json:"-"`
	Location string `header:"Location"`
	Body     inventory.Request
}

func (s *Service) wake() {
	if s.Wake != nil {
		s.Wake()
	}
}

// Health is what a client learns before it logs in.
type Health struct {
	Version   string    `json:"version"`
	Site      string    `json:"site"`
	Simulated bool      `json:"simulated" doc:"the server signs with a demo key; everything it issues says SIMULATED"`
	Time      time.Time `json:"time"`
}

func (s *Service) addSite(api huma.API) {
	open := op(http.MethodGet, "/health", "health", "Is the server there, and what is it")
	open.Security = nil
	huma.Register(api, open, func(ctx context.Context, _ *struct{}) (*body[Health], error) {
		return answer(Health{Version: s.Version, Site: s.Site, Simulated: s.Simulated, Time: time.Now().UTC()}), nil
	})
	huma.Register(api, op(http.MethodGet, "/me", "me", "Who am I, and what may I do"), func(ctx context.Context, _ *struct{}) (*body[Me], error) {
		c, err := caller(ctx)
		if err != nil {
			return nil, err
		}
		return answer(Me{Person: c.Person.ID, Name: c.Person.Name, Grants: c.Grants}), nil
	})
	huma.Register(api, op(http.MethodGet, "/sightings", "sightings", "Unknown machines that spoke to us"), func(ctx context.Context, _ *struct{}) (*body[[]inventory.Sighting], error) {
		if _, err := s.may(ctx, "read", inventory.Rack{}); err != nil {
			return nil, err
		}
		list, err := s.strangers(ctx)
		return answer(list), problem(err)
	})
}

func (s *Service) strangers(ctx context.Context) ([]inventory.Sighting, error) {
	list, err := s.Store.Sightings(ctx)
	if err != nil {
		return nil, err
	}
	var nodes []inventory.Node
	for n, err := range s.Store.Select(ctx, inventory.Selector{All: true}) {
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
	}
	return strangers(list, nodes), nil
}

// strangers are the sightings of machines that are no node's: a BMC that was
// seen before it was bound is known by its key or MAC now. An address that two
// machines claim stays.
func strangers(list []inventory.Sighting, nodes []inventory.Node) []inventory.Sighting {
	pins, macs := map[inventory.Digest]bool{}, map[inventory.MAC]bool{}
	for _, n := range nodes {
		if n.BMC.Pin != "" {
			pins[n.BMC.Pin], macs[n.BMC.MAC] = true, n.BMC.MAC != ""
		}
	}
	return slices.DeleteFunc(list, func(x inventory.Sighting) bool {
		return x.Class != inventory.SightDuplicate && (pins[x.Pin] || macs[x.MAC])
	})
}

// Me is the caller as the server sees it.
type Me struct {
	Person inventory.PersonID `json:"person"`
	Name   string             `json:"name"`
	Grants []inventory.Grant  `json:"grants"`
}
