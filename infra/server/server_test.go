package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/shared/env"
	"github.com/ausbizconsulting/referral-fhir-server/shared/env/envtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
)

// TestMain runs the server itself, or a worker, when a test has started this binary as its child.
func TestMain(m *testing.M) {
	switch os.Getenv("REFERRAL_TEST_CHILD") {
	case "worker":
		settleAsWorker()
		return
	case "server":
		main()
		return
	}
	os.Exit(runTests(m))
}

// runTests gives the bootstraps a folder for as long as tests run.
func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "bootstraps-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	bootstraps = sync.OnceValues(func() (string, error) { return dir, buildBootstraps(dir) })
	return pgtest.Run(m)
}

// dataDir is a data directory in which the databases of a server are ready. TestInterruptStopsEverything begins without.
func dataDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	pgtest.Prepare(t, filepath.Join(dir, "postgres"))
	return dir
}

// replies are the examples that the recipient of the others sends.
var replies = []string{"discharge-document", "task-update-message"}

// examples returns the names of the fixed Bundles.
func examples(t testing.TB) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "testdata", "referrals", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("got %d examples, error %v", len(files), err)
	}
	for _, file := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(file), ".json"))
	}
	return names
}

func example(t testing.TB, name string) []byte {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("..", "..", "testdata", "referrals", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// started runs a server of its own for the test, on free ports, whose store is there.
func started(t testing.TB, variables ...string) *server {
	t.Helper()
	s := startedEarly(t, variables...)
	select {
	case <-s.settling:
	case err := <-s.failed:
		t.Fatal(err)
	case <-time.After(time.Minute):
		t.Fatal("the store was not there within a minute")
	}
	return s
}

// startedEarly runs a server that may have no store yet. Variables are NAME, value.
func startedEarly(t testing.TB, variables ...string) *server {
	t.Helper()
	return startedLogging(t, slog.New(slog.NewJSONHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})), variables...)
}

func startedLogging(t testing.TB, log *slog.Logger, variables ...string) *server {
	t.Helper()
	vars := map[string]string{
		"REFERRAL_ADDR": "127.0.0.1:0", "REFERRAL_OPS_ADDR": "127.0.0.1:0", "REFERRAL_SQS_ADDR": "127.0.0.1:0",
	}
	for i := 0; i < len(variables); i += 2 {
		vars[variables[i]] = variables[i+1]
	}
	if vars["REFERRAL_DATA_DIR"] == "" {
		vars["REFERRAL_DATA_DIR"] = dataDir(t)
	}
	v := envtest.Settings(vars)
	s, err := start(t.Context(), readSettings(v), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestReferralTravels sends each example through the whole server: 202, status, settled, read back.
func TestReferralTravels(t *testing.T) {
	s := started(t)
	base := s.base.String()
	for _, name := range examples(t) {
		t.Run(name, func(t *testing.T) {
			sender, recipient, other := client{base, "dev-sender"}, client{base, "dev-recipient"}, client{base, "dev-other"}
			reply := slices.Contains(replies, name)
			if reply {
				sender, recipient = recipient, other // addressed by what does not make readers
			}
			body := example(t, name)
			url := sender.submit(t, body)
			if !strings.HasPrefix(url, sender.base+"/fhir/_status/") {
				t.Fatalf("got Content-Location %q, want a status URL", url)
			}
			settled := sender.follow(t, url, 10*time.Second)
			if got := settled.Entry[0].Response.Status; !strings.HasPrefix(got, "200") {
				t.Fatalf("got outcome %s %s, want 200", got, settled.Entry[0].Response.Outcome)
			}
			var sent struct {
				Entry []struct{ Resource map[string]any }
			}
			if err := json.Unmarshal(body, &sent); err != nil {
				t.Fatal(err)
			}
			if got := settled.Entry[0].Resource; got.Type != "message" && len(got.Entry) != len(sent.Entry) {
				t.Errorf("got %d entries in the response, want %d", len(got.Entry), len(sent.Entry))
			}
			var stored struct{ Resources []string }
			a := sender.get(t, "/referrals/"+url[strings.LastIndex(url, "/")+1:])
			if err := json.Unmarshal(a.body, &stored); err != nil || len(stored.Resources) != len(sent.Entry) {
				t.Fatalf("got %d resources, error %v, want %d", len(stored.Resources), err, len(sent.Entry))
			}
			for i, version := range stored.Resources {
				checkStored(t, sender, recipient, other, version, sent.Entry[i].Resource)
			}
			if a := other.get(t, url); a.status != http.StatusNotFound {
				t.Errorf("another organisation got %d from the status URL, want 404", a.status)
			}
			if !reply {
				checkSearch(t, sender, recipient, other)
			}
			for who, want := range map[client]bool{sender: true, recipient: !reply, other: false} {
				if a := who.get(t, "/referrals/"+url[strings.LastIndex(url, "/")+1:]); (a.status == http.StatusOK) != want {
					t.Errorf("%s got %d from /referrals, want it to see the referral: %v", who.key, a.status, want)
				}
			}
		})
	}
}

// bundleLink matches what only leads somewhere inside a Bundle; an Identifier's value may be a urn:uuid, too.
var bundleLink = regexp.MustCompile(`"(?:reference|url)": ?"urn:uuid:[^"]*|href=\\"urn:uuid:[^"]*`)

// checkStored reads one resource back and compares its plain elements with what was sent.
func checkStored(t *testing.T, sender, recipient, other client, location string, sent map[string]any) {
	t.Helper()
	path, _, _ := strings.Cut(location, "/_history/")
	a := sender.get(t, "/fhir/"+path)
	if a.status != http.StatusOK || a.header.Get("ETag") != `W/"1"` {
		t.Fatalf("%s: got %d with ETag %q, want 200 and version 1", path, a.status, a.header.Get("ETag"))
	}
	var got map[string]any
	if err := json.Unmarshal(a.body, &got); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if named := fmt.Sprintf("%v/%v", got["resourceType"], got["id"]); named != path {
		t.Errorf("%s: got %s", path, named)
	}
	for name, value := range sent {
		if text, ok := value.(string); ok && name != "id" && got[name] != text {
			t.Errorf("%s: element %s changed", path, name)
		}
		if _, ok := got[name]; !ok {
			t.Errorf("%s: element %s was lost", path, name)
		}
	}
	if link := bundleLink.Find(a.body); link != nil {
		t.Errorf("%s: a link inside the Bundle was left: %s", path, link)
	}
	if recipient != other && (strings.HasPrefix(path, "ServiceRequest/") || strings.HasPrefix(path, "Patient/")) {
		if a := recipient.get(t, "/fhir/"+path); a.status != http.StatusOK {
			t.Errorf("%s: the recipient got %d, want 200", path, a.status)
		}
	}
	if a := other.get(t, "/fhir/"+path); a.status != http.StatusNotFound {
		t.Errorf("%s: another organisation got %d, want 404", path, a.status)
	}
}

// checkSearch finds each stored ServiceRequest by its patient and by _id, and the patient by identifier.
func checkSearch(t *testing.T, sender, recipient, other client) {
	t.Helper()
	type found struct {
		Entry []struct {
			Resource struct {
				ID         string
				Subject    struct{ Reference string }
				Identifier []struct{ System, Value string }
			}
		}
	}
	search := func(c client, path string) (f found) {
		t.Helper()
		a := c.get(t, path)
		if a.status != http.StatusOK {
			t.Fatalf("%s: got %d %s", path, a.status, a.body)
		}
		if err := json.Unmarshal(a.body, &f); err != nil {
			t.Fatal(err)
		}
		return f
	}
	all := search(sender, "/fhir/ServiceRequest")
	if len(all.Entry) == 0 {
		t.Fatal("found no ServiceRequest of one's own")
	}
	request := all.Entry[0].Resource
	patient := search(sender, "/fhir/Patient?_id="+strings.TrimPrefix(request.Subject.Reference, "Patient/")).Entry
	if len(patient) != 1 {
		t.Fatalf("found %d patients by _id, want 1", len(patient))
	}
	identifier := patient[0].Resource.Identifier[0]
	for _, path := range []string{
		"/fhir/ServiceRequest?patient=" + request.Subject.Reference,
		"/fhir/Patient?identifier=" + identifier.System + "|" + identifier.Value,
		"/fhir/Patient?identifier=" + identifier.Value,
	} {
		for who, want := range map[client]bool{sender: true, recipient: true, other: false} {
			if got := len(search(who, path).Entry) > 0; got != want {
				t.Errorf("%s: %s finds something: %v, want %v", path, who.key, got, want)
			}
		}
	}
}

// TestLargeAttachmentTravels sends more than the queue takes in one message.
func TestLargeAttachmentTravels(t *testing.T) {
	s := started(t)
	sender := client{s.base.String(), "dev-sender"}
	noise := make([]byte, 2_900_000)
	rand.Read(noise)
	body := fmt.Appendf(nil, `{"resourceType":"Bundle","type":"collection","identifier":{"system":"urn:x","value":"1"},`+
		`"entry":[{"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000001","resource":{"resourceType":"Binary","contentType":"application/octet-stream","data":%q}}]}`,
		base64.StdEncoding.EncodeToString(noise))
	settled := sender.follow(t, sender.submit(t, body), 20*time.Second)
	location, _, _ := strings.Cut(settled.Entry[0].Resource.Entry[0].Response.Location, "/_history/")
	a := sender.get(t, "/fhir/"+location)
	if a.status != http.StatusOK || !bytes.Contains(a.body, []byte(base64.StdEncoding.EncodeToString(noise))) {
		t.Errorf("got %d and %d bytes, want the attachment", a.status, len(a.body))
	}
}

// TestFiftyAtOnceSettleOnce posts one Bundle fifty times at once.
func TestFiftyAtOnceSettleOnce(t *testing.T) {
	s := started(t)
	sender := client{s.base.String(), "dev-sender"}
	body := example(t, "cardiology-referral")
	urls := make([]string, 50)
	var wg sync.WaitGroup
	for i := range urls {
		wg.Go(func() { urls[i] = sender.submit(t, body) })
	}
	wg.Wait()
	canonical := map[string]bool{}
	for _, url := range urls {
		canonical[sender.follow(t, url, 20*time.Second).ID] = true
	}
	if len(canonical) != 1 {
		t.Errorf("the %d answers name %d submissions, want 1", len(urls), len(canonical))
	}
	if got := count(t, s, `select count(*) from resource where type = 'Patient'`); got != 1 {
		t.Errorf("got %d patients, want 1", got)
	}
}

// TestStoreDown takes the store's database away, accepts meanwhile, and gives it back.
func TestStoreDown(t *testing.T) {
	s := started(t)
	sender := client{s.base.String(), "dev-sender"}
	admin(t, s, `alter database referral allow_connections false`)
	admin(t, s, `select pg_terminate_backend(pid) from pg_stat_activity where datname = 'referral'`)
	urls := make([]string, 5)
	for i := range urls {
		urls[i] = sender.submit(t, numbered(t, i))
	}
	if a := sender.get(t, urls[0]); a.status != http.StatusAccepted {
		t.Errorf("with the store down the status URL says %d, want 202", a.status)
	}
	if a := sender.get(t, "/health/ready"); a.status != http.StatusServiceUnavailable || !bytes.Contains(a.body, []byte("store")) {
		t.Errorf("with the store down /health/ready says %d %s, want 503 and the store", a.status, a.body)
	}
	if a := sender.get(t, "/fhir/Patient"); a.status != http.StatusServiceUnavailable {
		t.Errorf("with the store down a search says %d, want 503", a.status)
	}
	admin(t, s, `alter database referral allow_connections true`)
	for _, url := range urls {
		sender.follow(t, url, time.Minute)
	}
	if got := count(t, s, `select count(*) from submission where state = 'completed'`); got != len(urls) {
		t.Errorf("got %d completed, want %d", got, len(urls))
	}
}

// TestBadInputQueuesNothing sends what must be refused and looks at the queue.
func TestBadInputQueuesNothing(t *testing.T) {
	s := started(t)
	sender := client{s.base.String(), "dev-sender"}
	body := string(example(t, "cardiology-referral"))
	edit := func(old, new string) []byte {
		if !strings.Contains(body, old) {
			t.Fatalf("the example has no %s", old)
		}
		return []byte(strings.Replace(body, old, new, 1))
	}
	before, request, _ := strings.Cut(body, `"resourceType": "ServiceRequest"`)
	withoutStatus := before + `"resourceType": "ServiceRequest"` + strings.Replace(request, `"status": "active",`, "", 1)
	for name, test := range map[string]struct {
		body       []byte
		status     int
		code       string
		expression string
	}{
		"bad JSON":       {[]byte(body[:len(body)/2]), 400, "structure", "Bundle"},
		"wrong type":     {edit(`"type": "transaction"`, `"type": 7`), 400, "value", "Bundle.type"},
		"missing status": {[]byte(withoutStatus), 422, "required", ".resource.status"},
		"oversize":       {bytes.Repeat([]byte(" "), 4<<20+1), 413, "too-long", "Bundle"},
	} {
		a, err := sender.do("POST", "/fhir", test.body)
		if err != nil {
			t.Fatal(err)
		}
		var outcome struct {
			ResourceType string
			Issue        []struct {
				Severity, Code string
				Expression     []string
			}
		}
		if err := json.Unmarshal(a.body, &outcome); err != nil || outcome.ResourceType != "OperationOutcome" || len(outcome.Issue) == 0 {
			t.Fatalf("%s: got %s, want an OperationOutcome", name, a.body)
		}
		issue := outcome.Issue[0]
		if a.status != test.status || issue.Code != test.code || issue.Severity != "error" ||
			!strings.Contains(strings.Join(issue.Expression, ""), test.expression) {
			t.Errorf("%s: got %d %+v, want %d %s at …%s", name, a.status, issue, test.status, test.code, test.expression)
		}
	}
	out, err := s.queue.client.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: &s.queue.url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"} {
		if got := out.Attributes[name]; got != "0" {
			t.Errorf("got %s = %s, want 0", name, got)
		}
	}
	if got := count(t, s, `select count(*) from submission`); got != 0 {
		t.Errorf("got %d submissions, want none", got)
	}
}

func TestDevelopmentClientsAreRefusedElsewhere(t *testing.T) {
	v := env.Read(func(name string) (string, bool) {
		value, ok := map[string]string{"REFERRAL_ADDR": "0.0.0.0:0", "REFERRAL_DATA_DIR": t.TempDir()}[name]
		return value, ok
	})
	s, err := start(t.Context(), readSettings(v), slog.New(slog.DiscardHandler))
	if err == nil {
		s.stop()
		t.Fatal("the server started on every address with development clients")
	}
	if !strings.Contains(err.Error(), "loopback") {
		t.Errorf("got error %v, want it to name loopback", err)
	}
}

// numbered returns a referral that differs from others by its number.
func numbered(t testing.TB, n int) []byte {
	t.Helper()
	return bytes.Replace(example(t, "cardiology-referral"), []byte(`"birthDate"`), fmt.Appendf(nil, `"language":"en-%d","birthDate"`, n), 1)
}

func admin(t testing.TB, s *server, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.pg.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func count(t testing.TB, s *server, sql string) (n int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.pg.URL("referral"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	if err := conn.QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestLimitsAreAnnounced: the CapabilityStatement has those of this server's settings.
func TestLimitsAreAnnounced(t *testing.T) {
	s := started(t, "REFERRAL_MAX_ENTRIES", "7", "REFERRAL_MAX_BODY", "65536")
	c := client{s.base.String(), "dev-sender"}
	a := c.send(t, "GET", "/fhir/metadata", http.Header{}, nil)
	if want := "a body of 65536 bytes after decoding, 7 entries"; !strings.Contains(string(a.body), want) {
		t.Errorf("got %d %.200s, want %q in it", a.status, a.body, want)
	}
}
