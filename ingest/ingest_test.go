package ingest_test

import (
	"bytes"
	"context"
	"flag"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/ingest"
	"github.com/ausbizconsulting/referral-fhir-server/schemas"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp/httpcase"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

var update = flag.Bool("update", false, "write the answers in testdata/http anew")

var testdata = filepath.Join("..", "testdata")

// validator is shared, since reading schemas takes most of a test's time.
var validator = schemas.New(schemas.Config{})

// accepted is the time on the server's clock, finer than a submission id keeps.
var accepted = time.Date(2026, 11, 22, 1, 2, 3, 456789e3, time.UTC)

// outbox is a Sender that keeps what it is sent.
type outbox struct {
	mu       sync.Mutex
	messages []*queue.Message // guarded by mu
}

func (o *outbox) Send(_ context.Context, m *queue.Message) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.messages = append(o.messages, m)
	return nil
}

// only returns the one message that was sent.
func (o *outbox) only(t testing.TB) *queue.Message {
	t.Helper()
	if len(o.messages) != 1 {
		t.Fatalf("got %d messages, want 1", len(o.messages))
	}
	return o.messages[0]
}

// newKeys returns the keys of every server here.
func newKeys(t testing.TB) *referral.Keys {
	t.Helper()
	keys, err := referral.NewKeys(bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// newConfig has limits that a small body reaches: 64 KiB and 20 entries.
func newConfig(t testing.TB, sender ingest.Sender) ingest.Config {
	t.Helper()
	return ingest.Config{
		Authenticate: principal.Development().Authenticate, Queue: sender, Schemas: validator, Keys: newKeys(t),
		BaseURL: &url.URL{Scheme: "https", Host: "referrals.example"},
		MaxBody: 64 << 10, MaxEntries: 20, Now: func() time.Time { return accepted },
	}
}

func newHandler(c ingest.Config) http.Handler {
	mux := http.NewServeMux()
	ingest.New(c).Register(mux)
	return c.HTTP.Routes(mux)
}

// TestHTTP replays submit-*, write-* and validate-*.txtar of testdata/http. Whatever a file wants: 202 says that exactly one
// message was sent, with the very bytes of the body; any other answer that none was.
func TestHTTP(t *testing.T) {
	sent := &outbox{}
	handler := newHandler(newConfig(t, sent))
	var cases []httpcase.Case
	for _, about := range []string{"submit-*", "write-*", "validate-*"} {
		cases = append(cases, httpcase.Load(t, testdata, about)...)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			sent.messages = nil
			w := c.Replay(t, handler, *update)
			if w.Code != http.StatusAccepted {
				if len(sent.messages) > 0 {
					t.Errorf("got %d messages with answer %d, want none", len(sent.messages), w.Code)
				}
				return
			}
			m := sent.only(t)
			if got, err := m.Content(); err != nil || !bytes.Equal(got, c.Content) {
				t.Errorf("got content of %d bytes, error %v; want the %d bytes that were sent", len(got), err, len(c.Content))
			}
			if want := "https://referrals.example/fhir/_status/" + m.ID; w.Header().Get("Content-Location") != want {
				t.Errorf("got Content-Location %q, want %q", w.Header().Get("Content-Location"), want)
			}
		})
	}
}

// post returns a request of dev-sender with a FHIR body.
func post(t testing.TB, body string) *http.Request {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/fhir", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/fhir+json")
	r.Header.Set("X-Api-Key", "dev-sender")
	return r
}
