package tenancy

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/infra/eventsource"
	"github.com/ausbizconsulting/referral-fhir-server/ingest"
	"github.com/ausbizconsulting/referral-fhir-server/processor"
	"github.com/ausbizconsulting/referral-fhir-server/query"
	"github.com/ausbizconsulting/referral-fhir-server/schemas"
	"github.com/ausbizconsulting/referral-fhir-server/shared/answer"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue/sqsqueue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

const base = "https://referral.example"

// stack is the whole server as one handler, without a queue: what is sent has settled when it is answered.
type stack struct {
	http.Handler
	mux     *http.ServeMux
	routes  []string
	reader  *postgres.DB // query's
	writer  *postgres.DB // processor's
	callers map[string]caller
}

// options are how a stack reaches its store, and what stands in its way.
type options struct {
	url    string
	suffix string // of the roles: empty, or bypassing
	conns  int32  // of each of the two pools
	wrap   func(*ingest.Config, *processor.Config)
}

func newStack(t testing.TB, o options) *stack {
	t.Helper()
	keys, err := referral.NewKeys(bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32))
	if err != nil {
		t.Fatal(err)
	}
	callers, authenticator := newCallers(t)
	s := &stack{mux: http.NewServeMux(), callers: callers, reader: open(t, o, postgres.RoleQuery), writer: open(t, o, postgres.RoleProcessor)}
	baseURL := &url.URL{Scheme: "https", Host: "referral.example"}
	checker := schemas.New(schemas.Config{Base: base + "/fhir"})
	settle := processor.Config{
		Store: s.writer, Schemas: checker, Keys: keys, BaseURL: baseURL, CreationWindow: -1,
	}
	accept := ingest.Config{
		Authenticate: authenticator.Authenticate, Knows: authenticator.Knows, Schemas: checker, Keys: keys, BaseURL: baseURL, DefaultWait: 10 * time.Second,
		Await: answer.Answers{Store: s.reader, Keys: keys, BaseURL: baseURL}.Await(s.reader.Await),
	}
	read := query.Config{
		Authenticate: authenticator.Authenticate, Store: s.reader, Await: s.reader.Await, Keys: keys, BaseURL: baseURL,
	}
	if o.wrap != nil {
		o.wrap(&accept, &settle)
	}
	accept.Queue = sqsqueue.New(eventsource.NewDirect(processor.New(settle).HandleSQS, 10*time.Second, slog.New(slog.DiscardHandler)), "")
	fhirhttp.RegisterHealth(s, fhirhttp.Parts{"store": s.reader.Ready})
	ingest.New(accept).Register(s)
	query.New(read).Register(s)
	s.Handler = fhirhttp.Server{}.Routes(s.mux)
	return s
}

// Handle registers a route, and notes it.
func (s *stack) Handle(pattern string, handler http.Handler) {
	s.routes = append(s.routes, pattern)
	s.mux.Handle(pattern, handler)
}

func open(t testing.TB, o options, role string) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(postgres.Config{URL: o.url, Role: role + o.suffix, MaxConns: o.conns})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

// do sends a request as the named caller.
func (s *stack) do(ctx context.Context, name string, q request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.serve(ctx, w, name, q, strings.NewReader(q.body))
	return w
}

// serve is do with another body and writer.
func (s *stack) serve(ctx context.Context, w http.ResponseWriter, name string, q request, body io.Reader) {
	r := httptest.NewRequestWithContext(ctx, q.method, q.target, body)
	r.Header.Set("X-Request-Id", "request-1")
	switch {
	case q.body == "":
	case q.method == http.MethodPatch:
		r.Header.Set("Content-Type", "application/json-patch+json")
	case strings.HasSuffix(r.URL.Path, "/_search"):
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	default:
		r.Header.Set("Content-Type", "application/fhir+json")
	}
	if q.header[0] != "" {
		r.Header.Set(q.header[0], q.header[1])
	}
	s.callers[name].show(r)
	s.ServeHTTP(w, r)
}

// request is one with nothing left to fill in.
type request struct {
	method, target string
	header         [2]string // one, or none
	body           string
}
