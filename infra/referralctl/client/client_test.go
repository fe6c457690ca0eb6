package client_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/client"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// step is what the fake server does with one request: answer with a status, headers and body, or lose the connection.
type step struct {
	lost   bool
	status int
	header http.Header
	body   string
}

// script is a server that takes one step for each request, in memory, so that time may be synctest's.
type script struct {
	steps []step
	seen  []string // method, URL, Idempotency-Key, key and body of each request
	at    []time.Duration
	began time.Time
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	s.seen = append(s.seen, fmt.Sprint(r.Method, " ", r.URL, " ", r.Header.Get("Idempotency-Key"), " ", r.Header.Get("X-Api-Key"), " ", string(body)))
	s.at = append(s.at, time.Since(s.began))
	if len(s.steps) == 0 {
		return nil, errors.New("the script is at its end")
	}
	next := s.steps[0]
	s.steps = s.steps[1:]
	if next.lost {
		return nil, errors.New("connection reset")
	}
	w := httptest.NewRecorder()
	for name, values := range next.header {
		w.Header()[name] = values
	}
	w.WriteHeader(next.status)
	_, _ = w.WriteString(next.body)
	return w.Result(), nil
}

func open(s *script) *client.Client {
	s.began = time.Now()
	return &client.Client{Base: &url.URL{Scheme: "http", Host: "server.example"}, Key: "key-1", Transport: s}
}

func after(seconds string) http.Header { return http.Header{"Retry-After": {seconds}} }

const statusURL = "https://public.example/fhir/_status/abc"

func accepted() step {
	return step{status: 202, header: http.Header{"Content-Location": {statusURL}, "Retry-After": {"1"}}}
}

// TestSubmitTriesAgain: whatever is lost or put off on the way, the request that arrives in the end is the same one.
func TestSubmitTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []step{{lost: true}, {status: 503, header: after("7")}, {status: 429}, {status: 502}, {status: 504}, accepted()}}
		got, err := open(s).Submit(t.Context(), []byte("bundle"), "sha256-1")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(client.Submission{StatusURL: statusURL, RetryAfter: time.Second}, got); diff != "" {
			t.Errorf("submission (-want +got):\n%s", diff)
		}
		for i, seen := range s.seen {
			if want := "POST http://server.example/fhir sha256-1 key-1 bundle"; seen != want {
				t.Errorf("attempt %d: got %q, want %q", i+1, seen, want)
			}
		}
		if len(s.seen) != 6 {
			t.Errorf("got %d attempts, want 6", len(s.seen))
		}
		if got := s.at[2] - s.at[1]; got < 7*time.Second {
			t.Errorf("came back after %v, want at least the 7s of Retry-After", got)
		}
	})
}

func TestSubmitGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{}
		for range 3 {
			s.steps = append(s.steps, step{status: 503, body: `{"issue":[{"severity":"error","code":"transient","details":{"text":"Later"}}]}`})
		}
		c := open(s)
		c.Attempts = 3
		_, err := c.Submit(t.Context(), nil, "k")
		refusal, ok := errors.AsType[*client.Error](err)
		if !ok || !refusal.Later() || len(s.seen) != 3 {
			t.Errorf("got %v after %d attempts, want 503 after 3", err, len(s.seen))
		}
		if want := "503 Service Unavailable: transient: Later (after 3 attempts)"; err.Error() != want {
			t.Errorf("got %q, want %q", err, want)
		}
	})
}

// TestServerThatNeverAnswered is given up on at once; one that has answered may come back.
func TestServerThatNeverAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{}
		c := open(s)
		_, err := c.Submit(t.Context(), nil, "k")
		if e, ok := errors.AsType[*client.Unreachable](err); !ok || e.Attempts != 3 || time.Since(s.began) > 2*time.Second {
			t.Errorf("got %v after %v, want to hear of 3 attempts within 2s", err, time.Since(s.began))
		}
		s.steps = []step{accepted()}
		if _, err := c.Submit(t.Context(), nil, "k"); err != nil {
			t.Fatal(err)
		}
		_, err = c.Submit(t.Context(), nil, "k")
		if e, ok := errors.AsType[*client.Unreachable](err); !ok || e.Attempts != 8 {
			t.Errorf("got %v, want to hear of 8 attempts", err)
		}
	})
}

// TestRefusalsAreFinal: what the server refuses is not sent again, and the first issue that fails is told.
func TestRefusalsAreFinal(t *testing.T) {
	const outcome = `{"issue":[{"severity":"warning","code":"value"},{"severity":"error","code":"invariant","expression":["Bundle.entry[3]"],"details":{"text":"bdl-7"}}]}`
	for status, body := range map[int]string{400: outcome, 401: "", 422: outcome, 500: "<html>", 302: ""} {
		s := &script{steps: []step{{status: status, body: body, header: http.Header{"Location": {"http://elsewhere.example/"}}}}}
		_, err := open(s).Submit(t.Context(), nil, "k")
		refusal, ok := errors.AsType[*client.Error](err)
		if !ok || refusal.Status != status || len(s.seen) != 1 {
			t.Errorf("%d: got %v after %d requests, want one", status, err, len(s.seen))
			continue
		}
		want := client.Issue{}
		if body == outcome {
			want = client.Issue{Severity: "error", Code: "invariant", Expression: "Bundle.entry[3]", Details: "bdl-7"}
		}
		if refusal.Issue != want {
			t.Errorf("%d: got issue %+v, want %+v", status, refusal.Issue, want)
		}
	}
}

func TestAcceptedWithoutStatusURL(t *testing.T) {
	s := &script{steps: []step{{status: 202}}}
	if _, err := open(s).Submit(t.Context(), nil, "k"); err == nil || !strings.Contains(err.Error(), "Content-Location") {
		t.Errorf("got %v, want an error that names Content-Location", err)
	}
}

// TestFollowAsksAsOftenAsTheServerWishes, at the server that was configured, whatever the status URL's host.
func TestFollowAsksAsOftenAsTheServerWishes(t *testing.T) {
	const completed = `{"resourceType":"Bundle","type":"batch-response","entry":[{"response":{"status":"200 OK"},
		"resource":{"type":"transaction-response","entry":[{"response":{"status":"201 Created","location":"Patient/1/_history/1"}}]}}]}`
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []step{{status: 202, header: after("5")}, {lost: true}, {status: 202, header: after("2")}, {status: 200, body: completed}}}
		got, err := open(s).Follow(t.Context(), client.StatusID(statusURL), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		want := client.Outcome{State: referral.Completed, Status: "200 OK", Resources: []string{"Patient/1/_history/1"}, Body: []byte(completed)}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("outcome (-want +got):\n%s", diff)
		}
		if s.at[0] != time.Second || s.at[1] != 6*time.Second || s.at[3]-s.at[2] != 2*time.Second {
			t.Errorf("got requests at %v, want them at 1s, 6s, soon after, and 2s later", s.at)
		}
		if want := "GET http://server.example/fhir/_status/abc  key-1 "; s.seen[0] != want {
			t.Errorf("got %q, want %q", s.seen[0], want)
		}
	})
}

func TestStatusOfWhatDidNotComplete(t *testing.T) {
	for name, test := range map[string]struct {
		body string
		want client.Outcome
	}{
		"rejected": {
			`{"type":"batch-response","entry":[{"response":{"status":"409 Conflict","outcome":{"issue":[{"severity":"error","code":"conflict"}]}}}]}`,
			client.Outcome{State: referral.Rejected, Status: "409 Conflict", Issue: client.Issue{Severity: "error", Code: "conflict"}},
		},
		"cancelled": {
			`{"type":"batch-response","entry":[{"response":{"status":"410 Gone"}}]}`,
			client.Outcome{State: referral.Cancelled, Status: "410 Gone"},
		},
	} {
		s := &script{steps: []step{{status: 200, body: test.body}}}
		got, _, err := open(s).Status(t.Context(), "abc")
		test.want.Body = []byte(test.body)
		if diff := cmp.Diff(test.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
	for _, body := range []string{"", "{}", `{"type":"searchset","entry":[{}]}`, `{"type":"batch-response"}`} {
		s := &script{steps: []step{{status: 200, body: body}}}
		if _, _, err := open(s).Status(t.Context(), "abc"); err == nil {
			t.Errorf("%q: no error", body)
		}
	}
}

func TestStatusID(t *testing.T) {
	for given, want := range map[string]string{
		statusURL: "abc", "http://h/base/fhir/_status/x": "x", "": "", "http://h/fhir/_status/": "", "http://h/fhir/Patient/x": "",
	} {
		if got := client.StatusID(given); got != want {
			t.Errorf("%q: got %q, want %q", given, got, want)
		}
	}
}
