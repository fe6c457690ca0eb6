package answer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/schemas"
	"github.com/ausbizconsulting/referral-fhir-server/shared/answer"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

const (
	sender = "8003621566684455"
	one    = "Patient/019a0000-0000-7000-8000-000000000001/_history/1"
	two    = "Patient/019a0000-0000-7000-8000-000000000001/_history/2"
	other  = "Task/019a0000-0000-7000-8000-000000000002/_history/7"
)

var settledAt = time.Date(2026, 11, 22, 1, 2, 3, 456e6, time.UTC)

// store has versions and the body of one submission, and counts how often it is asked.
type store struct {
	versions map[string]postgres.Version
	original []byte // compressed
	asked    int
}

func (s *store) Versions(_ context.Context, org string, names []string) (map[string]postgres.Version, error) {
	s.asked++
	found := map[string]postgres.Version{}
	for _, name := range names {
		if v, ok := s.versions[name]; ok && org == sender {
			found[name] = v
		}
	}
	return found, nil
}

func (s *store) Original(context.Context, string, referral.Digest) (postgres.Original, bool, error) {
	s.asked++
	return postgres.Original{Content: s.original, BundleType: "message"}, s.original != nil, nil
}

func newStore() *store {
	s := &store{versions: map[string]postgres.Version{}}
	for _, name := range []string{one, two, other} {
		s.add(name, `"language":"en"`)
	}
	return s
}

func (s *store) add(name, content string) {
	parts := strings.Split(name, "/")
	v := postgres.Version{Type: parts[0], ID: parts[1], LastUpdated: settledAt, Content: content}
	fmt.Sscan(parts[3], &v.Number)
	s.versions[name] = v
}

func answers(t testing.TB, s *store) answer.Answers {
	t.Helper()
	keys, err := referral.NewKeys(bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return answer.Answers{Store: s, Keys: keys, BaseURL: &url.URL{Scheme: "https", Host: "referral.example"}}
}

func submission(bundleType string, given ...referral.Answer) postgres.Submission {
	return postgres.Submission{
		Org: sender, Digest: referral.Digest{1}, AcceptedAt: settledAt.Add(-time.Second), SettledAt: settledAt, State: referral.Completed,
		BundleType: bundleType, Answers: given,
	}
}

func resource(name, content string) string {
	parts := strings.Split(name, "/")
	return `{"resourceType":"` + parts[0] + `","id":"` + parts[1] + `","meta":{"versionId":"` + parts[3] + `","lastUpdated":"2026-11-22T01:02:03.456Z"},` + content + `}`
}

const (
	modified = `"lastModified":"2026-11-22T01:02:03.456Z"`
	conflict = `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"conflict","details":{"text":"Why"}}]}`
	warning  = `{"resourceType":"OperationOutcome","issue":[{"severity":"warning","code":"invariant","details":{"text":"Mind"}}]}`
)

func info(details string) string {
	return `{"resourceType":"OperationOutcome","issue":[{"severity":"information","code":"informational","details":{"text":"` + details + `"}}]}`
}

func url1(name string) string { return "https://referral.example/fhir/" + name }

// TestEntries has what each kind of answer is shown as in a transaction-response, whatever is preferred.
func TestEntries(t *testing.T) {
	earlier := settledAt.Add(-time.Hour)
	for name, test := range map[string]struct {
		answer                           referral.Answer
		minimal, representation, outcome string // want the representation and the outcome to be as the minimal where empty
	}{
		"created": {
			answer:         referral.Answer{Status: 201, Version: one},
			minimal:        `{"response":{"status":"201 Created","location":"` + one + `","etag":"W/\"1\"",` + modified + `}}`,
			representation: `{"resource":` + resource(one, `"language":"en"`) + `,"response":{"status":"201 Created","location":"` + one + `","etag":"W/\"1\"",` + modified + `}}`,
			outcome:        `{"response":{"status":"201 Created","location":"` + one + `","etag":"W/\"1\"",` + modified + `,"outcome":` + info(one[:44]+" was created.") + `}}`,
		},
		"found": {
			answer:         referral.Answer{Status: 200, Version: two, LastModified: &earlier},
			minimal:        `{"response":{"status":"200 OK","location":"` + two + `","etag":"W/\"2\"","lastModified":"2026-11-22T00:02:03.456Z"}}`,
			representation: `{"resource":` + resource(two, `"language":"en"`) + `,"response":{"status":"200 OK","location":"` + two + `","etag":"W/\"2\"","lastModified":"2026-11-22T00:02:03.456Z"}}`,
			outcome:        `{"response":{"status":"200 OK","location":"` + two + `","etag":"W/\"2\"","lastModified":"2026-11-22T00:02:03.456Z","outcome":` + info(two[:44]+" has been written or found: it is version 2.") + `}}`,
		},
		"deleted": {
			answer:  referral.Answer{Status: 204, Version: two},
			minimal: `{"response":{"status":"204 No Content","etag":"W/\"2\"",` + modified + `}}`,
			outcome: `{"response":{"status":"204 No Content","etag":"W/\"2\"",` + modified + `,"outcome":` + info(two[:44]+" was deleted, or was not there.") + `}}`,
		},
		"deleted what was not there": {
			answer:  referral.Answer{Status: 204},
			minimal: `{"response":{"status":"204 No Content"}}`,
			outcome: `{"response":{"status":"204 No Content","outcome":` + info("The resource was deleted, or was not there.") + `}}`,
		},
		"failed":                     {answer: referral.Answer{Status: 409, Outcome: []byte(conflict)}, minimal: `{"response":{"status":"409 Conflict","outcome":` + conflict + `}}`},
		"failed, and nobody says so": {answer: referral.Answer{Status: 404}, minimal: `{"response":{"status":"404 Not Found","outcome":{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"not-found","details":{"text":"The request was not carried out."}}]}}}`},
		"read": {
			answer:  referral.Answer{Status: 200, Version: other, Read: true, LastModified: &earlier},
			minimal: `{"resource":` + resource(other, `"language":"en"`) + `,"response":{"status":"200 OK","etag":"W/\"7\"","lastModified":"2026-11-22T00:02:03.456Z"}}`,
		},
		"not modified": {
			answer:  referral.Answer{Status: 304, Version: other, Read: true},
			minimal: `{"response":{"status":"304 Not Modified","etag":"W/\"7\"",` + modified + `}}`,
		},
		"search": {
			answer: referral.Answer{Status: 200, Read: true, Matches: []string{other, one}},
			minimal: `{"resource":{"resourceType":"Bundle","type":"searchset","total":2,"entry":[` +
				`{"fullUrl":"` + url1(other[:41]) + `","resource":` + resource(other, `"language":"en"`) + `,"search":{"mode":"match"}},` +
				`{"fullUrl":"` + url1(one[:44]) + `","resource":` + resource(one, `"language":"en"`) + `,"search":{"mode":"match"}}]},"response":{"status":"200 OK"}}`,
		},
		"search that found nothing": {
			answer:  referral.Answer{Status: 200, Matches: []string{}},
			minimal: `{"resource":{"resourceType":"Bundle","type":"searchset","total":0},"response":{"status":"200 OK"}}`,
		},
		"with a warning": {
			answer:  referral.Answer{Status: 204, Outcome: []byte(warning)},
			minimal: `{"response":{"status":"204 No Content","outcome":` + warning + `}}`,
			outcome: `{"response":{"status":"204 No Content","outcome":` + strings.Replace(warning, `}]}`, `},`, 1) +
				strings.TrimPrefix(info("The resource was deleted, or was not there."), `{"resourceType":"OperationOutcome","issue":[`) + `}}`,
		},
	} {
		for prefer, want := range map[referral.Return]string{
			"": test.minimal, referral.ReturnMinimal: test.minimal, referral.ReturnRepresentation: test.representation, referral.ReturnOutcome: test.outcome,
		} {
			if want == "" {
				want = test.minimal
			}
			for bundleType, want := range map[string]string{
				"transaction": `"type":"transaction-response","entry":[` + want + `]}`, "batch": `"type":"batch-response","entry":[` + want + `]}`,
			} {
				r, err := answers(t, newStore()).Reply(t.Context(), submission(bundleType, test.answer), prefer)
				if err != nil {
					t.Fatal(err)
				}
				_, got, _ := strings.Cut(string(r.Body), `,"type"`)
				if diff := cmp.Diff(want, `"type"`+got); diff != "" || r.Status != http.StatusOK {
					t.Errorf("%s, %s, return=%s: status %d (-want +got):\n%s", name, bundleType, prefer, r.Status, diff)
				}
			}
		}
	}
}

// TestReplies has the answers of single writes (FHIR R4 http.html), with what the status URL says of the same.
func TestReplies(t *testing.T) {
	type headers struct{ Location, ETag, LastModified string }
	written := headers{url1(two), `W/"2"`, "Sun, 22 Nov 2026 01:02:03 GMT"}
	body := resource(two, `"language":"en"`)
	for name, test := range map[string]struct {
		s       postgres.Submission
		prefer  referral.Return
		status  int
		headers headers
		body    string
		entry   string // the status of the entry of the status URL
	}{
		"create":                  {submission("create", referral.Answer{Status: 201, Version: two}), "", 201, written, body, "201 Created"},
		"create, found":           {submission("create", referral.Answer{Status: 200, Version: two}), "", 200, written, body, "200 OK"},
		"update":                  {submission("update", referral.Answer{Status: 200, Version: two}), "", 200, written, body, "200 OK"},
		"patch":                   {submission("patch", referral.Answer{Status: 200, Version: two}), "", 200, written, body, "200 OK"},
		"update, minimal":         {submission("update", referral.Answer{Status: 200, Version: two}), referral.ReturnMinimal, 200, written, "", "200 OK"},
		"create, outcome":         {submission("create", referral.Answer{Status: 201, Version: two}), referral.ReturnOutcome, 201, written, info(two[:44] + " was created."), "201 Created"},
		"delete":                  {submission("delete", referral.Answer{Status: 204, Version: two}), "", 204, headers{"", `W/"2"`, written.LastModified}, "", "204 No Content"},
		"delete, representation":  {submission("delete", referral.Answer{Status: 204}), referral.ReturnRepresentation, 204, headers{}, "", "204 No Content"},
		"delete, outcome":         {submission("delete", referral.Answer{Status: 204}), referral.ReturnOutcome, 200, headers{}, info("The resource was deleted, or was not there."), "204 No Content"},
		"rejected":                {rejected("update", "", referral.Answer{Status: 409, Outcome: []byte(conflict)}), "", 409, headers{}, conflict, "409 Conflict"},
		"rejected, minimal":       {rejected("update", "", referral.Answer{Status: 409, Outcome: []byte(conflict)}), referral.ReturnMinimal, 409, headers{}, conflict, "409 Conflict"},
		"rejected, with a status": {rejected("update", conflict, referral.Answer{Status: 405}), "", 405, headers{}, conflict, "405 Method Not Allowed"},
		"rejected by an old one":  {rejected("transaction", conflict), "", 409, headers{}, conflict, "409 Conflict"},
		"rejected, nobody says why": {rejected("transaction", ""), "", 422, headers{},
			`{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"business-rule","details":{"text":"The request was not carried out."}}]}`, "422 Unprocessable Entity"},
		"cancelled": {cancelled("transaction"), "", 410, headers{},
			`{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"deleted","details":{"text":"The sender cancelled the submission before it had settled."}}]}`, "410 Gone"},
	} {
		a := answers(t, newStore())
		r, err := a.Reply(t.Context(), test.s, test.prefer)
		if err != nil {
			t.Fatal(err)
		}
		got := headers{r.Header.Get("Location"), r.Header.Get("ETag"), r.Header.Get("Last-Modified")}
		if allows := r.Header.Get("Allow") == "GET, HEAD"; allows != (test.status == http.StatusMethodNotAllowed) {
			t.Errorf("%s: got Allow %q", name, r.Header.Get("Allow"))
		}
		if diff := cmp.Diff(test.headers, got); r.Status != test.status || diff != "" || string(r.Body) != test.body {
			t.Errorf("%s: got %d %s, want %d %s\nheaders (-want +got):\n%s", name, r.Status, r.Body, test.status, test.body, diff)
		}
		b, err := a.Status(t.Context(), test.s, test.prefer)
		if err != nil {
			t.Fatal(err)
		}
		entry := parse(t, b).At("entry")
		if got := entry.At("response", "status").Text(); got != test.entry {
			t.Errorf("%s: the status URL says %q, want %q", name, got, test.entry)
		}
		shows := entry.At("resource").ResourceType() == "Patient"
		if want := strings.HasPrefix(test.body, `{"resourceType":"Patient"`); shows != want {
			t.Errorf("%s: the status URL shows the resource: %v, want %v", name, shows, want)
		}
		if fails := test.status >= 400; fails != (entry.At("response", "outcome", "issue", "severity").Text() == "error") {
			t.Errorf("%s: the status URL says %s", name, b)
		}
	}
}

// What the sender preferred when sending counts, unless the poll prefers something else.
func TestPreferenceOfThePollOutweighs(t *testing.T) {
	s := submission("transaction", referral.Answer{Status: 201, Version: one})
	for _, test := range []struct {
		sent, polled referral.Return
		want         bool
	}{
		{"", "", false}, {referral.ReturnRepresentation, "", true}, {"", referral.ReturnRepresentation, true},
		{referral.ReturnRepresentation, referral.ReturnMinimal, false}, {referral.ReturnMinimal, referral.ReturnRepresentation, true},
	} {
		s.Return = test.sent
		b, err := answers(t, newStore()).Status(t.Context(), s, test.polled)
		if err != nil {
			t.Fatal(err)
		}
		if got := parse(t, b).At("entry", "resource", "entry", "resource").ResourceType() == "Patient"; got != test.want {
			t.Errorf("sent with %q, polled with %q: shows the resource: %v, want %v", test.sent, test.polled, got, test.want)
		}
	}
}

// A row of a release that knew no answers has its resources, which were created.
func TestWithoutAnswersAllWasCreated(t *testing.T) {
	s := submission("document")
	s.Resources = []string{one, other}
	r, err := answers(t, newStore()).Reply(t.Context(), s, "")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{one, other} {
		response := parse(t, r.Body).Get("entry").Items()[i].Get("response")
		if response.Get("location").Text() != want || response.Get("status").Text() != "201 Created" {
			t.Errorf("entry %d: got %s", i, r.Body)
		}
	}
	s.BundleType, s.Resources = "create", []string{one}
	if r, err := answers(t, newStore()).Reply(t.Context(), s, ""); err != nil || r.Status != 201 || r.Header.Get("Location") != url1(one) {
		t.Errorf("a create: got %+v, %v", r, err)
	}
}

// TestLargeAnswerStaysWithinTheLimit: 1,000 resources, of which some fit.
func TestLargeAnswerStaysWithinTheLimit(t *testing.T) {
	for name, test := range map[string]struct {
		content, outcome int // bytes of each
		prefer           referral.Return
		matches          bool
	}{
		"representation": {20 << 10, 0, referral.ReturnRepresentation, false},
		"just too much":  {4 << 10, 0, referral.ReturnRepresentation, false},
		"outcomes":       {1, 10 << 10, referral.ReturnMinimal, false},
		"searches":       {20 << 10, 0, referral.ReturnMinimal, true},
	} {
		stored, s := newStore(), submission("batch")
		for i := range 1000 {
			version := fmt.Sprintf("Basic/%s/_history/1", referral.UUID{15: byte(i), 14: byte(i >> 8)})
			stored.add(version, `"language":"`+strings.Repeat("x", test.content)+`"`)
			a := referral.Answer{Status: 201, Version: version}
			if test.outcome > 0 {
				a.Outcome = fhir.Outcome([]fhir.Issue{{Severity: fhir.SeverityWarning, Code: fhir.CodeValue, Details: strings.Repeat("x", test.outcome)}})
			}
			if test.matches {
				a = referral.Answer{Status: 200, Read: true, Matches: []string{version}}
			}
			s.Answers = append(s.Answers, a)
		}
		a := answers(t, stored)
		reply, err := a.Reply(t.Context(), s, test.prefer)
		if err != nil {
			t.Fatal(err)
		}
		status, err := a.Status(t.Context(), s, test.prefer)
		if err != nil {
			t.Fatal(err)
		}
		for _, body := range [][]byte{reply.Body, status} {
			shown, said := bytes.Count(body, []byte("xxxx\"")), bytes.Count(body, []byte(`"too-costly"`))
			if len(body) > answer.MaxBytes || len(body) < answer.MaxBytes*3/4 || shown == 0 || shown == 1000 || said != 1000-shown {
				t.Errorf("%s: got %d bytes with %d shown and %d said to be left out", name, len(body), shown, said)
			}
		}
		if stored.asked > 2 {
			t.Errorf("%s: the store was asked %d times for two answers", name, stored.asked)
		}
	}
}

// What ends before the limit, since the store had read enough, is said to be left out, too.
func TestVersionThatLacksIsLeftOut(t *testing.T) {
	s := newStore()
	delete(s.versions, one)
	r, err := answers(t, s).Reply(t.Context(), submission("transaction", referral.Answer{Status: 200, Version: one, Read: true}), "")
	if err != nil {
		t.Fatal(err)
	}
	response := parse(t, r.Body).At("entry", "response")
	if response.Get("location").Text() != one || response.At("outcome", "issue", "code").Text() != "too-costly" {
		t.Errorf("got %s", r.Body)
	}
}

// Every body is FHIR R4 by this server's own reading.
func TestAnswersAreValid(t *testing.T) {
	set := schemas.New(schemas.Config{})
	all := submission("transaction", referral.Answer{Status: 201, Version: one}, referral.Answer{Status: 204, Version: two},
		referral.Answer{Status: 200, Version: two}, referral.Answer{Status: 404}, referral.Answer{Status: 200, Read: true, Matches: []string{one}})
	for name, s := range map[string]postgres.Submission{
		"transaction": all, "create": submission("create", referral.Answer{Status: 201, Version: one}), "delete": submission("delete", referral.Answer{Status: 204}),
		"rejected": rejected("batch", conflict), "cancelled": cancelled("batch"),
	} {
		for _, prefer := range []referral.Return{"", referral.ReturnMinimal, referral.ReturnRepresentation, referral.ReturnOutcome} {
			a := answers(t, newStore())
			r, err := a.Reply(t.Context(), s, prefer)
			if err != nil {
				t.Fatal(err)
			}
			status, err := a.Status(t.Context(), s, prefer)
			if err != nil {
				t.Fatal(err)
			}
			for _, body := range [][]byte{r.Body, status} {
				if body == nil {
					continue
				}
				for _, issue := range set.Check(parse(t, body), "") {
					if issue.Fails() {
						t.Errorf("%s, return=%s: %s at %s: %s\n%s", name, prefer, issue.Code, issue.Expression, issue.Details, body)
					}
				}
			}
		}
	}
}

func rejected(bundleType, outcome string, given ...referral.Answer) postgres.Submission {
	s := submission(bundleType, given...)
	s.State, s.Outcome = referral.Rejected, outcome
	return s
}

func cancelled(bundleType string) postgres.Submission {
	s := submission(bundleType)
	s.State = referral.Cancelled
	return s
}

func parse(t testing.TB, body []byte) *fhir.Value {
	t.Helper()
	if !json.Valid(body) {
		t.Fatalf("not JSON: %s", body)
	}
	v, err := fhir.Parse(body, "", fhir.Limits{})
	if err != nil {
		t.Fatalf("not FHIR JSON: %v\n%.1000s", err, body)
	}
	return v
}
