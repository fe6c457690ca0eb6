package ingest_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

const (
	patient    = `{"resourceType":"Patient","active":true}`
	knownID    = "0197a000-0000-7000-8000-000000000001"
	knownJSON  = `{"resourceType":"Patient","id":"` + knownID + `","active":true}`
	deactivate = `[{"op":"replace","path":"/active","value":false}]`
)

// request returns a request of dev-sender with headers, name and value in turn.
func request(t testing.TB, method, url, body string, headers ...string) *http.Request {
	t.Helper()
	r := httptest.NewRequest(method, url, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/fhir+json")
	if method == http.MethodPatch {
		r.Header.Set("Content-Type", "application/json-patch+json")
	}
	r.Header.Set("X-Api-Key", "dev-sender")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

// TestMessageSaysWhatIsWritten: what the processor settles by, of each interaction.
func TestMessageSaysWhatIsWritten(t *testing.T) {
	const known, fhirJSON = "/fhir/Patient/" + knownID, "application/fhir+json"
	for _, test := range []struct {
		name       string
		r          *http.Request
		kind, url  string
		conditions [4]string
		content    string
		body       string
	}{
		{"create", request(t, "POST", "/fhir/Patient", patient), "create", "/fhir/Patient", [4]string{}, fhirJSON, patient},
		{"create with a format", request(t, "POST", "/fhir/Patient?_format=json", patient), "create", "/fhir/Patient", [4]string{}, fhirJSON, patient},
		{"conditional create", request(t, "POST", "/fhir/Patient", patient, "If-None-Exist", "identifier=urn:x|1"), "create", "/fhir/Patient", [4]string{2: "identifier=urn:x|1"}, fhirJSON, patient},
		{"update", request(t, "PUT", known, knownJSON), "update", known, [4]string{}, fhirJSON, knownJSON},
		{"update of a version", request(t, "PUT", known, knownJSON, "If-Match", `W/"3"`), "update", known, [4]string{`W/"3"`}, fhirJSON, knownJSON},
		{"update of nothing", request(t, "PUT", known, knownJSON, "If-None-Match", "*"), "update", known, [4]string{1: "*"}, fhirJSON, knownJSON},
		{"conditional update", request(t, "PUT", "/fhir/Patient?identifier=urn:x%7C1", patient), "update", "/fhir/Patient?identifier=urn:x%7C1", [4]string{}, fhirJSON, patient},
		{"conditional update with a format", request(t, "PUT", "/fhir/Patient?_format=json&identifier=urn:x|1&_pretty=true", patient), "update", "/fhir/Patient?identifier=urn:x|1", [4]string{}, fhirJSON, patient},
		{"patch", request(t, "PATCH", known, deactivate, "If-Match", `W/"3"`), "patch", known, [4]string{`W/"3"`}, "application/json-patch+json", deactivate},
		{"conditional patch", request(t, "PATCH", "/fhir/Patient?_id="+knownID, deactivate), "patch", "/fhir/Patient?_id=" + knownID, [4]string{}, "application/json-patch+json", deactivate},
		{"delete", request(t, "DELETE", known, ""), "delete", known, [4]string{}, "", ""},
		{"delete with a body", request(t, "DELETE", known, patient), "delete", known, [4]string{}, "", ""},
		{"conditional delete", request(t, "DELETE", "/fhir/Patient?identifier=urn:x|1", ""), "delete", "/fhir/Patient?identifier=urn:x|1", [4]string{}, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := submit(t, accepted, test.r)
			want := referral.Request{
				Org: sender, KeyKind: referral.KeyRandom, Key: got.Request.Key, Method: test.r.Method, URL: test.url,
				Conditions: test.conditions, ContentType: test.content, SHA256: got.Request.SHA256,
			}
			if diff := cmp.Diff(want, got.Request); diff != "" || got.Type != test.kind || got.Request.Key == "" {
				t.Errorf("got type %s, key %q, want %s and a key; request (-want +got):\n%s", got.Type, got.Request.Key, test.kind, diff)
			}
			if content, err := got.Content(); err != nil || string(content) != test.body {
				t.Errorf("got content %q, error %v; want %q", content, err, test.body)
			}
		})
	}
}

// TestBundlesOfOtherPlacesAreTheSame: a message is the same submission by every way in.
func TestBundlesOfOtherPlacesAreTheSame(t *testing.T) {
	message := referralFile(t, "referral-message.json")
	want := proof(t, submit(t, accepted, post(t, message))).Digest
	for _, url := range []string{"/fhir/Bundle", "/fhir/$process-message", "/fhir/$process-message?async=true"} {
		if got := proof(t, submit(t, accepted, request(t, "POST", url, message))).Digest; got != want {
			t.Errorf("%s makes another submission", url)
		}
	}
}

// TestLocationIsThatOfTheResource: a create whose id follows from what the server knows already is told it; one that may
// have been accepted before, or that may create nothing, is not.
func TestLocationIsThatOfTheResource(t *testing.T) {
	locate := func(r *http.Request) (location string, m *queue.Message) {
		sent, w := &outbox{}, httptest.NewRecorder()
		newHandler(newConfig(t, sent)).ServeHTTP(w, r)
		if w.Code != http.StatusAccepted {
			t.Fatalf("got %d %s, want 202", w.Code, w.Body)
		}
		return w.Header().Get("Location"), sent.only(t)
	}
	location, m := locate(request(t, "POST", "/fhir/Patient", patient))
	s := proof(t, m)
	id := newKeys(t).ResourceID(sender, s.Digest, s.AcceptedAt, 0)
	if want := "https://referrals.example/fhir/Patient/" + id.String(); location != want {
		t.Errorf("got Location %q, want %q", location, want)
	}
	for name, r := range map[string]*http.Request{
		"with a key":  request(t, "POST", "/fhir/Patient", patient, "Idempotency-Key", "key-1"),
		"conditional": request(t, "POST", "/fhir/Patient", patient, "If-None-Exist", "identifier=urn:x|1"),
		"update":      request(t, "PUT", "/fhir/Patient/"+knownID, knownJSON),
		"transaction": post(t, creates),
	} {
		if location, _ := locate(r); location != "" {
			t.Errorf("%s: got Location %q, want none", name, location)
		}
	}
}

// TestWritesAreAloneWithoutAKey: the same write twice is two submissions, unless a key says that it is one.
func TestWritesAreAloneWithoutAKey(t *testing.T) {
	digest := func(headers ...string) referral.Digest {
		return proof(t, submit(t, accepted, request(t, "POST", "/fhir/Patient", patient, headers...))).Digest
	}
	if first, second := digest(), digest(); first == second {
		t.Error("two creates without a key are one submission")
	}
	key := []string{"Idempotency-Key", "key-1"}
	if first, second := digest(key...), digest(key...); first != second {
		t.Error("two creates with one key are two submissions")
	}
	if digest(key...) == digest("Idempotency-Key", "key-1", "If-None-Exist", "identifier=urn:x|1") {
		t.Error("a create and a conditional create with one key are one submission")
	}
}

// TestConditionalCreatesAreOneRequest: sending a Bundle of creates again is safe, whatever they depend on; where anything
// else is in it, it is not known whether it is meant twice.
func TestConditionalCreatesAreOneRequest(t *testing.T) {
	conditional := strings.Replace(creates, `"url":"Patient"`, `"url":"Patient","ifNoneExist":"identifier=urn:x|1"`, 1)
	if got := submit(t, accepted, post(t, conditional)).Request.KeyKind; got != referral.KeyRequest {
		t.Errorf("got kind %s of conditional creates, want %s", got, referral.KeyRequest)
	}
	deletes := `{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"DELETE","url":"Patient/` + knownID + `"}}]}`
	if got := submit(t, accepted, post(t, deletes)).Request.KeyKind; got != referral.KeyRandom {
		t.Errorf("got kind %s of a deletion, want %s", got, referral.KeyRandom)
	}
}

// TestNoWordOfAWriteIsToldOrLogged plants a word wherever a write may hold one.
func TestNoWordOfAWriteIsToldOrLogged(t *testing.T) {
	const word, known = "zqx7k", "/fhir/Patient/" + knownID
	for name, test := range map[string]struct {
		r      *http.Request
		status int
	}{
		"type":              {request(t, "POST", "/fhir/zqx7k", patient), 404},
		"id":                {request(t, "PUT", "/fhir/Patient/zqx7k", knownJSON), 405},
		"id of a patch":     {request(t, "PATCH", "/fhir/Patient/zqx7k", deactivate), 404},
		"other id":          {request(t, "PUT", known, `{"resourceType":"Patient","id":"zqx7k"}`), 400},
		"parameter":         {request(t, "DELETE", "/fhir/Patient?zqx7k=1", ""), 400},
		"criteria":          {request(t, "DELETE", "/fhir/Patient?identifier=zqx7k", ""), 202},
		"condition":         {request(t, "PUT", known, knownJSON, "If-Match", "zqx7k"), 400},
		"none exist":        {request(t, "POST", "/fhir/Patient", patient, "If-None-Exist", "zqx7k=zqx7k"), 400},
		"preference":        {request(t, "POST", "/fhir/Patient", patient, "Prefer", "zqx7k, wait=zqx7k, return=zqx7k"), 202},
		"resource":          {request(t, "POST", "/fhir/Patient", `{"resourceType":"Patient","name":[{"family":"zqx7k"}]}`), 202},
		"element":           {request(t, "POST", "/fhir/Patient", `{"resourceType":"Patient","zqx7k":"zqx7k"}`), 400},
		"reference":         {request(t, "POST", "/fhir/Task", `{"resourceType":"Task","status":"requested","intent":"order","for":{"reference":"Patient?name=zqx7k"}}`), 422},
		"patch":             {request(t, "PATCH", known, `[{"op":"replace","path":"/zqx7k","value":"zqx7k"}]`), 202},
		"operation":         {request(t, "PATCH", known, `[{"op":"zqx7k","path":"zqx7k"}]`), 400},
		"address of answer": {request(t, "POST", "/fhir/$process-message?response-url=https://zqx7k.example", `{"resourceType":"Bundle"}`), 422},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			c := newConfig(t, &outbox{})
			c.HTTP.Log = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			w := httptest.NewRecorder()
			newHandler(c).ServeHTTP(w, test.r)
			if w.Code != test.status {
				t.Errorf("got %d %s, want %d", w.Code, w.Body, test.status)
			}
			if strings.Contains(everything(w)+log.String(), word) {
				t.Errorf("the answer or log holds the word:\n%s\n%s", everything(w), &log)
			}
		})
	}
}
