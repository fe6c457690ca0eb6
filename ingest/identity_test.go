package ingest_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

const (
	sender    = "8003621566684455"
	recipient = "8003624900041689"

	creates    = `{"resourceType":"Bundle","type":"transaction","entry":[{"resource":{"resourceType":"Patient","active":true},"request":{"method":"POST","url":"Patient"}}]}`
	collection = `{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","active":true}}]}`
	identified = `{"resourceType":"Bundle","identifier":{"system":"urn:example","value":"1"},"type":"collection","entry":[{"resource":{"resourceType":"Patient","active":true}}]}`
)

// referralFile returns a file of testdata/referrals.
func referralFile(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(testdata, "referrals", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// submit posts r at a time on the server's clock and returns the message that was sent.
func submit(t testing.TB, at time.Time, r *http.Request) *queue.Message {
	t.Helper()
	sent := &outbox{}
	config := newConfig(t, sent)
	config.Now = func() time.Time { return at }
	w := httptest.NewRecorder()
	newHandler(config).ServeHTTP(w, r)
	if w.Code != http.StatusAccepted {
		t.Fatalf("got %d %s, want 202", w.Code, w.Body)
	}
	return sent.only(t)
}

// proof returns what a message's id proves to its organisation.
func proof(t testing.TB, m *queue.Message) referral.Submission {
	t.Helper()
	s, err := newKeys(t).Verify(m.Request.Org, m.ID)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestMessageSaysWhatWasAccepted(t *testing.T) {
	const traceParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	r := post(t, creates)
	r.Header.Set("X-Request-Id", "request-1")
	r.Header.Set("Traceparent", traceParent)
	got := submit(t, accepted, r)
	want := &queue.Message{
		Client: "dev-sender", Type: "transaction", RequestID: "request-1", TraceParent: traceParent,
		AcceptedAt: time.Date(2026, 11, 22, 1, 2, 3, 456e6, time.UTC),
		Request: referral.Request{
			Org: sender, KeyKind: referral.KeyRequest, Method: "POST", URL: "/fhir", ContentType: "application/fhir+json",
		},
	}
	want.Pack([]byte(creates))
	want.ID = newKeys(t).Mint(referral.Submission{Org: sender, AcceptedAt: want.AcceptedAt, Digest: newKeys(t).Digest(want.Request)})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}
}

func TestMalformedTraceParentIsLeftOut(t *testing.T) {
	for _, value := range []string{"zqx", "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n"} {
		r := post(t, creates)
		r.Header.Set("Traceparent", value)
		if got := submit(t, accepted, r).TraceParent; got != "" {
			t.Errorf("got trace parent %q of %q, want none", got, value)
		}
	}
}

// compressed returns r with its body in gzip.
func compressed(t testing.TB, r *http.Request) *http.Request {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.Copy(z, r.Body); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Encoding", "gzip")
	r.Body, r.ContentLength = io.NopCloser(&b), int64(b.Len())
	return r
}

// TestSameRequestIsSameSubmission: sent again later, in gzip, by another path or with another request id, it is the
// same submission under another id.
func TestSameRequestIsSameSubmission(t *testing.T) {
	withKey := func(body string) func() *http.Request {
		return func() *http.Request {
			r := post(t, body)
			r.Header.Set("Idempotency-Key", "key-1")
			return r
		}
	}
	for name, request := range map[string]func() *http.Request{
		"transaction":           func() *http.Request { return post(t, referralFile(t, "cardiology-referral.json")) },
		"message":               func() *http.Request { return post(t, referralFile(t, "referral-message.json")) },
		"identified collection": func() *http.Request { return post(t, identified) },
		"collection with key":   withKey(collection),
	} {
		t.Run(name, func(t *testing.T) {
			first := submit(t, accepted, request())
			r := compressed(t, request())
			r.URL.Path = "/fhir/"
			r.Header.Set("X-Request-Id", "another")
			r.Header.Set("Content-Type", "application/fhir+json; charset=utf-8")
			again := submit(t, accepted.Add(time.Hour), r)

			want, got := proof(t, first), proof(t, again)
			if got.Digest != want.Digest {
				t.Errorf("got digest %x, want %x as before", got.Digest, want.Digest)
			}
			if again.ID == first.ID || !got.AcceptedAt.Equal(want.AcceptedAt.Add(time.Hour)) {
				t.Errorf("got id of %v, want another than that of %v, an hour later", got.AcceptedAt, want.AcceptedAt)
			}
		})
	}
}

// TestOtherRequestIsOtherSubmission: the same key never merges different requests (promises G6 and G7).
func TestOtherRequestIsOtherSubmission(t *testing.T) {
	base := func() *http.Request {
		r := post(t, creates)
		r.Header.Set("Idempotency-Key", "key-1")
		return r
	}
	want := proof(t, submit(t, accepted, base())).Digest
	for name, change := range map[string]func(*http.Request){
		"key":          func(r *http.Request) { r.Header.Set("Idempotency-Key", "key-2") },
		"no key":       func(r *http.Request) { r.Header.Del("Idempotency-Key") },
		"body":         func(r *http.Request) { r.Body = post(t, creates+" ").Body; r.ContentLength++ },
		"organisation": func(r *http.Request) { r.Header.Set("X-Api-Key", "dev-recipient") },
		"type":         func(r *http.Request) { r.Header.Set("Content-Type", "application/json") },
	} {
		r := base()
		change(r)
		if got := proof(t, submit(t, accepted, r)).Digest; got == want {
			t.Errorf("another %s makes the same submission", name)
		}
	}
	m := submit(t, accepted, base())
	if _, err := newKeys(t).Verify(recipient, m.ID); err == nil {
		t.Error("the id proves something to another organisation")
	}
}

func TestKinds(t *testing.T) {
	const valueless = `{"resourceType":"Bundle","identifier":{"system":"urn:example"},"type":"collection","entry":[{"resource":{"resourceType":"Patient","active":true}}]}`
	const identifiedCreates = `{"resourceType":"Bundle","identifier":{"system":"urn:example","value":"1"},"type":"transaction","entry":[{"resource":{"resourceType":"Patient","active":true},"request":{"method":"POST","url":"Patient"}}]}`
	for _, test := range []struct {
		name, header, body string
		kind               referral.KeyKind
		key                string
	}{
		{"header", "key-1", creates, referral.KeyHeader, "key-1"},
		{"header before identifier", "key-1", identified, referral.KeyHeader, "key-1"},
		{"message", "", referralFile(t, "referral-message.json"), referral.KeyIdentifier, "17:urn:ietf:rfc:3986|urn:uuid:bb491175-caa0-4527-97bb-c72ddfb98026"},
		{"collection", "", identified, referral.KeyIdentifier, "11:urn:example|1"},
		{"creates only", "", creates, referral.KeyRequest, ""},
		{"creates with an identifier", "", identifiedCreates, referral.KeyRequest, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := post(t, test.body)
			if test.header != "" {
				r.Header.Set("Idempotency-Key", test.header)
			}
			got := submit(t, accepted, r).Request
			if got.KeyKind != test.kind || got.Key != test.key {
				t.Errorf("got key %q of kind %s, want %q of %s", got.Key, got.KeyKind, test.key, test.kind)
			}
		})
	}
	for name, body := range map[string]string{"no identifier": collection, "identifier without a value": valueless} {
		t.Run(name, func(t *testing.T) {
			seen := map[referral.Digest]bool{}
			for range 10 {
				m := submit(t, accepted, post(t, body))
				if m.Request.KeyKind != referral.KeyRandom || seen[proof(t, m).Digest] {
					t.Fatalf("got kind %s, seen before %v; want random, never twice", m.Request.KeyKind, seen[proof(t, m).Digest])
				}
				seen[proof(t, m).Digest] = true
			}
		})
	}
}

// TestIdentifierPartsAreTold: a system that ends in |b and a value that begins with it are other identifiers.
func TestIdentifierPartsAreTold(t *testing.T) {
	identified := func(system, value string) string {
		return `{"resourceType":"Bundle","identifier":{"system":"` + system + `","value":"` + value + `"},"type":"collection","entry":[{"resource":{"resourceType":"Patient","active":true}}]}`
	}
	a, b := submit(t, accepted, post(t, identified("urn:a", "b|c"))), submit(t, accepted, post(t, identified("urn:a|b", "c")))
	if a.Request.Key == b.Request.Key {
		t.Errorf("both have the key %q", a.Request.Key)
	}
}
