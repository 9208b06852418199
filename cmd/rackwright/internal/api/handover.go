package api

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/auth"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/handover"
	"github.com/rackwright/rackwright/inventory/lifecycle"
)

// Part is the side a person signs for: deliverer or acceptor.
type Part = handover.Part

// Draft is the frozen certificate that both people sign, with its digest.
type Draft struct {
	Digest      inventory.Digest     `json:"digest"`
	Certificate handover.Certificate `json:"certificate"`
}

// SignatureRequest is a person's word for one draft.
type SignatureRequest struct {
	Part  handover.Part    `json:"part" enum:"deliverer,acceptor"`
	Draft inventory.Digest `json:"draft" doc:"digest of the draft that was read"`
}

// KeyAnswer is the public key that packages of this site are signed with.
type KeyAnswer struct {
	Fingerprint inventory.Digest `json:"fingerprint" doc:"SHA-256 of the 32 key bytes; compare it on paper"`
	PEM         string           `json:"pem"`
	Simulated   bool             `json:"simulated"`
}

type signatureIn struct {
	Rack string `path:"rack"`
	Body SignatureRequest
}

type packageOut struct {
	ContentType string `header:"Content-Type"`
	Disposition string `header:"Content-Disposition"`
	Body        []byte
}

func (s *Service) addHandover(api huma.API) {
	huma.Register(api, op(http.MethodGet, "/racks/{rack}/draft", "get-draft", "The frozen certificate draft"), s.getDraft)
	huma.Register(api, op(http.MethodPost, "/racks/{rack}/signatures", "sign-draft", "Sign the draft as deliverer or acceptor"), s.signDraft)
	huma.Register(api, op(http.MethodGet, "/racks/{rack}/package", "get-package", "The signed handover package (zip)"), s.getPackage)
	huma.Register(api, op(http.MethodGet, "/key", "get-key", "Public key of this site's packages"), func(ctx context.Context, _ *struct{}) (*body[KeyAnswer], error) {
		if _, err := caller(ctx); err != nil {
			return nil, err
		}
		public := s.Signing.Public().(ed25519.PublicKey)
		der, err := x509.MarshalPKIXPublicKey(public)
		if err != nil {
			return nil, problem(err)
		}
		return answer(KeyAnswer{Fingerprint: handover.Fingerprint(public), Simulated: s.Simulated,
			PEM: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))}), nil
	})
}

// valid is the newest evidence of a rack's gate that is not void.
func (s *Service) valid(ctx context.Context, r inventory.Rack, gate inventory.Gate) (inventory.Evidence, error) {
	rows, err := s.Store.Evidence(ctx, inventory.RackSubject(r.ID))
	if err != nil {
		return inventory.Evidence{}, err
	}
	for i := len(rows) - 1; i >= 0; i-- {
		if rows[i].Gate == gate && !rows[i].Void {
			return rows[i], nil
		}
	}
	return inventory.Evidence{}, missing(fmt.Errorf("rack %s at %s has no %s yet: %w", r.Name, r.Milestone, gate, inventory.ErrNotFound),
		"It is made once the rack is accepted by both sides. See what is still open: rackwright describe "+r.Name+".")
}

func (s *Service) getDraft(ctx context.Context, in *rackPath) (*body[Draft], error) {
	r, _, err := s.rack(ctx, in.Rack, auth.Read)
	if err != nil {
		return nil, err
	}
	e, err := s.valid(ctx, r, lifecycle.GateDraft)
	if err != nil {
		return nil, problem(err)
	}
	raw, err := s.Store.Document(ctx, e.Document)
	if err != nil {
		return nil, problem(err)
	}
	d := Draft{Digest: e.Document}
	if err := json.Unmarshal(raw, &d.Certificate); err != nil {
		return nil, problem(fmt.Errorf("draft of %s: %w", r.Name, err))
	}
	return answer(d), nil
}

// signDraft records who signed which draft, and in which role; that both sides
// are two people is the law's to say.
func (s *Service) signDraft(ctx context.Context, in *signatureIn) (*body[Draft], error) {
	action, gate, roles := auth.SignDeliverer, lifecycle.GateDeliverer, []inventory.Role{inventory.RoleTechnician, inventory.RoleVendor}
	if in.Body.Part == handover.Acceptor {
		action, gate, roles = auth.SignAcceptor, lifecycle.GateAcceptor, []inventory.Role{inventory.RoleAcceptor}
	}
	r, c, err := s.rack(ctx, in.Rack, action)
	if err != nil {
		return nil, err
	}
	e, err := s.valid(ctx, r, lifecycle.GateDraft)
	if err != nil {
		return nil, problem(err)
	}
	if in.Body.Draft != e.Document {
		return nil, problem(fmt.Errorf("the draft that is frozen now is %s, you read %s: read it again before you sign: %w", e.Document, in.Body.Draft, inventory.ErrConflict))
	}
	other := lifecycle.GateAcceptor
	if gate == other {
		other = lifecycle.GateDeliverer
	}
	o, err := s.valid(ctx, r, other)
	if err != nil && !errors.Is(err, inventory.ErrNotFound) {
		return nil, problem(err)
	}
	if err == nil && o.Document == e.Document {
		if err := auth.Different(inventory.PersonID(o.By), c.Person.ID, "a handover"); err != nil {
			return nil, problem(err)
		}
	}
	role := inventory.Role("")
	for _, g := range c.Grants {
		for _, want := range roles {
			if g.Role == want && auth.Covers(g, s.target(r), now()) {
				role = want
			}
		}
	}
	if _, err := s.Store.File(ctx, inventory.Evidence{Subject: inventory.RackSubject(r.ID), Gate: gate, Result: inventory.ResultPass,
		Producer: inventory.ByPersonSigned, Document: e.Document, At: now(), By: string(c.Person.ID), Detail: string(role), Simulated: s.Simulated}); err != nil {
		return nil, problem(err)
	}
	s.wake()
	return s.getDraft(ctx, &rackPath{Rack: in.Rack})
}

func (s *Service) getPackage(ctx context.Context, in *rackPath) (*packageOut, error) {
	r, _, err := s.rack(ctx, in.Rack, auth.Read)
	if err != nil {
		return nil, err
	}
	e, err := s.valid(ctx, r, lifecycle.GatePackage)
	if err != nil {
		return nil, problem(err)
	}
	raw, err := s.Store.Document(ctx, e.Document)
	if err != nil {
		return nil, problem(err)
	}
	return &packageOut{ContentType: "application/zip", Disposition: `attachment; filename="` + r.Name + `-handover.zip"`, Body: raw}, nil
}
