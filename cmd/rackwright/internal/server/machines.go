package server

import "net/http"

// machines is what the provisioning listener serves: blobs by digest. It knows
// no person, no page and no API.
func (s *Server) machines() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/images/", http.StripPrefix("/images", s.images.Handler()))
	return mux
}
