package query

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/answer"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// Store reads on behalf of an organisation, and finds nothing but what that may read.
type Store interface {
	answer.Store
	Submission(ctx context.Context, org string, d referral.Digest) (s postgres.Submission, found bool, err error)
	Standing(ctx context.Context, org string, d referral.Digest) (s postgres.Submission, found bool, p postgres.Pace, err error)
	Cancel(ctx context.Context, c postgres.Cancellation) (referral.State, error)
	Read(ctx context.Context, org, resourceType string, id referral.UUID) (v postgres.Version, found bool, err error)
	History(ctx context.Context, org string, h postgres.History) (v postgres.Versions, known bool, err error)
	Writes(ctx context.Context, org string, w postgres.Writes) (v postgres.Versions, next *postgres.Written, err error)
	Everything(ctx context.Context, org string, e postgres.Everything) (postgres.Surroundings, error)
	List(ctx context.Context, org string, l postgres.List) (postgres.Listed, error)
	Search(ctx context.Context, org string, s postgres.Search) (found []postgres.Version, more bool, err error)
	Accessed(ctx context.Context, org string, a postgres.Access) error
	Audits(ctx context.Context, org string, a postgres.Audits) (rows []postgres.Audited, more bool, err error)
}

// Config is what a Server needs.
type Config struct {
	Authenticate func(*http.Request) (principal.Principal, error)
	Store        Store
	Keys         *referral.Keys
	BaseURL      *url.URL // of fullUrls and links, without /fhir; never taken from a request
	HTTP         fhirhttp.Server
	// Await returns the submission as soon as it has settled; found is false when ctx ends before. It serves polls that
	// wait; nil: they are answered at once.
	Await func(ctx context.Context, org string, d referral.Digest) (s postgres.Submission, found bool, err error)

	Version  string    // of the software, for the CapabilityStatement; empty: "development"
	Released time.Time // CapabilityStatement.date; zero: the day this interface was first published

	// The limits of ingest, for the CapabilityStatement: in bytes after decoding, 0: 4 MiB; and in entries, 0: 1,000.
	MaxBody    int64
	MaxEntries int

	PageBytes    int              // of resources in a page of results, about; 0: 4 MiB
	StoreTimeout time.Duration    // 0: 5 s
	Now          func() time.Time // nil: time.Now
}

// Server answers reads over HTTP. It is safe for concurrent use.
type Server struct {
	Config
	answers    answer.Answers
	capability []byte
	openAPI    func() []byte // made when it is first asked for, which takes longer than all else here
}

// New returns a Server with c's defaults filled in.
func New(c Config) *Server {
	if c.Version == "" {
		c.Version = "development"
	}
	if c.Released.IsZero() {
		c.Released = time.Date(2026, time.November, 22, 0, 0, 0, 0, time.UTC)
	}
	if c.MaxBody == 0 {
		c.MaxBody = 4 << 20
	}
	if c.MaxEntries == 0 {
		c.MaxEntries = 1000
	}
	if c.PageBytes == 0 {
		c.PageBytes = 4 << 20
	}
	if c.StoreTimeout == 0 {
		c.StoreTimeout = 5 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Server{
		Config: c, answers: answer.Answers{Store: c.Store, Keys: c.Keys, BaseURL: c.BaseURL},
		capability: capabilityStatement(c), openAPI: sync.OnceValue(func() []byte { return openAPI(c) }),
	}
}

// Register adds query's routes to mux. GET serves HEAD, too.
func (s *Server) Register(mux fhirhttp.Mux) {
	for route, handler := range map[string]fhirhttp.Handler{
		"GET /openapi.yaml":                        s.describe,
		"GET /fhir/metadata":                       s.metadata,
		"GET /fhir/_status/{id}":                   s.json(principal.Read, s.status),
		"DELETE /fhir/_status/{id}":                s.json(principal.Submit, s.cancel),
		"GET /fhir/_history":                       s.json(principal.Read, s.writes),
		"GET /fhir/{type}/{id}":                    s.authorized(principal.Read, s.read),
		"GET /fhir/{type}/{id}/_history":           s.json(principal.Read, s.history),
		"GET /fhir/{type}/{id}/_history/{version}": s.authorized(principal.Read, s.vread),
		"GET /fhir/{type}":                         s.json(principal.Read, s.search),
		"POST /fhir/{type}/_search":                s.json(principal.Read, s.searchForm),
		"GET /fhir/AuditEvent":                     s.byScope(s.searchAudit, takesJSON(s.search)),
		"GET /fhir/AuditEvent/{id}":                s.byScope(s.readAudit, s.read),
		everythingOf("GET", "Patient"):             s.json(principal.Read, s.everything("Patient")),
		everythingOf("POST", "Patient"):            s.json(principal.Read, s.everything("Patient")),
		everythingOf("GET", "ServiceRequest"):      s.json(principal.Read, s.everything("ServiceRequest")),
		everythingOf("POST", "ServiceRequest"):     s.json(principal.Read, s.everything("ServiceRequest")),
		"GET /referrals":                           s.json(principal.Read, s.referrals),
		"GET /referrals/{id}":                      s.json(principal.Read, s.referral),
		"GET /referrals/{id}/bundle":               s.json(principal.Read, s.original),
	} {
		mux.Handle(route, s.HTTP.Handle(route, handler))
	}
}

// authenticated returns h for callers that are known.
func (s *Server) authenticated(h fhirhttp.Handler) fhirhttp.Handler {
	return func(w *fhirhttp.Response, r *http.Request) error {
		p, err := s.Authenticate(r)
		if err != nil {
			return err
		}
		w.Principal = p
		return h(w, r)
	}
}

// authorized is authenticated for callers that have the scope.
func (s *Server) authorized(scope principal.Scope, h fhirhttp.Handler) fhirhttp.Handler {
	return s.authenticated(func(w *fhirhttp.Response, r *http.Request) error {
		if err := w.Principal.Allow(scope); err != nil {
			return err
		}
		return h(w, r)
	})
}

// json is authorized for callers that take JSON.
func (s *Server) json(scope principal.Scope, h fhirhttp.Handler) fhirhttp.Handler {
	return s.authorized(scope, takesJSON(h))
}

// takesJSON is h for callers that take JSON.
func takesJSON(h fhirhttp.Handler) fhirhttp.Handler {
	return func(w *fhirhttp.Response, r *http.Request) error {
		if err := fhirhttp.CheckAccept(r); err != nil {
			return err
		}
		return h(w, r)
	}
}

// parameters returns those of a URL. The error is a *fhir.Error.
func parameters(r *http.Request) (url.Values, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fhir.NewError(fhir.CodeValue, "", "The query string is malformed")
	}
	return values, nil
}

// notFound is the one answer for what does not exist, what is not the caller's and what cannot be an id.
func notFound() error {
	return fhir.NewError(fhir.CodeNotFound, "", "There is nothing here with this id that this client may read")
}

// storeError returns what a caller is told about a failed read: that it may work later when the store did not answer
// now, else that the server is at fault.
func storeError(err error) error {
	if mayAnswerLater(err) {
		return fhir.NewError(fhir.CodeTransient, "", "").WithCause(err)
	}
	return err
}

// mayAnswerLater tells whether the store failed for being down, busy or slow.
func mayAnswerLater(err error) bool {
	return errors.Is(err, postgres.ErrUnavailable) || errors.Is(err, postgres.ErrBusy) || errors.Is(err, context.DeadlineExceeded)
}

// encode is json.Marshal without the escapes that only HTML needs: links are there to be pasted.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
