package ingest

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// Sender puts a message on the queue. It returns nil only when the queue has it for good.
type Sender interface {
	Send(context.Context, *queue.Message) error
}

// Blobs keeps what is too large for the queue. Put returns nil only when the object is durable.
type Blobs interface {
	Put(ctx context.Context, key string, content []byte) error
}

// Checker finds what is wrong with a resource, by what it claims to be and by profiles, canonical URLs; path is the
// FHIRPath of v.
type Checker interface {
	Check(v *fhir.Value, path string, profiles ...string) []fhir.Issue
}

// Config is what a Server needs.
type Config struct {
	Authenticate func(*http.Request) (principal.Principal, error)
	Knows        func(org string) bool // whether an organisation could read what is addressed to it; nil: they are not asked for
	Queue        Sender
	Blobs        Blobs // nil: what does not fit the queue is refused
	Schemas      Checker
	Keys         *referral.Keys
	BaseURL      *url.URL // of status URLs, without /fhir; never taken from a request
	HTTP         fhirhttp.Server

	// Await returns what a FHIR server that settles at once would have answered to the submission with digest d, as soon
	// as it has settled, and nil when ctx ends before. nil: nobody can wait.
	Await       func(ctx context.Context, org string, d referral.Digest, prefer referral.Return) (*fhirhttp.Reply, error)
	DefaultWait time.Duration // of a request that prefers neither wait nor respond-async, at most 20 s; 0: none

	MaxBody     int64            // bytes of a decoded body; 0: 4 MiB
	MaxEntries  int              // entries of a Bundle; 0: 1,000
	MaxWork     int64            // bytes that bodies being parsed and checked take at once, about; 0: 64 MiB. More wait up to 2 s
	SendTimeout time.Duration    // 0: 5 s
	Now         func() time.Time // nil: time.Now
}

// Server accepts submissions over HTTP. It is safe for concurrent use.
type Server struct {
	Config
	work work
}

// New returns a Server with c's defaults filled in.
func New(c Config) *Server {
	if c.MaxBody == 0 {
		c.MaxBody = 4 << 20
	}
	if c.MaxEntries == 0 {
		c.MaxEntries = 1000
	}
	if c.MaxWork == 0 {
		c.MaxWork = 64 << 20
	}
	if c.SendTimeout == 0 {
		c.SendTimeout = 5 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Server{Config: c, work: newWork(c.MaxWork)}
}

// Register adds ingest's routes to mux.
func (s *Server) Register(mux fhirhttp.Mux) {
	for route, handler := range map[string]fhirhttp.Handler{
		"POST /fhir":                  s.submit,
		"POST /fhir/$process-message": s.processMessage,
		"POST /fhir/Bundle":           s.createBundle,
		"POST /fhir/$validate":        s.validate,
		"POST /fhir/{type}":           s.write,
		"PUT /fhir/{type}":            s.write,
		"PUT /fhir/{type}/{id}":       s.write,
		"PATCH /fhir/{type}":          s.write,
		"PATCH /fhir/{type}/{id}":     s.write,
		"DELETE /fhir/{type}":         s.write,
		"DELETE /fhir/{type}/{id}":    s.write,
	} {
		mux.Handle(route, s.HTTP.Handle(route, handler))
	}
	mux.Handle("POST /fhir/{$}", s.HTTP.Handle("POST /fhir", s.submit))
	mux.Handle("POST /fhir/{type}/$validate", s.HTTP.Handle("POST /fhir/$validate", s.validate))
}
