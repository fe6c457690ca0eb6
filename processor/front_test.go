package processor_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/ingest"
	"github.com/ausbizconsulting/referral-fhir-server/query"
	"github.com/ausbizconsulting/referral-fhir-server/schemas"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
)

// senderFunc is a queue of ingest.
type senderFunc func(*queue.Message)

func (f senderFunc) Send(_ context.Context, m *queue.Message) error { f(m); return nil }

// front is ingest and query, and what ingest has sent last.
type front struct {
	http.Handler
	sent *queue.Message
}

// front serves the store of f by a clock that is wrong by skew; what reads of the store is the result of wrap, if there is one.
func (f *fixture) front(t *testing.T, skew time.Duration, wrap func(query.Store) query.Store) *front {
	t.Helper()
	db, err := postgres.Open(postgres.Config{URL: f.url, Role: postgres.RoleQuery, MaxConns: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	var reader query.Store = db
	if wrap != nil {
		reader = wrap(db)
	}
	mux, base := http.NewServeMux(), &url.URL{Scheme: "https", Host: "referrals.example"}
	s := &front{Handler: mux}
	authenticate := principal.Development().Authenticate
	ingest.New(ingest.Config{
		Authenticate: authenticate, Queue: senderFunc(func(m *queue.Message) { s.sent = m }),
		Schemas: schemas.New(schemas.Config{}), Keys: f.keys, BaseURL: base, Now: clock(skew),
	}).Register(mux)
	query.New(query.Config{Authenticate: authenticate, Store: reader, Keys: f.keys, BaseURL: base, Now: clock(skew)}).Register(mux)
	return s
}

// ask sends a request of dev-sender, with an Idempotency-Key where it has a body.
func (s *front) ask(t *testing.T, method, url, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, url, strings.NewReader(body))
	r.Header.Set("X-Api-Key", "dev-sender")
	if body != "" {
		r.Header.Set("Content-Type", "application/fhir+json")
		r.Header.Set("Idempotency-Key", "k")
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}
