package query_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/query"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

// The organisations of the development clients dev-sender, dev-recipient and dev-other.
const (
	sender    = "8003621566684455"
	recipient = "8003624900041689"
	unrelated = "8003629900040359"
)

var accepted = time.Date(2026, 11, 22, 1, 2, 3, 456e6, time.UTC)

// server is query's routes over a store of their own.
type server struct {
	testing.TB
	http.Handler
	keys  *referral.Keys
	store *postgres.DB // as the processor
	query *postgres.DB
}

func newServer(t testing.TB) *server {
	t.Helper()
	return newServerOn(t, pgtest.New(t))
}

func newServerOn(t testing.TB, store string) *server {
	t.Helper()
	return newServerWith(t, store, func(*query.Config) {})
}

// newServerWith is newServerOn with more in its configuration.
func newServerWith(t testing.TB, store string, configure func(*query.Config)) *server {
	t.Helper()
	keys, err := referral.NewKeys(bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32))
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	s := &server{TB: t, Handler: mux, keys: keys, store: open(t, store, postgres.RoleProcessor), query: open(t, store, postgres.RoleQuery)}
	c := query.Config{
		Authenticate: principal.Development().Authenticate, Store: s.query, Keys: keys,
		BaseURL:   &url.URL{Scheme: "https", Host: "referral.example"},
		Now:       func() time.Time { return accepted.Add(20 * time.Second) },
		PageBytes: 64 << 10,
	}
	configure(&c)
	query.New(c).Register(mux)
	return s
}

func open(t testing.TB, url, role string) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(postgres.Config{URL: url, Role: role})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

// do sends a request as the client with key, or as nobody; header is names and values.
func (s *server) do(key, method, target, body string, header ...string) *httptest.ResponseRecorder {
	s.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("X-Request-Id", "request-1")
	if key != "" {
		r.Header.Set("X-Api-Key", key)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func (s *server) get(key, target string, header ...string) *httptest.ResponseRecorder {
	s.Helper()
	return s.do(key, http.MethodGet, target, "", header...)
}

// parse returns the body as a document, which has to pass the strict gate.
func parse(t testing.TB, w *httptest.ResponseRecorder) *fhir.Value {
	t.Helper()
	v, err := fhir.Parse(w.Body.Bytes(), "", fhir.Limits{})
	if err != nil {
		t.Fatalf("answer %d is not FHIR JSON: %v\n%s", w.Code, err, w.Body)
	}
	return v
}

// settlement is submission n of the sender: a Patient and a ServiceRequest for it.
func (s *server) settlement(n int, readers ...string) *postgres.Settlement {
	s.Helper()
	settlement := &postgres.Settlement{
		Org: sender, Client: "dev-sender", AcceptedAt: accepted, RequestID: "r", KeyKind: referral.KeyHeader,
		State: referral.Completed, Attempts: 2, Readers: readers, BundleType: "transaction", Service: "Echocardiogram",
		Priority: "urgent", Authored: "2026-11-22", Content: []byte("zstd"), Encoding: "zstd",
	}
	binary.BigEndian.PutUint64(settlement.Digest[:], uint64(n)+1)
	settlement.Key = [32]byte(append(settlement.Digest[:], settlement.Digest[:]...))
	id := func(entry int) referral.UUID {
		return s.keys.ResourceID(sender, settlement.Digest, accepted, entry)
	}
	settlement.Patient, settlement.Request = "Patient/"+id(0).String(), "ServiceRequest/"+id(1).String()
	identifier := fmt.Sprintf(`"identifier":[{"system":"http://example.org/mrn","value":"SYN-%d"}]`, n)
	for i, r := range []struct{ resourceType, content string }{
		{"Patient", identifier + `,"multipleBirthInteger":1`},
		{"ServiceRequest", identifier + `,"quantityQuantity":{"value":1.50},"subject":{"reference":"` + settlement.Patient + `"}`},
	} {
		resource, err := fhir.Parse([]byte(`{"resourceType":"`+r.resourceType+`",`+r.content+`}`), r.resourceType, fhir.Limits{})
		if err != nil {
			s.Fatal(err)
		}
		settlement.Resources = append(settlement.Resources, postgres.Resource{
			ID: id(i), Type: r.resourceType, Readers: readers, Meta: `"profile":["http://example.org/profile"]`, Content: r.content,
			Keys: search.Index(resource, func(reference string) string { return reference }),
		})
	}
	return settlement
}

func (s *server) settle(settlement *postgres.Settlement) *postgres.Settlement {
	s.Helper()
	if settled, err := s.store.Settle(s.Context(), settlement); err != nil || !settled[0] {
		s.Fatalf("settle: %v, %v", settled, err)
	}
	return settlement
}

// revise settles, as submission n, the next version of a resource; no content deletes it.
func (s *server) revise(n int, r postgres.Resource, content string) postgres.Resource {
	s.Helper()
	r.Version, r.Content, r.Keys, r.Deleted, r.Replaces = max(r.Version, 1)+1, content, nil, content == "", &postgres.Replaced{}
	settlement := s.settlement(n)
	settlement.BundleType, settlement.Resources, settlement.Request, settlement.Patient = "update", []postgres.Resource{r}, "", ""
	settlement.Answers = []referral.Answer{{Status: 200, Version: r.Name()}}
	settled, err := s.store.Revise(s.Context(), settlement, postgres.Lookup{}, func(*postgres.Found) error { return nil })
	if err != nil || !settled {
		s.Fatalf("revise: %v, %v", settled, err)
	}
	return r
}

// id is the submission id of settlement as org would have it.
func (s *server) id(settlement *postgres.Settlement, org string) string {
	return s.keys.Mint(referral.Submission{Org: org, AcceptedAt: settlement.AcceptedAt, Digest: settlement.Digest})
}

// same tells that two answers cannot be told apart.
func same(a, b *httptest.ResponseRecorder) error {
	if a.Code != b.Code || a.Body.String() != b.Body.String() {
		return fmt.Errorf("%d %s\nand %d %s", a.Code, a.Body, b.Code, b.Body)
	}
	for name := range a.Header() {
		if a.Header().Get(name) != b.Header().Get(name) {
			return errors.New("they differ in the header " + name)
		}
	}
	if len(a.Header()) != len(b.Header()) {
		return errors.New("they have other headers")
	}
	return nil
}

func TestEveryReadNeedsAKeyAndTheScopeRead(t *testing.T) {
	s := newServerOn(t, nowhere)
	for _, target := range []string{
		"/fhir/_status/x", "/fhir/Patient/x", "/fhir/Patient/x/_history", "/fhir/Patient/x/_history/1", "/referrals/x/bundle",
		"/fhir/_history", "/fhir/Patient/_history", "/fhir/Patient/x/$everything", "/fhir/ServiceRequest/x/$everything",
		"/fhir/Patient", "/fhir/Unknown", "/fhir/Unknown/x", "/referrals", "/referrals/x",
	} {
		for key, want := range map[string]int{"": 401, "dev-nobody": 401, "dev-operator": 403} {
			if got := s.get(key, target).Code; got != want {
				t.Errorf("%s with key %q: got %d, want %d", target, key, got, want)
			}
		}
		if got := s.get("dev-sender", target, "Accept", "application/fhir+xml").Code; got != http.StatusNotAcceptable {
			t.Errorf("%s as XML: got %d, want 406", target, got)
		}
	}
	if got := s.do("", http.MethodPost, "/fhir/Patient/_search", "", "Content-Type", form).Code; got != 401 {
		t.Errorf("search by POST without a key: got %d, want 401", got)
	}
}

const (
	nowhere = "postgres://nobody@127.0.0.1:1/none" // nothing listens there
	form    = "application/x-www-form-urlencoded"
)
