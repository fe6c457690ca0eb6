package query_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/query"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

func TestStatusOfCompleted(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	settlement := s.settle(s.settlement(1, recipient))
	canonical := s.id(settlement, sender)
	again := *settlement
	again.AcceptedAt = accepted.Add(time.Hour) // the same request, sent again
	for _, id := range []string{canonical, s.id(&again, sender)} {
		w := s.get("dev-sender", "/fhir/_status/"+id)
		if w.Code != http.StatusOK {
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
		bundle := parse(t, w)
		modified := bundle.At("entry", "resource", "entry", "response", "lastModified").Text()
		if _, err := time.Parse("2006-01-02T15:04:05.000Z", modified); err != nil {
			t.Errorf("lastModified: %v", err)
		}
		entry := func(i int) string {
			r := settlement.Resources[i]
			return `{"response":{"status":"201 Created","location":"` + r.Type + `/` + r.ID.String() + `/_history/1","etag":"W/\"1\"","lastModified":"` + modified + `"}}`
		}
		want := `{"resourceType":"Bundle","id":"` + canonical + `","type":"batch-response","entry":[{"resource":` +
			`{"resourceType":"Bundle","type":"transaction-response","entry":[` + entry(0) + `,` + entry(1) + `]},"response":{"status":"200 OK"}}]}`
		if got := w.Body.String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestStatusOfSettledInOtherWays(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for n, test := range []struct {
		state  referral.State
		code   fhir.Code // of the stored outcome, none when empty
		status string
	}{
		{referral.Completed, fhir.CodeInformational, "200 OK"},
		{referral.Rejected, fhir.CodeConflict, "409 Conflict"},
		{referral.Rejected, fhir.CodeBusinessRule, "422 Unprocessable Entity"},
		{referral.Rejected, fhir.CodeException, "422 Unprocessable Entity"},
		{referral.Rejected, "", "422 Unprocessable Entity"},
		{referral.Cancelled, "", "410 Gone"},
	} {
		settlement := s.settlement(n)
		settlement.State = test.state
		if test.code != "" {
			severity := fhir.SeverityError
			if test.state == referral.Completed {
				severity = fhir.SeverityWarning
			}
			settlement.Outcome = string(fhir.Outcome([]fhir.Issue{
				{Severity: fhir.SeverityInformation, Code: fhir.CodeNotFound}, {Severity: severity, Code: test.code, Details: "a <b> & c"},
			}))
		}
		if test.state != referral.Completed {
			settlement.Resources = nil
		}
		s.settle(settlement)
		w := s.get("dev-sender", "/fhir/_status/"+s.id(settlement, sender))
		entry := parse(t, w).At("entry")
		if got := entry.At("response", "status").Text(); w.Code != http.StatusOK || got != test.status {
			t.Errorf("%s %s: got %d, entry %q, want %q", test.state, test.code, w.Code, got, test.status)
		}
		if got := entry.At("resource").ResourceType(); (got == "Bundle") != (test.state == referral.Completed) {
			t.Errorf("%s: got resource %q", test.state, got)
		}
		outcome := entry.At("response", "outcome")
		if want := test.code != "" || test.state != referral.Completed; (outcome.ResourceType() == "OperationOutcome") != want {
			t.Errorf("%s %s: got outcome %v", test.state, test.code, outcome)
		}
	}
}

func TestStatusBeforeSettlingIs202(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	unknown := s.settlement(1)
	quarantined := s.settlement(2)
	quarantined.State, quarantined.Resources = referral.Quarantined, nil
	s.settle(quarantined)
	for name, test := range map[string]struct {
		server            *server
		id                string
		progress, seconds string
	}{
		"no row":        {s, s.id(unknown, sender), "accepted, not settled yet", "5"},
		"quarantined":   {s, s.id(quarantined, sender), "accepted; it could not be settled and waits for an operator of the server", "10"},
		"store is down": {newServerOn(t, nowhere), s.id(unknown, sender), "accepted; the status cannot be read at the moment", "10"},
	} {
		w := test.server.get("dev-sender", "/fhir/_status/"+test.id)
		if w.Code != http.StatusAccepted || w.Header().Get("X-Progress") != test.progress || w.Header().Get("Retry-After") != test.seconds {
			t.Errorf("%s: got %d, X-Progress %q, Retry-After %q, want 202, %q, %q", name,
				w.Code, w.Header().Get("X-Progress"), w.Header().Get("Retry-After"), test.progress, test.seconds)
		}
		if got := parse(t, w).ResourceType(); got != "OperationOutcome" {
			t.Errorf("%s: got %q, want an OperationOutcome", name, got)
		}
	}
}

// A database that takes no connections is an outage, too, although PostgreSQL answers.
func TestStatusWhileTheStoreRefusesConnections(t *testing.T) {
	t.Parallel()
	store := pgtest.New(t)
	u, err := url.Parse(store)
	if err != nil {
		t.Fatal(err)
	}
	database := u.Path[1:]
	u.Path = "/postgres"
	conn, err := pgx.Connect(t.Context(), u.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), "alter database "+database+" allow_connections false"); err != nil {
		t.Fatal(err)
	}
	s := newServerOn(t, store)
	id := s.id(s.settlement(1), sender)
	if w := s.get("dev-sender", "/fhir/_status/"+id); w.Code != http.StatusAccepted || !strings.Contains(w.Header().Get("X-Progress"), "cannot be read") {
		t.Errorf("status: got %d %q, want 202", w.Code, w.Header().Get("X-Progress"))
	}
	if w := s.get("dev-sender", "/fhir/Patient"); w.Code != http.StatusServiceUnavailable {
		t.Errorf("search: got %d, want 503", w.Code)
	}
	if _, err := conn.Exec(t.Context(), "alter database "+database+" allow_connections true"); err != nil {
		t.Fatal(err)
	}
	if w := s.get("dev-sender", "/fhir/_status/"+id); w.Header().Get("X-Progress") != "accepted, not settled yet" {
		t.Errorf("with the store back: got %d %q", w.Code, w.Header().Get("X-Progress"))
	}
}

// A table that somebody holds, such as for a migration, is no reason to tell a sender that its submission failed.
func TestStatusWhileTheStoreIsLocked(t *testing.T) {
	t.Parallel()
	store := pgtest.New(t)
	s := newServerOn(t, store)
	id := s.id(s.settle(s.settlement(1)), sender)
	conn, err := pgx.Connect(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), "begin; lock table submission, resource"); err != nil {
		t.Fatal(err)
	}
	var waits sync.WaitGroup // of lock_timeout each
	waits.Go(func() {
		if w := s.get("dev-sender", "/fhir/_status/"+id); w.Code != http.StatusAccepted || !strings.Contains(w.Header().Get("X-Progress"), "cannot be read") {
			t.Errorf("status: got %d %q, want 202", w.Code, w.Header().Get("X-Progress"))
		}
	})
	for _, target := range []string{"/referrals/" + id, "/fhir/Patient", "/fhir/Patient/" + referral.UUID{1}.String()} {
		waits.Go(func() {
			if w := s.get("dev-sender", target); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
				t.Errorf("%s: got %d, want 503", target, w.Code)
			}
		})
	}
	waits.Wait()
	if _, err := conn.Exec(t.Context(), "rollback"); err != nil {
		t.Fatal(err)
	}
	if w := s.get("dev-sender", "/fhir/_status/"+id); w.Code != http.StatusOK {
		t.Errorf("with the lock gone: got %d", w.Code)
	}
}

func TestStatusRetryAfterGrowsWithAge(t *testing.T) {
	s := newServerOn(t, pgtest.New(t))
	for age, want := range map[time.Duration]string{-time.Hour: "1", 0: "1", 20 * time.Second: "5", time.Hour: "10"} {
		settlement := s.settlement(1)
		settlement.AcceptedAt = accepted.Add(20*time.Second - age)
		if got := s.get("dev-sender", "/fhir/_status/"+s.id(settlement, sender)).Header().Get("Retry-After"); got != want {
			t.Errorf("accepted %v ago: got Retry-After %q, want %q", age, got, want)
		}
	}
}

func TestStatusOfWhatIsNotGenuineIs404(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	settlement := s.settle(s.settlement(1, recipient))
	id := s.id(settlement, sender)
	flip := map[bool]string{true: "b", false: "a"}[id[20] == 'a']
	invented := s.get("dev-sender", "/fhir/_status/invented")
	for _, server := range []*server{s, newServerOn(t, nowhere)} { // with the store and without it
		for name, request := range map[string]struct{ key, id string }{
			"invented":               {"dev-sender", "1"},
			"mutated":                {"dev-sender", id[:20] + flip + id[21:]},
			"another organisation's": {"dev-other", id},
			"addressed recipient's":  {"dev-recipient", id},
			"tag of another":         {"dev-sender", s.id(settlement, unrelated)},
			"upper case":             {"dev-sender", strings.ToUpper(id)},
		} {
			w := server.get(request.key, "/fhir/_status/"+request.id)
			if err := same(w, invented); err != nil || w.Code != http.StatusNotFound {
				t.Errorf("%s: got %d; differs from an invented one: %v", name, w.Code, err)
			}
		}
	}
}

// TestStatusRetryAfterFitsTheBacklog: what settled last took as long as the queue is, as long as that is no old story.
func TestStatusRetryAfterFitsTheBacklog(t *testing.T) {
	t.Parallel()
	store := pgtest.New(t)
	s := newServerOn(t, store)
	last := s.settle(s.settlement(1))
	now := accepted.Add(20 * time.Second) // what the server takes it to be
	for _, test := range []struct {
		settled, took, age time.Duration // before now; until then; of what is asked for
		seconds, progress  string
	}{
		{time.Second, time.Minute, 0, "60", "; the last one before took 1m0s to settle"},
		{time.Second, time.Minute, 20 * time.Second, "40", "; the last one before took 1m0s to settle"},
		{time.Second, time.Hour, 0, "120", "; the last one before took 1h0m0s to settle"},
		{time.Second, 50 * time.Millisecond, 0, "1", "; the last one before took 50ms to settle"},
		{time.Second, time.Minute, 80 * time.Second, "5", "; the last one before took 1m0s to settle"}, // overdue
		{time.Second, time.Minute, time.Hour, "10", "; the last one before took 1m0s to settle"},
		{time.Hour, time.Minute, 0, "1", ""},
		{time.Hour, time.Minute, 20 * time.Second, "5", ""},
	} {
		execute(t, store, `update submission set settled_at = $1, accepted_at = $2 where d = $3`,
			now.Add(-test.settled), now.Add(-test.settled-test.took), last.Digest[:])
		asked := s.settlement(2)
		asked.AcceptedAt = now.Add(-test.age)
		w := s.get("dev-sender", "/fhir/_status/"+s.id(asked, sender))
		if got, progress := w.Header().Get("Retry-After"), w.Header().Get("X-Progress"); got != test.seconds || progress != "accepted, not settled yet"+test.progress {
			t.Errorf("%+v: got Retry-After %q, X-Progress %q", test, got, progress)
		}
	}
}

// TestStatusWaits polls for what settles meanwhile, for what does not, and without wanting to wait.
func TestStatusWaits(t *testing.T) {
	t.Parallel()
	store := pgtest.New(t)
	s := newServer(t)
	var waits []time.Duration
	settles := s.settlement(1)
	s = newServerWith(t, store, func(c *query.Config) {
		c.Await = func(ctx context.Context, org string, d referral.Digest) (postgres.Submission, bool, error) {
			deadline, _ := ctx.Deadline()
			waits = append(waits, time.Until(deadline).Round(time.Second))
			if d != settles.Digest {
				return postgres.Submission{}, false, nil
			}
			s.settle(settles)
			return s.query.Submission(ctx, org, d)
		}
	})
	for _, test := range []struct {
		prefer string
		n      int
		status int
		waits  []time.Duration
	}{
		{"", 2, 202, nil},
		{"wait=0", 2, 202, nil},
		{"respond-async, wait=5", 2, 202, nil},
		{"wait=5", 2, 202, []time.Duration{5 * time.Second}},
		{"wait=600", 2, 202, []time.Duration{20 * time.Second}},
		{"wait=7", 1, 200, []time.Duration{7 * time.Second}},
	} {
		waits = nil
		w := s.get("dev-sender", "/fhir/_status/"+s.id(s.settlement(test.n), sender), "Prefer", test.prefer)
		if w.Code != test.status || !slices.Equal(waits, test.waits) {
			t.Errorf("Prefer: %s: got %d, waited %v, want %d, %v", test.prefer, w.Code, waits, test.status, test.waits)
		}
	}
	if w := newServerOn(t, nowhere).get("dev-sender", "/fhir/_status/"+s.id(s.settlement(2), sender), "Prefer", "wait=5"); w.Code != 202 {
		t.Errorf("without anybody who waits: got %d", w.Code)
	}
}

// The whole store takes part: the poll is answered by the settlement.
func TestStatusWaitsForTheStore(t *testing.T) {
	t.Parallel()
	s := newServerWith(t, pgtest.New(t), func(c *query.Config) { c.Await = c.Store.(*postgres.DB).Await })
	settlement := s.settlement(1)
	settlement.Awaited = true
	var both sync.WaitGroup
	both.Go(func() {
		if w := s.get("dev-sender", "/fhir/_status/"+s.id(settlement, sender), "Prefer", "wait=20"); w.Code != http.StatusOK {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
	})
	s.settle(settlement)
	both.Wait()
}

func TestStatusShowsWhatThePollPrefers(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	settlement := s.settlement(1)
	settlement.Return = referral.ReturnRepresentation
	id := s.id(s.settle(settlement), sender)
	for prefer, want := range map[string]string{"": "Patient", "return=minimal": "", "return=OperationOutcome": "", "return=representation": "Patient"} {
		entry := parse(t, s.get("dev-sender", "/fhir/_status/"+id, "Prefer", prefer)).At("entry", "resource", "entry")
		if got := entry.At("resource").ResourceType(); got != want {
			t.Errorf("Prefer: %s: got resource %q, want %q", prefer, got, want)
		}
		if got := entry.At("response", "outcome").ResourceType(); (got != "") != strings.Contains(prefer, "Outcome") {
			t.Errorf("Prefer: %s: got outcome %q", prefer, got)
		}
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	settled, quarantined, unsettled := s.settle(s.settlement(1)), s.settlement(2), s.settlement(3)
	quarantined.State, quarantined.Resources = referral.Quarantined, nil
	s.settle(quarantined)
	for name, test := range map[string]struct {
		id     string
		key    string
		status int
		after  string // of the status's entry
	}{
		"not settled":            {s.id(unsettled, sender), "dev-sender", 202, "410 Gone"},
		"quarantined":            {s.id(quarantined, sender), "dev-sender", 202, "410 Gone"},
		"settled":                {s.id(settled, sender), "dev-sender", 409, "200 OK"},
		"another organisation's": {s.id(settled, sender), "dev-other", 404, ""},
		"addressed recipient's":  {s.id(unsettled, sender), "dev-recipient", 404, ""},
	} {
		for range 2 {
			w := s.do(test.key, http.MethodDelete, "/fhir/_status/"+test.id, "")
			if w.Code != test.status || parse(t, w).ResourceType() != "OperationOutcome" {
				t.Errorf("%s: got %d %s, want %d", name, w.Code, w.Body, test.status)
			}
		}
		if test.after == "" {
			continue
		}
		w := s.get(test.key, "/fhir/_status/"+test.id)
		if got := parse(t, w).At("entry", "response", "status").Text(); w.Code != 200 || got != test.after {
			t.Errorf("%s: then the status is %d %q, want 200 %q", name, w.Code, got, test.after)
		}
	}
	if settled, err := s.store.Settle(t.Context(), unsettled); err != nil || settled[0] {
		t.Errorf("what was cancelled settled: %v, %v", settled, err)
	}
	var view struct{ State string }
	if err := json.Unmarshal(s.get("dev-sender", "/referrals/"+s.id(unsettled, sender)).Body.Bytes(), &view); err != nil || view.State != "cancelled" {
		t.Errorf("/referrals says %q, %v", view.State, err)
	}
	if w := newServerOn(t, nowhere).do("dev-sender", http.MethodDelete, "/fhir/_status/"+s.id(s.settlement(4), sender), ""); w.Code != 503 {
		t.Errorf("without the store: got %d, want 503", w.Code)
	}
}

func execute(t testing.TB, store, statement string, args ...any) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), statement, args...); err != nil {
		t.Fatal(err)
	}
}
