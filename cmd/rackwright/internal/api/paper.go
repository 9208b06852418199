package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/auth"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/intake"
)

// ImportAnswer says what a manifest became, row by row where it did not.
type ImportAnswer struct {
	Document inventory.Digest     `json:"document"`
	Name     string               `json:"name,omitempty"`
	Racks    []string             `json:"racks"`
	Nodes    int                  `json:"nodes"`
	Parts    int                  `json:"parts"`
	Faults   []inventory.RowFault `json:"faults"` // quarantined rows; the others are kept
	DryRun   bool                 `json:"dryRun,omitempty"`
}

type importIn struct {
	DryRun  bool   `query:"dryRun" doc:"read and check only"`
	RawBody []byte `contentType:"application/octet-stream" doc:"manifest as YAML, JSON or CSV"`
}

func (s *Service) addPaper(api huma.API) {
	huma.Register(api, op(http.MethodPost, "/manifests", "import-manifest", "Import a packing list; bad rows are quarantined, good rows are kept"), s.importManifest)
	huma.Register(api, op(http.MethodPost, "/scans", "scan", "File what a scanner read from a label"), s.scan)
	huma.Register(api, op(http.MethodPost, "/signoffs", "sign-checklist", "Sign checklist gates of a rack or node"), s.signoff)
	huma.Register(api, op(http.MethodGet, "/racktypes", "list-racktypes", "Rack types this release knows"),
		func(ctx context.Context, _ *struct{}) (*body[[]inventory.RackType], error) {
			if _, err := caller(ctx); err != nil {
				return nil, err
			}
			list, err := intake.RackTypes()
			return answer(list), problem(err)
		})
}

func (s *Service) importManifest(ctx context.Context, in *importIn) (*body[ImportAnswer], error) {
	c, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	known, err := intake.RackTypes()
	if err != nil {
		return nil, problem(err)
	}
	m, kept, err := intake.ReadManifest(bytes.NewReader(in.RawBody), intake.Options{Types: known, Site: s.Site})
	if err != nil {
		return nil, rowProblem(err, m.Faults)
	}
	for _, r := range m.Racks { // a grant bound to racks covers a rack by name before it exists
		if err := auth.Can(c.Grants, auth.Import, auth.Target{Site: s.Site, Rack: r.ID, Name: r.Name}, now()); err != nil {
			return nil, problem(err)
		}
	}
	out := ImportAnswer{Document: m.Source, Name: m.Name, Racks: []string{}, Nodes: len(m.Nodes), Faults: nonNil(m.Faults), DryRun: in.DryRun}
	for _, r := range m.Racks {
		out.Racks = append(out.Racks, r.Name)
	}
	for _, parts := range m.Components {
		out.Parts += len(parts)
	}
	if len(m.Racks) == 0 {
		return nil, rowProblem(fmt.Errorf("no rack of the document can be used: %w", inventory.ErrInvalid), m.Faults)
	}
	if in.DryRun {
		return answer(out), nil
	}
	if err := s.keep(ctx, m, append(m.Types, known...), kept); err != nil {
		return nil, problem(err)
	}
	if err := s.Store.Expect(ctx, m, c.Person.ID); err != nil {
		return nil, problem(err)
	}
	if out.Faults, err = s.Store.Faults(ctx, m.Source); err != nil {
		return nil, problem(err)
	}
	out.Faults = nonNil(out.Faults)
	s.wake()
	return answer(out), nil
}

// keep stores what the expectation stands on: rack types, the document with its
// secrets blanked, and the secrets sealed.
func (s *Service) keep(ctx context.Context, m inventory.Manifest, types []inventory.RackType, kept []byte) error {
	for _, r := range m.Racks {
		i := slices.IndexFunc(types, func(t inventory.RackType) bool { return t.Name == r.Type.Name })
		if i < 0 {
			return fmt.Errorf("rack %s names rack type %q, which nobody knows: %w", r.Name, r.Type.Name, inventory.ErrInvalid)
		}
		raw, err := intake.TypeDocument(types[i])
		if err != nil {
			return err
		}
		if d, err := s.Store.Put(ctx, inventory.DocRackType, raw); err != nil || d != r.Type.Digest {
			return errors.Join(err, mismatch(d, r.Type.Digest))
		}
	}
	if _, err := s.Store.Put(ctx, inventory.DocManifest, kept); err != nil {
		return err
	}
	for name, cred := range m.Secrets {
		raw, err := json.Marshal(map[string]string{"user": cred.User, "password": cred.Password.Reveal()})
		if err != nil {
			return err
		}
		sealed, err := s.Sealer.Seal(inventory.NewSecret(string(raw)))
		if err != nil {
			return fmt.Errorf("seal %s: %w", name, err)
		}
		if err := s.replace(ctx, name, sealed); err != nil {
			return err
		}
	}
	return nil
}

// replace keeps the password that the newest packing list says: a label that
// was read wrong is corrected by importing it again. Whose password was changed
// since has a secret of its own name.
func (s *Service) replace(ctx context.Context, name string, sealed []byte) error {
	_, version, err := s.Store.Sealed(ctx, name)
	if err != nil && !errors.Is(err, inventory.ErrNotFound) {
		return err
	}
	return s.Store.Seal(ctx, name, sealed, version)
}

func mismatch(got, want inventory.Digest) error {
	if got == want {
		return nil
	}
	return fmt.Errorf("rack type has digest %s, the manifest means %s: %w", got, want, inventory.ErrInvalid)
}

// rowProblem lists every fault of a document that could not be used.
func rowProblem(err error, faults []inventory.RowFault) error {
	var p *Problem
	if !errors.As(problem(err), &p) {
		return err
	}
	for _, f := range faults {
		p.Errors = append(p.Errors, RowText(f))
	}
	return p
}

// RowText is one quarantined row as a sentence.
func RowText(f inventory.RowFault) string {
	text := fmt.Sprintf("row %d, %s: %s", f.Row, f.Field, f.Reason)
	if f.Fix != "" {
		text += " — " + f.Fix
	}
	return text
}
