package api

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"syscall"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/auth"
	"github.com/rackwright/rackwright/images"
	"github.com/rackwright/rackwright/inventory"
)

// maxBlob bounds one uploaded blob (8 GiB): the largest firmware bundles and
// disk images of today have less than 4.
const maxBlob = 8 << 30

const blobPath = "/v1/blobs"

// BlobAnswer is a stored blob.
type BlobAnswer struct {
	Digest inventory.Digest `json:"digest"`
	Size   int64            `json:"size" doc:"bytes"`
}

// bodyLimit is how much of a body one request may send.
func bodyLimit(r *http.Request) int64 {
	if r.Method == http.MethodPost && r.URL.Path == blobPath {
		return maxBlob
	}
	return maxBody
}

// putBlob stores a payload or a boot file as it streams in. The digest comes
// first, so that a cut or changed upload is never taken for a whole one.
func (s *Service) putBlob(w http.ResponseWriter, r *http.Request) {
	out, err := s.acceptBlob(r)
	if err != nil {
		writeProblem(w, err, inventory.CauseOf(r.Context()).Request)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Location", blobPath+"/"+string(out.Digest))
	w.WriteHeader(http.StatusCreated)
	_ = jsonFormat.Marshal(w, out) // the client is gone when this fails; the blob is kept
}

func (s *Service) acceptBlob(r *http.Request) (BlobAnswer, error) {
	c, err := s.may(r.Context(), auth.Import, inventory.Rack{})
	if err != nil {
		return BlobAnswer{}, err
	}
	want, err := inventory.ParseDigest(r.Header.Get("X-Digest"))
	if err != nil {
		return BlobAnswer{}, invalid("header X-Digest: "+err.Error(), "Send the SHA-256 of the whole body: X-Digest: sha256:$(sha256sum FILE | cut -c1-64).")
	}
	if r.ContentLength > maxBlob {
		return BlobAnswer{}, tooLarge(r.ContentLength)
	}
	n, err := s.Images.Store.Accept(r.Context(), r.Body, want)
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &long):
		return BlobAnswer{}, tooLarge(-1)
	case errors.Is(err, images.ErrDamaged):
		return BlobAnswer{}, invalid(fmt.Sprintf("the body is not what X-Digest says (%s): %v", want, err), "Nothing was kept. Compare the file with its source and send it again.")
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EROFS):
		return BlobAnswer{}, problem(fmt.Errorf("%w: %w", inventory.ErrReadOnly, err))
	case err != nil:
		return BlobAnswer{}, problem(err)
	}
	s.Log.Info("blob stored", "digest", want, "bytes", n, "by", c.Person.ID)
	return BlobAnswer{Digest: want, Size: n}, nil
}

func tooLarge(n int64) error {
	what := "the blob"
	if n >= 0 {
		what = fmt.Sprintf("the blob has %d bytes; it", n)
	}
	return &Problem{Type: "about:blank", Title: http.StatusText(http.StatusRequestEntityTooLarge), Status: http.StatusRequestEntityTooLarge, Code: "too_large",
		Detail: fmt.Sprintf("%s is larger than the limit of %d bytes", what, int64(maxBlob)), Fix: "Unpack the bundle and send its parts; nothing was kept.", cause: inventory.ErrInvalid}
}

// getBlob serves GET and HEAD with ranges. Blobs belong to no rack, so only a
// grant for the whole site reads them; machines use the provisioning address.
func (s *Service) getBlob(w http.ResponseWriter, r *http.Request) {
	err := func() error {
		if _, err := s.may(r.Context(), auth.Read, inventory.Rack{}); err != nil {
			return err
		}
		d, err := inventory.ParseDigest(r.PathValue("digest"))
		if err != nil {
			return invalid(err.Error(), "Write sha256: and 64 lower-case hex digits.")
		}
		f, err := s.Images.Store.Open(r.Context(), d)
		if errors.Is(err, inventory.ErrNotFound) {
			return noBlob(d)
		}
		if err != nil {
			return problem(err)
		}
		defer f.Close()
		s.Images.Store.Serve(w, r, d, octets)
		return nil
	}()
	if err != nil {
		writeProblem(w, err, inventory.CauseOf(r.Context()).Request)
	}
}

func noBlob(d inventory.Digest) error {
	return &Problem{Type: "about:blank", Title: http.StatusText(http.StatusNotFound), Status: http.StatusNotFound, Code: "not_found",
		Detail: fmt.Sprintf("blob %s is not here", d), Fix: "Upload it: rackwright import payload FILE, or POST /v1/blobs.", cause: inventory.ErrNotFound}
}

// documentBlobs puts the two streaming endpoints, which are no huma endpoints,
// into the contract.
func documentBlobs(doc *huma.OpenAPI) {
	binary := map[string]*huma.MediaType{octets: {Schema: &huma.Schema{Type: "string", Format: "binary"}}}
	text := &huma.Schema{Type: "string", Pattern: "^sha256:[0-9a-f]{64}$"}
	put := op(http.MethodPost, "/blobs", "put-blob", "Store a firmware payload or a boot file under its SHA-256; at most 8 GiB, streamed")
	put.Parameters = []*huma.Param{{Name: "X-Digest", In: "header", Required: true, Schema: text, Description: "of the whole body; other content is refused and nothing is kept"}}
	put.RequestBody = &huma.RequestBody{Required: true, Content: binary}
	put.Responses = map[string]*huma.Response{"201": {Description: "Stored, or here already", Content: map[string]*huma.MediaType{
		"application/json": {Schema: doc.Components.Schemas.Schema(reflect.TypeFor[BlobAnswer](), true, "BlobAnswer")}}}}
	get := op(http.MethodGet, "/blobs/{digest}", "get-blob", "A blob by its SHA-256, with ranges; HEAD answers without the body")
	get.Parameters = []*huma.Param{{Name: "digest", In: "path", Required: true, Schema: text}}
	get.Responses = map[string]*huma.Response{"200": {Description: "The blob", Content: binary}}
	doc.AddOperation(&put)
	doc.AddOperation(&get)
}
