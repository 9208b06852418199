package images

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

func isNotFound(err error) bool { return errors.Is(err, inventory.ErrNotFound) }

// Handler serves blobs: GET and HEAD of /<digest> or /<64 hex digits>, with
// Range, Content-Length and an ETag that is the digest. It lists nothing. What
// may be fetched by whom is decided before it, by the room that mounts it.
func (s *Store) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "blobs are read only: use GET or HEAD", http.StatusMethodNotAllowed)
			return
		}
		name := r.URL.Path
		if len(name) > 0 && name[0] == '/' {
			name = name[1:]
		}
		if len(name) == 64 {
			name = "sha256:" + name
		}
		d, err := inventory.ParseDigest(name)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s.Serve(w, r, d, "application/octet-stream")
	})
}

// Serve answers one request with one blob under the given content type.
func (s *Store) Serve(w http.ResponseWriter, r *http.Request, d Digest, contentType string) {
	f, err := s.Open(r.Context(), d)
	switch {
	case isNotFound(err):
		http.Error(w, "no such blob", http.StatusNotFound)
		return
	case err != nil:
		http.Error(w, "the blob cannot be read; see the server's log", http.StatusInternalServerError)
		return
	}
	defer f.Close()
	w.Header().Set("ETag", fmt.Sprintf("%q", string(d)))
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	http.ServeContent(w, r, "", time.Time{}, f)
}
