package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// TestWaitThroughTheQueue: with Prefer: wait the client cannot tell the server from one that settles at once.
func TestWaitThroughTheQueue(t *testing.T) {
	s := started(t)
	c := client{s.base.String(), "dev-sender"}
	behavesSynchronously(t, c, http.Header{"Prefer": {"wait=10"}})
	// One who does not wait is answered at once, and may wait at the status URL instead.
	a := c.send(t, "POST", "/fhir/Patient", http.Header{}, patient("without"))
	if a.status != http.StatusAccepted {
		t.Fatalf("without Prefer: got %d %s, want 202", a.status, a.body)
	}
	if a = c.send(t, "GET", a.header.Get("Content-Location"), http.Header{"Prefer": {"wait=10"}}, nil); a.status != http.StatusOK {
		t.Errorf("a poll that waits got %d %s, want 200", a.status, a.body)
	}
}

// TestDefaultWait: a setting makes all wait who do not say otherwise.
func TestDefaultWait(t *testing.T) {
	s := started(t, "REFERRAL_DEFAULT_WAIT", "10s")
	c := client{s.base.String(), "dev-sender"}
	for prefer, want := range map[string]int{"": 201, "respond-async": 202, "wait=0": 202} {
		header := http.Header{}
		if prefer != "" {
			header.Set("Prefer", prefer)
		}
		if a := c.send(t, "POST", "/fhir/Patient", header, patient("x"+prefer)); a.status != want {
			t.Errorf("Prefer %q: got %d %s, want %d", prefer, a.status, a.body, want)
		}
	}
}

// TestWaitEndsInTime: what has not settled when the time is up is accepted, and settles later.
func TestWaitEndsInTime(t *testing.T) {
	s := started(t)
	c := client{s.base.String(), "dev-sender"}
	admin(t, s, `alter database referral allow_connections false`)
	admin(t, s, `select pg_terminate_backend(pid) from pg_stat_activity where datname = 'referral'`)
	start := time.Now()
	a := c.send(t, "POST", "/fhir/Patient", http.Header{"Prefer": {"wait=1"}}, patient("late"))
	if took := time.Since(start); a.status != http.StatusAccepted || took < time.Second || took > 3*time.Second {
		t.Errorf("got %d after %v, want 202 after 1 s", a.status, took)
	}
	admin(t, s, `alter database referral allow_connections true`)
	c.follow(t, a.header.Get("Content-Location"), time.Minute)
}

// TestStopAnswersThoseWhoWait: they are not cut off.
func TestStopAnswersThoseWhoWait(t *testing.T) {
	s := started(t)
	c := client{s.base.String(), "dev-sender"}
	admin(t, s, `alter database referral allow_connections false`)
	admin(t, s, `select pg_terminate_backend(pid) from pg_stat_activity where datname = 'referral'`)
	queue, err := pgx.Connect(t.Context(), s.pg.URL("queue"))
	if err != nil {
		t.Fatal(err)
	}
	answered := make(chan received, 1)
	go func() {
		a, err := c.request("POST", "/fhir/Patient", http.Header{"Prefer": {"wait=20"}}, patient("cut"))
		if err != nil {
			t.Error(err)
		}
		answered <- a
	}()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) { // until it is in the queue
		var queued int
		if err := queue.QueryRow(t.Context(), `select count(*) from sqs.message`).Scan(&queued); err != nil {
			t.Fatal(err)
		}
		if queued > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing is in the queue")
		}
	}
	queue.Close(t.Context())
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	if a := <-answered; a.status != http.StatusAccepted {
		t.Errorf("got %d %s, want 202", a.status, a.body)
	}
}

// TestDirect: without a queue each request settles before it is answered.
func TestDirect(t *testing.T) {
	s := started(t, "REFERRAL_QUEUE", "direct")
	c := client{s.base.String(), "dev-sender"}
	behavesSynchronously(t, c, http.Header{})
	if a := c.get(t, "/health/ready"); a.status != http.StatusOK || strings.Contains(string(a.body), "queue") {
		t.Errorf("/health/ready says %d %s, want 200 and no queue", a.status, a.body)
	}
	content, err := os.ReadFile(filepath.Join(s.settings.dataDir, "env"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(content), "REFERRAL_QUEUE='direct'\n") || strings.Contains(string(content), "SQS") {
		t.Error("the published environment does not say that there is no queue")
	}
	for name, text := range map[string]string{
		"the banner": s.banner(), "the start page": string(c.get(t, "http://"+s.ops).body), "/metrics": string(c.get(t, "http://"+s.ops+"/metrics").body),
	} {
		if !strings.Contains(text, "direct") {
			t.Errorf("%s does not say that there is no queue", name)
		}
	}
}

// TestDirectWithoutStore: nothing is accepted that has not settled.
func TestDirectWithoutStore(t *testing.T) {
	s := started(t, "REFERRAL_QUEUE", "direct")
	c := client{s.base.String(), "dev-sender"}
	admin(t, s, `alter database referral allow_connections false`)
	admin(t, s, `select pg_terminate_backend(pid) from pg_stat_activity where datname = 'referral'`)
	if a := c.send(t, "POST", "/fhir/Patient", http.Header{}, patient("1")); a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
		t.Errorf("without its store a write got %d %s, want 503 and Retry-After", a.status, a.body)
	}
	admin(t, s, `alter database referral allow_connections true`)
	if a := c.send(t, "POST", "/fhir/Patient", http.Header{}, patient("1")); a.status != http.StatusCreated {
		t.Errorf("with its store again a write got %d %s, want 201", a.status, a.body)
	}
}

// behavesSynchronously creates, updates, patches and deletes a patient, sends a referral, and is refused, each time with
// header, and wants the answers of a FHIR server that settles at once (FHIR R4 http.html).
func behavesSynchronously(t *testing.T, c client, header http.Header) {
	t.Helper()
	with := func(name, value string) http.Header {
		h := header.Clone()
		h.Set(name, value)
		return h
	}
	expect := func(what string, a received, status int) received {
		t.Helper()
		if a.status != status {
			t.Errorf("%s: got %d %s, want %d", what, a.status, a.body, status)
		}
		return a
	}
	a := expect("create", c.send(t, "POST", "/fhir/Patient", header, patient("1")), 201)
	location, version, _ := strings.Cut(a.header.Get("Location"), "/_history/")
	if !strings.HasPrefix(location, c.base+"/fhir/Patient/") || version != "1" || a.header.Get("ETag") != `W/"1"` || a.header.Get("Last-Modified") == "" {
		t.Fatalf("create: got headers %v, want Location, ETag and Last-Modified", a.header)
	}
	id := location[strings.LastIndex(location, "/")+1:]
	var created struct{ ResourceType, ID string }
	if err := json.Unmarshal(a.body, &created); err != nil || created.ResourceType != "Patient" || created.ID != id {
		t.Errorf("create: got body %s, error %v, want the patient", a.body, err)
	}
	changed := fmt.Appendf(nil, `{"resourceType":"Patient","id":%q,"gender":"other","identifier":[{"system":"urn:x","value":"1"}]}`, id)
	if a = expect("update", c.send(t, "PUT", location, with("If-Match", `W/"1"`), changed), 200); a.header.Get("ETag") != `W/"2"` {
		t.Errorf("update: got ETag %q, want version 2", a.header.Get("ETag"))
	}
	expect("update of an old version", c.send(t, "PUT", location, with("If-Match", `W/"1"`), changed), 412)
	patch := []byte(`[{"op":"replace","path":"/gender","value":"female"}]`)
	if a = expect("patch", c.send(t, "PATCH", location, with("Content-Type", "application/json-patch+json"), patch), 200); !strings.Contains(string(a.body), `"female"`) {
		t.Errorf("patch: got %s, want the patched patient", a.body)
	}
	expect("conditional create of what is there", c.send(t, "POST", "/fhir/Patient", with("If-None-Exist", "identifier=urn:x|1"), patient("1")), 200)
	if a = expect("delete", c.send(t, "DELETE", location, header, nil), 204); len(a.body) > 0 {
		t.Errorf("delete: got body %s, want none", a.body)
	}
	expect("read of what is deleted", c.get(t, location), 410)
	expect("delete again", c.send(t, "DELETE", location, header, nil), 204)
	expect("update of what is unknown", c.send(t, "PUT", "/fhir/Patient/nowhere", header, []byte(`{"resourceType":"Patient","id":"nowhere"}`)), 405)

	a = expect("referral", c.send(t, "POST", "/fhir", header, example(t, "cardiology-referral")), 200)
	var settled struct {
		Type  string
		Entry []struct{ Response struct{ Status string } }
	}
	if err := json.Unmarshal(a.body, &settled); err != nil || settled.Type != "transaction-response" || len(settled.Entry) != 18 {
		t.Errorf("referral: got %s with %d entries, error %v; want a transaction-response with 18", settled.Type, len(settled.Entry), err)
	}
	a = expect("message", c.send(t, "POST", "/fhir/$process-message", header, example(t, "referral-message")), 200)
	if !strings.Contains(string(a.body), `"MessageHeader"`) {
		t.Errorf("message: got %s, want a message", a.body)
	}
	expect("a key", c.send(t, "POST", "/fhir/Patient", with("Idempotency-Key", "k"), patient("2")), 201)
	expect("the key again", c.send(t, "POST", "/fhir/Patient", with("Idempotency-Key", "k"), patient("2")), 201)
	expect("the key of another request", c.send(t, "POST", "/fhir/Patient", with("Idempotency-Key", "k"), patient("3")), 409)
}

// patient is one with an identifier of its own.
func patient(value string) []byte {
	return fmt.Appendf(nil, `{"resourceType":"Patient","identifier":[{"system":"urn:x","value":%q}]}`, value)
}
