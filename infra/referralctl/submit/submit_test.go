package submit_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/client"
	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/submit"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// server is a Referral FHIR Server in memory: a body is its own id, "bad" is refused, "worse" is rejected later,
// "slow" never settles, "bug" ends in 500, and everything else completes on the second poll.
type server struct {
	mu    sync.Mutex
	posts []string       // bodies, guarded by mu
	polls map[string]int // by id, guarded by mu
	keys  map[string]string
	busy  func(post int) bool // whether to answer this post, counted from 1, with 503
}

func newServer() *server { return &server{polls: map[string]int{}, keys: map[string]string{}} }

func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := httptest.NewRecorder()
	if r.Method == http.MethodPost {
		s.post(w, r)
	} else {
		s.status(w, client.StatusID(r.URL.String()))
	}
	return w.Result(), nil
}

func (s *server) post(w *httptest.ResponseRecorder, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	body := strings.Trim(string(b), `"`)
	s.posts = append(s.posts, body)
	s.keys[r.Header.Get("Idempotency-Key")] = body
	switch {
	case r.Header.Get("X-Api-Key") != "dev-sender":
		w.WriteHeader(http.StatusUnauthorized)
	case s.busy != nil && s.busy(len(s.posts)):
		w.WriteHeader(http.StatusServiceUnavailable)
	case body == "bad":
		w.WriteHeader(http.StatusUnprocessableEntity)
		_, _ = w.WriteString(`{"issue":[{"severity":"error","code":"invariant","expression":["Bundle.entry[0]"]}]}`)
	case body == "bug":
		w.WriteHeader(http.StatusInternalServerError)
	default:
		w.Header().Set("Content-Location", "http://server.example/fhir/_status/"+body)
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusAccepted)
	}
}

func (s *server) status(w *httptest.ResponseRecorder, id string) {
	s.polls[id]++
	switch {
	case id == "slow" || s.polls[id] < 2:
		w.Header().Set("X-Progress", "accepted")
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusAccepted)
	case id == "worse":
		_, _ = w.WriteString(`{"type":"batch-response","entry":[{"response":{"status":"409 Conflict","outcome":{"issue":[{"severity":"error","code":"conflict"}]}}}]}`)
	default:
		_, _ = w.WriteString(`{"type":"batch-response","entry":[{"response":{"status":"200 OK"}}]}`)
	}
}

// documents yields bodies as the standard input of referralctl does.
func documents(t testing.TB, bodies ...string) *submit.Inputs {
	t.Helper()
	var lines strings.Builder
	for _, body := range bodies {
		fmt.Fprintf(&lines, "%q\n", body)
	}
	in, err := submit.Open([]string{submit.Stdin}, strings.NewReader(lines.String()))
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// results keeps the last result of each document.
type results map[string]submit.Result

func (r results) report(result submit.Result, final bool) {
	if final {
		r[result.Path] = result
	}
}

func config(t testing.TB, s http.RoundTripper, in *submit.Inputs, report func(submit.Result, bool)) submit.Config {
	t.Helper()
	return submit.Config{
		Client:    &client.Client{Base: &url.URL{Scheme: "http", Host: "server.example"}, Key: "dev-sender", Transport: s, Attempts: 3},
		Documents: in.All(), Concurrency: 4, Follow: time.Minute, Report: report,
	}
}

func openState(t testing.TB, path string) *submit.State {
	t.Helper()
	s, err := submit.OpenState(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestEachDocumentIsBroughtToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, got := newServer(), results{}
		summary, err := submit.Run(t.Context(), config(t, s, documents(t, "one", "bad", "two", "worse", "slow", "bug"), got.report))
		if err != nil {
			t.Fatal(err)
		}
		want := submit.Summary{Documents: 6, Accepted: 4, Completed: 2, Rejected: 2, Queued: 1, Failed: 1}
		if diff := cmp.Diff(want, summary); diff != "" {
			t.Errorf("summary (-want +got):\n%s", diff)
		}
		for path, want := range map[string]submit.Result{
			"-:1": {State: referral.Completed, Status: "200 OK"},
			"-:2": {State: referral.Rejected, Status: "422 Unprocessable Entity", Issue: &client.Issue{Severity: "error", Code: "invariant", Expression: "Bundle.entry[0]"}},
			"-:4": {State: referral.Rejected, Status: "409 Conflict", Issue: &client.Issue{Severity: "error", Code: "conflict"}},
			"-:5": {State: referral.Queued, Progress: "accepted"},
			"-:6": {State: submit.Failed, Status: "500 Internal Server Error"},
		} {
			result := got[path]
			result.Path, result.SHA256, result.Server, result.StatusURL = "", "", "", ""
			if diff := cmp.Diff(want, result); diff != "" {
				t.Errorf("%s (-want +got):\n%s", path, diff)
			}
		}
	})
}

func TestNoFollowEndsWithTheAcceptance(t *testing.T) {
	s, got := newServer(), results{}
	c := config(t, s, documents(t, "one", "two"), got.report)
	c.Follow = 0
	summary, err := submit.Run(t.Context(), c)
	if want := (submit.Summary{Documents: 2, Accepted: 2, Queued: 2}); err != nil || summary != want {
		t.Errorf("got %+v, %v, want %+v", summary, err, want)
	}
	if got["-:1"].StatusURL != "http://server.example/fhir/_status/one" || len(s.polls) > 0 {
		t.Errorf("got status URL %q and %d polls", got["-:1"].StatusURL, len(s.polls))
	}
}

// TestKeyIsOfTheContent: the same content has the same Idempotency-Key, in another run and under another name too.
func TestKeyIsOfTheContent(t *testing.T) {
	s := newServer()
	for _, bodies := range [][]string{{"one", "two", "one"}, {"two"}} {
		c := config(t, s, documents(t, bodies...), results{}.report)
		c.Follow = 0
		if _, err := submit.Run(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.posts) != 4 || len(s.keys) != 2 {
		t.Errorf("got %d keys for %d posts of two contents, want 2", len(s.keys), len(s.posts))
	}
}

// TestSecondRunGoesOn stops a first run while it posts, as a server that goes away does, and cuts its state file
// short, as a kill does.
func TestSecondRunGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "state")
		bodies := []string{"bad"}
		for i := range 40 {
			bodies = append(bodies, fmt.Sprint("n", i))
		}
		s := newServer()
		s.busy = func(post int) bool { return post > 25 }
		c := config(t, s, documents(t, bodies...), results{}.report)
		c.State = openState(t, path)
		_, err := submit.Run(t.Context(), c)
		if refusal, ok := errors.AsType[*client.Error](err); !ok || refusal.Status != 503 {
			t.Fatalf("got %v, want the 503 that ended the run", err)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		whole := content[:len(content)-10]
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		known := map[string]bool{}
		for _, key := range strings.Split(string(whole), "\n") {
			if _, rest, found := strings.Cut(key, `"statusURL":"http://server.example/fhir/_status/`); found && strings.HasSuffix(key, "}") {
				id, _, _ := strings.Cut(rest, `"`)
				known[id] = true
			}
		}

		before := len(s.posts)
		s.busy = nil
		c = config(t, s, documents(t, bodies...), results{}.report)
		c.State = openState(t, path)
		summary, err := submit.Run(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if summary.Documents != 41 || summary.Completed != 40 || summary.Rejected != 1 {
			t.Errorf("got %+v, want 40 completed and 1 rejected of 41", summary)
		}
		for _, body := range s.posts[before:] {
			if known[body] {
				t.Errorf("%s was sent again though the state file has its status URL", body)
			}
		}
		if len(known) < 20 || len(s.posts)-before > 21 {
			t.Errorf("sent %d again with %d known", len(s.posts)-before, len(known))
		}

		before = len(s.posts)
		c = config(t, s, documents(t, bodies...), results{}.report)
		c.State = openState(t, path)
		summary, err = submit.Run(t.Context(), c)
		if want := (submit.Summary{Documents: 41, Earlier: 41, Accepted: 40, Completed: 40, Rejected: 1}); err != nil || summary != want {
			t.Errorf("third run: got %+v, %v, want %+v", summary, err, want)
		}
		if len(s.posts) != before {
			t.Errorf("third run: got %d posts, want none", len(s.posts)-before)
		}
	})
}

// TestStateIsOfOneServer: what another server accepted is sent to this one.
func TestStateIsOfOneServer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	for i, host := range []string{"server.example", "other.example"} {
		s := newServer()
		c := config(t, s, documents(t, "one"), results{}.report)
		c.Client.Base.Host, c.Follow, c.State = host, 0, openState(t, path)
		if _, err := submit.Run(t.Context(), c); err != nil || len(s.posts) != 1 {
			t.Errorf("server %d: got %d posts, %v, want 1", i+1, len(s.posts), err)
		}
	}
}

func TestWhatMeetsAllEndsTheRun(t *testing.T) {
	bodies := make([]string, 100)
	for i := range bodies {
		bodies[i] = fmt.Sprint("n", i)
	}
	lost := errors.New("connection refused")
	for name, change := range map[string]func(*server, *submit.Config){
		"unknown key": func(_ *server, c *submit.Config) { c.Client.Key = "other" },
		"busy":        func(s *server, _ *submit.Config) { s.busy = func(int) bool { return true } },
		"unreachable": func(_ *server, c *submit.Config) { c.Client.Transport = broken{lost} },
		"state file":  func(_ *server, c *submit.Config) { c.State.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer()
				c := config(t, s, documents(t, bodies...), results{}.report)
				c.State = openState(t, filepath.Join(t.TempDir(), "state"))
				change(s, &c)
				summary, err := submit.Run(t.Context(), c)
				if err == nil || errors.Is(err, context.Canceled) || summary.Documents > 20 || len(s.posts) > 30 {
					t.Errorf("got %v after %d documents and %d posts, want the cause after a few", err, summary.Documents, len(s.posts))
				}
				if name == "unreachable" && !errors.Is(err, lost) {
					t.Errorf("got %v, want %v", err, lost)
				}
			})
		})
	}
}

type broken struct{ err error }

func (b broken) RoundTrip(*http.Request) (*http.Response, error) { return nil, b.err }

func TestInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		s := newServer()
		c := config(t, s, documents(t, "slow"), results{}.report)
		c.State = openState(t, filepath.Join(t.TempDir(), "state"))
		summary, err := submit.Run(ctx, c)
		if want := (submit.Summary{Documents: 1, Accepted: 1, Queued: 1}); !errors.Is(err, context.DeadlineExceeded) || summary != want {
			t.Errorf("got %+v, %v, want %+v and the end of the context", summary, err, want)
		}
	})
}
