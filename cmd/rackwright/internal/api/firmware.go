package api

import (
	"bytes"
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/auth"
	"github.com/rackwright/rackwright/firmware"
	"github.com/rackwright/rackwright/inventory"
)

type baselineIn struct {
	Signature string `header:"X-Signature" doc:"text of the .minisig file, base64; by a key of firmware.keys"`
	RawBody   []byte `contentType:"application/octet-stream" doc:"baseline as YAML or JSON"`
}

type planIn struct {
	Node     string `path:"node"`
	Baseline string `query:"baseline" required:"true" doc:"name of a baseline"`
}

func (s *Service) addFirmware(api huma.API) {
	huma.Register(api, op(http.MethodPost, "/baselines", "import-baseline", "Import a signed firmware baseline"), s.importBaseline)
	huma.Register(api, op(http.MethodGet, "/baselines", "list-baselines", "Firmware baselines by name"), func(ctx context.Context, _ *struct{}) (*body[[]inventory.Ref], error) {
		if _, err := caller(ctx); err != nil {
			return nil, err
		}
		list, err := s.Store.Refs(ctx, inventory.DocBaseline)
		return answer(nonNil(list)), problem(err)
	})
	huma.Register(api, op(http.MethodGet, "/nodes/{node}/plan", "preview-plan", "What a baseline would do to a node, with a sentence for every skip"), s.previewPlan)
}

func (s *Service) importBaseline(ctx context.Context, in *baselineIn) (*body[inventory.Ref], error) {
	if _, err := s.may(ctx, auth.Import, inventory.Rack{}); err != nil {
		return nil, err
	}
	if err := firmware.CheckSignature(in.RawBody, in.Signature, s.Baselines); err != nil {
		return nil, problem(err)
	}
	b, err := firmware.ParseBaseline(bytes.NewReader(in.RawBody))
	if err != nil {
		return nil, problem(err)
	}
	digest, err := s.Store.Put(ctx, inventory.DocBaseline, in.RawBody)
	if err != nil {
		return nil, problem(err)
	}
	ref := inventory.Ref{Kind: inventory.DocBaseline, Name: b.Name, Digest: digest}
	switch old, err := s.Store.Ref(ctx, inventory.DocBaseline, b.Name); {
	case err == nil && old.Digest == digest:
		return answer(old), nil
	case err != nil && !errors.Is(err, inventory.ErrNotFound):
		return nil, problem(err)
	case err == nil:
		return nil, invalid("baseline "+b.Name+" exists with other content; baselines never change", "Give the new content a new name.")
	}
	ref, err = s.Store.SetRef(ctx, ref)
	return answer(ref), problem(err)
}

func (s *Service) previewPlan(ctx context.Context, in *planIn) (*body[firmware.Plan], error) {
	n, _, _, err := s.node(ctx, in.Node, auth.Read)
	if err != nil {
		return nil, err
	}
	plan, err := s.makePlan(ctx, n, in.Baseline)
	return answer(plan), err
}
