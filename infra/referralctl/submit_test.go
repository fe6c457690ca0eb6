package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/ingest"
	"github.com/ausbizconsulting/referral-fhir-server/schemas"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// exchange is a server of the real ingest over a queue in memory; polls settle what the queue has.
type exchange struct {
	*httptest.Server
	mu      sync.Mutex
	sent    map[string]*queue.Message // by id, guarded by mu
	digests map[referral.Digest]bool  // of the submissions, guarded by mu
	keys    *referral.Keys
	lose    int // answers to lose after the queue has the message, guarded by mu
}

// Send keeps a message.
func (e *exchange) Send(_ context.Context, m *queue.Message) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sent[m.ID] = m
	e.digests[e.keys.Digest(m.Request)] = true
	return nil
}

func newExchange(t testing.TB) *exchange {
	t.Helper()
	keys, err := referral.NewKeys(bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32))
	if err != nil {
		t.Fatal(err)
	}
	e := &exchange{sent: map[string]*queue.Message{}, digests: map[referral.Digest]bool{}, keys: keys}
	mux := http.NewServeMux()
	ingest.New(ingest.Config{
		Authenticate: principal.Development().Authenticate, Queue: e, Schemas: schemas.New(schemas.Config{}), Keys: keys,
		BaseURL: &url.URL{Scheme: "https", Host: "referrals.example"},
	}).Register(mux)
	mux.HandleFunc("GET /fhir/_status/{id}", e.status)
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mux.ServeHTTP(w, r)
		e.mu.Lock()
		defer e.mu.Unlock()
		if r.Method == http.MethodPost && e.lose > 0 {
			e.lose--
			panic(http.ErrAbortHandler) // the connection ends without an answer
		}
	}))
	t.Cleanup(e.Close)
	return e
}

func (e *exchange) status(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	m := e.sent[r.PathValue("id")]
	if m == nil || r.Header.Get("X-Api-Key") != m.Client {
		http.NotFound(w, r)
		return
	}
	content, err := m.Content()
	if err != nil {
		panic(err)
	}
	if bytes.Contains(content, []byte("Neurology")) {
		fmt.Fprint(w, `{"resourceType":"Bundle","type":"batch-response","entry":[{"response":{"status":"409 Conflict","outcome":{"issue":[{"severity":"error","code":"conflict","details":{"text":"superseded"}}]}}}]}`)
		return
	}
	fmt.Fprint(w, `{"resourceType":"Bundle","type":"batch-response","entry":[{"response":{"status":"200 OK"},"resource":{"type":"transaction-response","entry":[{"response":{"location":"Patient/1/_history/1"}}]}}]}`)
}

// TestGeneratedReferralsTravel: what generate makes, of every size and with letters, ingest accepts without a warning
// about it, and submit follows to its end, though some answers are lost on the way.
func TestGeneratedReferralsTravel(t *testing.T) {
	settings(t)
	e := newExchange(t)
	e.lose = 2
	t.Setenv("REFERRAL_BASE_URL", e.URL)
	state := filepath.Join(t.TempDir(), "state")
	var made strings.Builder
	for i, args := range [][]string{
		{"--entries", "5", "--attachment", "0"}, {"--entries", "5"}, {"--count", "3"}, {"--entries", "60", "--attachment", "100KB"},
	} {
		made.WriteString(referralctl(t, "", append([]string{"generate", "--specialty", "cardiology", "--seed", fmt.Sprint(i)}, args...)...).out)
	}
	got := referralctl(t, made.String(), "submit", "-", "--state", state)
	got.want(t, 0, "6 Bundles: 6 accepted, 6 completed, 0 rejected;", "")
	if strings.Count(got.out, "completed  -:") != 6 || len(e.digests) != 6 {
		t.Errorf("got output %q and %d submissions, want a line for each of 6", got.out, len(e.digests))
	}
	if e.lose != 0 {
		t.Errorf("%d answers were not lost, want 0", e.lose)
	}

	before := len(e.sent)
	referralctl(t, made.String(), "submit", "-", "--state", state).want(t, 0, "6 of an earlier run", "")
	if len(e.sent) != before {
		t.Errorf("the second run sent %d messages, want none", len(e.sent)-before)
	}
}

// TestSubmitTellsWhatIsWrong: a Bundle that ingest refuses and one that is rejected later, in words and as JSON.
func TestSubmitTellsWhatIsWrong(t *testing.T) {
	settings(t)
	e := newExchange(t)
	bundles := referralctl(t, "", "generate", "--seed", "1", "--specialty", "neurology").out +
		`{"resourceType":"Bundle","type":"transaction","entry":[{"resource":{"resourceType":"Patient","gender":"x"},"request":{"method":"POST","url":"Patient"}}]}`
	got := referralctl(t, bundles, "submit", "-", "--server", e.URL)
	got.want(t, exitFailed, "rejected   -:2  422 Unprocessable Entity  code-invalid at Bundle.entry[0].resource.gender", "")
	got.want(t, exitFailed, "409 Conflict  conflict: superseded", "")

	lines := strings.Split(strings.TrimSpace(referralctl(t, bundles, "submit", "-", "--server", e.URL, "--json").out), "\n")
	var last struct {
		Summary struct{ Documents, Rejected int }
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || len(lines) != 3 || last.Summary.Rejected != 2 {
		t.Errorf("got %q, %v, want two results and a summary of 2 rejected", lines, err)
	}
	referralctl(t, bundles, "submit", "-", "--server", e.URL, "--key", "wrong").want(t, exitFailed, "", "does not know this API key")
	referralctl(t, bundles, "submit", "-", "--server", e.URL+"/other").want(t, exitFailed, "", "Is a Referral FHIR Server there?")
}

func TestStatus(t *testing.T) {
	settings(t)
	e := newExchange(t)
	ids := map[string]string{}
	for _, specialty := range []string{"cardiology", "neurology"} {
		bundle := referralctl(t, "", "generate", "--seed", "1", "--specialty", specialty).out
		var r struct{ StatusURL string }
		got := referralctl(t, bundle, "submit", "-", "--server", e.URL, "--no-follow", "--json")
		if err := json.Unmarshal([]byte(strings.Split(got.out, "\n")[0]), &r); err != nil || got.status != 0 {
			t.Fatalf("%+v: %v", got, err)
		}
		ids[specialty] = r.StatusURL[strings.LastIndex(r.StatusURL, "/")+1:]
	}
	t.Setenv("REFERRAL_BASE_URL", e.URL)
	referralctl(t, "", "status", ids["cardiology"]).want(t, 0, "completed (200 OK): the server made 1 resources\n  Patient/1/_history/1", "")
	referralctl(t, "", "status", e.URL+"/fhir/_status/"+ids["cardiology"], "--follow").want(t, 0, "completed", "")
	referralctl(t, "", "status", ids["cardiology"], "--json").want(t, 0, `"type":"batch-response"`, "")
	referralctl(t, "", "status", ids["neurology"]).want(t, exitFailed, "rejected (409 Conflict): conflict: superseded", "")
	referralctl(t, "", "status", ids["cardiology"], "--key", "dev-other").want(t, exitFailed, "", "no such submission")
}
