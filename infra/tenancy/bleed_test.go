package tenancy

import (
	"context"
	"flag"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/ingest"
	"github.com/ausbizconsulting/referral-fhir-server/processor"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
)

// For longer: go test ./infra/tenancy -run TestNothingStaysOnAConnection -requests 100000 -v
var requests = flag.Int("requests", 10_000, "how many requests TestNothingStaysOnAConnection sends, of which one in twelve is disturbed")

// whose asks of the connection itself, in the place of a ping, whether an organisation is still set on it.
func whose(sql string) string {
	if sql != "-- ping" {
		return sql
	}
	return `do $$ begin
		if current_setting('app.org', true) <> '' then raise 'an organisation is set'; end if;
	end $$`
}

// TestNothingStaysOnAConnection: two organisations take turns on pools of one connection each, and every now and then
// a request is cancelled on its way, or something panics before, amid or after its transaction. Nobody sees anything of
// the other's, and no organisation is set on the connections afterwards.
func TestNothingStaysOnAConnection(t *testing.T) {
	t.Parallel()
	var panics atomic.Bool
	s := newStack(t, options{url: proxied(t, pgtest.New(t), whose), conns: 1, wrap: func(_ *ingest.Config, c *processor.Config) {
		c.Schemas = panickingChecker{c.Schemas, &panics}
	}})
	w := newWorld(t, s)
	turns := []struct{ name, own string }{{"A", "p"}, {"C", "c"}}
	random, counts := rand.New(rand.NewPCG(1, 2)), map[string]int{}
	for i := range *requests {
		turn := turns[i%2]
		asked := reads[random.IntN(len(reads))]
		if random.IntN(10) == 0 {
			asked = writes[random.IntN(len(writes))]
		}
		a := httptest.NewRecorder()
		ctx, cancel := context.WithCancel(t.Context())
		writer := http.ResponseWriter(a)
		disturbance := "none"
		switch random.IntN(50) {
		case 0: // which costs a connection
			disturbance = "cancelled"
			time.AfterFunc(time.Duration(random.IntN(3000))*time.Microsecond, cancel)
		case 1:
			disturbance, asked = "panic in the body", writes[random.IntN(len(writes))]
		case 2:
			disturbance, asked = "panic in the transaction", patch
		case 3:
			disturbance, writer = "panic in the answer", panicking{ResponseWriter: a}
		}
		q := row{asked: strings.ReplaceAll(asked, "{own", "{"+turn.own)}.request(t, w)
		body := io.Reader(strings.NewReader(q.body))
		if disturbance == "panic in the body" {
			body = panicking{}
		}
		panics.Store(disturbance == "panic in the transaction")
		s.serve(ctx, writer, turn.name, q, body)
		cancel()
		counts[disturbance]++
		if got := seen(a.Body.String()); strings.Trim(got, turn.own+"s") != "" || turn.name == "C" && strings.Contains(got, "s") {
			t.Fatalf("request %d, %s %s of %s, %s: it sees something of %s", i, q.method, q.target, turn.name, disturbance, got)
		}
		if disturbance == "none" && a.Code >= http.StatusBadRequest {
			t.Fatalf("request %d, %s %s of %s: got %d %s", i, q.method, q.target, turn.name, a.Code, a.Body)
		}
		if strings.HasPrefix(disturbance, "panic in the") && writer == a && a.Code < http.StatusInternalServerError {
			t.Fatalf("request %d, %s %s of %s, %s: got %d, as if nothing had been", i, q.method, q.target, turn.name, disturbance, a.Code)
		}
		if i%100 != 99 && disturbance == "none" {
			continue
		}
		for _, db := range []*postgres.DB{s.reader, s.writer} {
			if err := db.Ready(t.Context()); err != nil {
				t.Fatalf("after request %d, %s %s of %s, %s: %v", i, q.method, q.target, turn.name, disturbance, err)
			}
		}
	}
	t.Logf("requests by what disturbed them: %v", counts)
}

// TestWhatStaysOnAConnectionIsSeen: were an organisation set for the session and not for the transaction, the test
// above would fail.
func TestWhatStaysOnAConnectionIsSeen(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{conns: 1, url: proxied(t, pgtest.New(t), func(sql string) string {
		return whose(strings.ReplaceAll(sql, `set_config('app.org', $1, true)`, `set_config('app.org', $1, false)`))
	})})
	if err := s.reader.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.do(t.Context(), "A", request{method: http.MethodGet, target: "/fhir/Patient"})
	if err := s.reader.Ready(t.Context()); err == nil {
		t.Error("an organisation is set on the connection, and nobody sees it")
	}
}

// The requests for which their caller's own things are enough.
var (
	reads = []string{
		"GET /fhir/Patient/{own.Patient}", "GET /fhir/Patient/{own.Patient}/_history?_count=2", "GET /fhir/Task?patient={own.Patient}",
		"GET /fhir/Patient?identifier=https://example.org/tenancy%7Cshared", "GET /referrals?_count=5", "GET /referrals/{own}",
		"GET /referrals/{own}/bundle", "GET /fhir/_status/{own} Prefer: return=representation",
	}
	writes = []string{
		patch, "POST /fhir <transaction>",
		"POST /fhir/Patient If-None-Exist: identifier=https://example.org/tenancy%7C{own.value} <patient>",
	}
)

const patch = "PATCH /fhir/Patient/{own.Patient} <patch>"

// panicking panics where it is used to read or write.
type panicking struct{ http.ResponseWriter }

func (panicking) Read([]byte) (int, error)  { panic("a reader") }
func (panicking) Write([]byte) (int, error) { panic("a writer") }

// panickingChecker panics when it is asked to, in the transaction in which a patched resource is checked.
type panickingChecker struct {
	processor.Checker
	panics *atomic.Bool
}

func (c panickingChecker) Check(v *fhir.Value, path string, profiles ...string) []fhir.Issue {
	if c.panics.Load() {
		panic("a checker")
	}
	return c.Checker.Check(v, path, profiles...)
}
