package fhirhttp

import (
	"context"
	"encoding/json"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// Mux is what routes are added to: an http.ServeMux.
type Mux interface {
	Handle(pattern string, handler http.Handler)
}

// Routes returns mux with an answer for what it does not match: 405 with Allow where the path is served for other
// methods, 404 elsewhere, also for paths that http.ServeMux would redirect, such as //fhir and /fhir/../fhir, or answers itself (OPTIONS *). Nothing
// may be registered under "/" before.
func (s Server) Routes(mux *http.ServeMux) http.Handler {
	mux.Handle("/", s.unmatched(mux))
	nowhere := s.Handle("other", func(*Response, *http.Request) error { return nothingServed() })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if clean := path.Clean(r.URL.Path); clean != r.URL.Path && clean+"/" != r.URL.Path || r.RequestURI == "*" {
			nowhere.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func (s Server) unmatched(mux *http.ServeMux) http.Handler {
	return s.Handle("other", func(w *Response, r *http.Request) error {
		var allowed []string
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
			other := r.Clone(r.Context())
			other.Method = method
			if _, pattern := mux.Handler(other); pattern != "/" && pattern != "" {
				allowed = append(allowed, method)
			}
		}
		if len(allowed) == 0 || slices.Contains(allowed, r.Method) {
			return nothingServed()
		}
		return NotAllowed(w, "This address does not take the method; see the header Allow", allowed...)
	})
}

func nothingServed() error {
	return fhir.NewError(fhir.CodeNotFound, "", "Nothing is served at this address")
}

// NotAllowed returns a 405 *fhir.Error, and tells in Allow the methods that the address takes (RFC 9110 §15.5.6).
func NotAllowed(w *Response, details string, allowed ...string) error {
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	return fhir.NewError(fhir.CodeNotSupported, "", details).WithStatus(http.StatusMethodNotAllowed)
}

// Parts are what a process needs to serve, by name, each with a check that returns an error when it does not work.
type Parts map[string]func(context.Context) error

// readyTimeout is within what load balancers allow.
const readyTimeout = 2 * time.Second

// RegisterHealth adds GET /health/live, which is 200 while the process runs, and GET /health/ready, which is 200
// when all parts work and 503 otherwise, with each part's state as JSON.
func RegisterHealth(mux Mux, parts Parts) {
	mux.Handle("GET /health/live", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		writeHealth(w, r, http.StatusOK, map[string]string{"status": "live"})
	}))
	mux.Handle("GET /health/ready", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		var mu sync.Mutex
		states, status := map[string]string{}, http.StatusOK // guarded by mu
		var wg sync.WaitGroup
		for name, check := range parts {
			wg.Go(func() {
				err := check(ctx)
				mu.Lock()
				defer mu.Unlock()
				states[name] = "ready"
				if err != nil {
					states[name], status = "unavailable", http.StatusServiceUnavailable
				}
			})
		}
		wg.Wait()
		writeHealth(w, r, status, states)
	}))
}

func writeHealth(w http.ResponseWriter, r *http.Request, status int, states map[string]string) {
	protect(w.Header(), r)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(states) // the client's loss if it has gone
}
