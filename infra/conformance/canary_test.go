package conformance

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/ausbizconsulting/referral-fhir-server/shared/awslambda"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/telemetry/teletest"
)

// The canaries: one for each place where a patient's data may stand.
const (
	inName       = "zqxFamily4k1"
	inIdentifier = "zqxNumber9v2"
	inAddress    = "zqxStreet7w3"
	inNarrative  = "zqxStory5m4"
	inAttachment = "zqxLetter8p5"
	inFreeText   = "zqxReason6t6"
	inMemberName = "zqxMember3r7"
	inHeader     = "zqxHeader2n8"
	inPath       = "zqxPath1c9"
	inQuery      = "zqxQuery4b0"
	inMessage    = "zqxMessage7y2" // of PostgreSQL, when it refuses something
)

var canaries = []string{
	inName, inIdentifier, inAddress, inNarrative, inAttachment, inFreeText, inMemberName, inHeader, inPath, inQuery, inMessage,
}

// marked is a referral with canaries wherever the sender has a say; n tells it from others.
func marked(n int) string {
	letter := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "Dear colleague, %s", inAttachment))
	return fmt.Sprintf(`{"resourceType":"Bundle","type":"transaction","entry":[
  {"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000001","request":{"method":"POST","url":"Patient","ifNoneExist":"identifier=urn:x|%[2]s-%[7]d"},
   "resource":{"resourceType":"Patient","language":"en-%[7]d","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>%[4]s</p></div>"},
    "identifier":[{"system":"urn:x","value":"%[2]s-%[7]d"}],"name":[{"family":"%[1]s \"\u00e9","given":["%[1]s"]}],
    "address":[{"line":["%[3]s"],"city":"%[3]s"}],"telecom":[{"system":"email","value":"%[2]s@example.org"}]}},
  {"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000002","request":{"method":"POST","url":"DocumentReference"},
   "resource":{"resourceType":"DocumentReference","status":"current","subject":{"reference":"urn:uuid:00000000-0000-4000-8000-000000000001"},
    "description":"%[6]s","content":[{"attachment":{"contentType":"text/plain","title":"%[6]s","data":"%[5]s"}}]}},
  {"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000003","request":{"method":"POST","url":"ServiceRequest"},
   "resource":{"resourceType":"ServiceRequest","status":"active","intent":"order","subject":{"reference":"urn:uuid:00000000-0000-4000-8000-000000000001","display":"%[1]s"},
    "reasonCode":[{"text":"%[6]s"}],"note":[{"text":"%[6]s"}],
    "performer":[{"identifier":{"system":"http://ns.electronichealth.net.au/id/hi/hpio/1.0","value":"8003624900041689"},"display":"%[1]s"}]}}]}`,
		inName, inIdentifier, inAddress, inNarrative, letter, inFreeText, n)
}

// TestNothingLeaks sends patients' data, marked, through the whole server, good and bad, and has the store fail on them,
// and then looks at all that the server says of it: nothing.
func TestNothingLeaks(t *testing.T) {
	for _, h := range hosts(t) {
		t.Run(h.name, func(t *testing.T) {
			traces := teletest.Start(t)
			c := canaryRun{process: launch(t, append(h.variables, "REFERRAL_LOG_LEVEL=debug", "OTEL_EXPORTER_OTLP_ENDPOINT="+traces.URL.String())...)}
			c.queues = queuesOf(t, c.process)
			c.accepted(t)
			c.refused(t)
			c.failing(t)
			c.operated(t)
			checkLeaks(t, "the metrics", c.metrics(t), canaries...)
			c.stop()
			checkLeaks(t, "the log", c.said(t), canaries...)
			checkLeaks(t, "the traces", traces.Said(), canaries...)
			c.postgres(t)
		})
	}
}

type canaryRun struct {
	process
	queues queues
}

// ask sends a request with a canary in headers where any may stand. What says that something is wrong must not say with
// what.
func (c canaryRun) ask(t *testing.T, method, target, body string, header ...string) answer {
	t.Helper()
	all := [][2]string{{"User-Agent", inHeader}, {"Traceparent", inHeader}, {"X-Request-Id", inHeader + " x"}, {"X-Forwarded-For", inHeader}, {"Cookie", inHeader}}
	for i := 0; i < len(header); i += 2 {
		all = append(all, [2]string{header[i], header[i+1]})
	}
	a, err := stack{base: c.base}.send(t.Context(), method, target, all, body)
	if err != nil {
		t.Fatal(err)
	}
	if a.status >= http.StatusBadRequest {
		checkLeaks(t, fmt.Sprintf("the answer to %s %s, %d,", method, target, a.status), a.body, canaries...)
	}
	return a
}

// follow polls the status of what was accepted until it has settled.
func (c canaryRun) follow(t *testing.T, accepted answer) answer {
	t.Helper()
	if accepted.status != http.StatusAccepted {
		t.Fatalf("got %d %s, want 202", accepted.status, accepted.body)
	}
	target := strings.TrimPrefix(accepted.header.Get("Content-Location"), c.base)
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) { // as a client polls
		a := c.ask(t, http.MethodGet, target, "")
		if a.status != http.StatusAccepted || time.Now().After(deadline) {
			return a
		}
	}
}

// accepted sends a referral and reads it back in every way, by its canaries.
func (c canaryRun) accepted(t *testing.T) {
	a := c.follow(t, c.ask(t, http.MethodPost, "/fhir", marked(1), "Idempotency-Key", inHeader))
	if !strings.Contains(string(a.body), "Patient/") {
		t.Fatalf("got %d %s, want the referral settled", a.status, a.body)
	}
	found := c.ask(t, http.MethodGet, "/fhir/Patient?identifier=urn:x%7C"+inIdentifier+"-1", "")
	var searchset struct {
		Entry []struct{ Resource struct{ ID string } }
	}
	if err := json.Unmarshal(found.body, &searchset); err != nil || len(searchset.Entry) != 1 || len(leaks(found.body, inName)) == 0 {
		t.Fatalf("got %d %s, want the patient by a canary, and a canary of it", found.status, found.body)
	}
	patient := "/fhir/Patient/" + searchset.Entry[0].Resource.ID
	for _, target := range []string{
		patient, patient + "/_history", patient + "/$everything", "/fhir/Patient?family=" + inName, "/fhir/Patient?family:contains=" + inName,
		"/fhir/ServiceRequest?patient.identifier=" + inIdentifier, "/fhir/_history", "/referrals",
	} {
		if got := c.ask(t, http.MethodGet, target, ""); got.status != http.StatusOK {
			t.Errorf("%s: got %d %s, want 200", target, got.status, got.body)
		}
	}
	c.ask(t, http.MethodPost, "/fhir/Patient/_search", "address="+inAddress, "Content-Type", "application/x-www-form-urlencoded")
	c.follow(t, c.ask(t, http.MethodPatch, patient, `[{"op":"add","path":"/name/0/text","value":"`+inName+`"}]`, "Content-Type", "application/json-patch+json"))
	c.follow(t, c.ask(t, http.MethodPatch, patient, `[{"op":"test","path":"/name/0/text","value":"`+inFreeText+`"}]`, "Content-Type", "application/json-patch+json"))
	c.follow(t, c.ask(t, http.MethodPost, "/fhir/Patient", `{"resourceType":"Patient","name":[{"family":"`+inName+`"}]}`, "If-None-Exist", "identifier=urn:x|"+inIdentifier+"-1"))
	c.follow(t, c.ask(t, http.MethodDelete, "/fhir/Patient?identifier=urn:x%7C"+inQuery, ""))
}

// refused sends what is wrong, wrong by its canaries.
func (c canaryRun) refused(t *testing.T) {
	good := marked(2)
	for _, body := range []string{
		good[:len(good)/2],
		good + inName,
		strings.Replace(good, `"active"`, `"`+inName+`"`, 1),
		strings.Replace(good, `"resourceType":"Patient"`, `"resourceType":"`+inName+`"`, 1),
		strings.Replace(good, `"language"`, `"`+inMemberName+`"`, 1),
		strings.Replace(good, `"language":"`, `"birthDate":"`+inName, 1),
		strings.Replace(good, `"data":"`, `"data":"!`+inAttachment, 1),
		strings.Replace(good, `<p>`, `<script>`+inNarrative+`</script><p>`, 1),
		strings.Replace(good, `"urn:x"`, `"http://ns.electronichealth.net.au/id/hi/ihi/1.0"`, 1),
		strings.Replace(good, `"method":"POST"`, `"method":"`+inName+`"`, 1),
		strings.Replace(good, `"url":"Patient"`, `"url":"`+inPath+`"`, 1),
		strings.Replace(good, "\\u00e9", "\\ud800", 1),
		strings.Repeat("[", 100) + inName,
	} {
		if body == good {
			t.Fatal("a fault was not made")
		}
		for _, target := range []string{"/fhir", "/fhir/$validate"} {
			a := c.ask(t, http.MethodPost, target, body)
			if a.status == http.StatusAccepted {
				t.Errorf("got 202, want it refused: %.300s", body)
			}
			checkLeaks(t, target, a.body, canaries...)
		}
	}
	for _, r := range [][]string{
		{http.MethodGet, "/" + inPath, ""},
		{http.MethodGet, "/fhir/" + inPath, ""},
		{http.MethodGet, "/fhir/Patient/" + inPath, ""},
		{http.MethodGet, "/fhir/_status/" + inPath, ""},
		{http.MethodGet, "/referrals/" + inPath + "/bundle", ""},
		{http.MethodGet, "/fhir/Patient/01934f6e-0000-7000-8000-000000000000/_history/" + inPath, ""},
		{http.MethodGet, "/fhir/Patient?" + inQuery + "=" + inQuery, ""},
		{http.MethodGet, "/fhir/Patient?birthdate=" + inQuery, ""},
		{http.MethodGet, "/fhir/Patient?family:" + inQuery + "=" + inQuery, ""},
		{http.MethodGet, "/fhir/Patient?_page=" + inQuery, ""},
		{http.MethodGet, "/fhir/Patient?_format=" + inQuery, ""},
		{http.MethodGet, "/fhir/Patient?x=%" + inQuery, ""},
		{http.MethodPut, "/fhir/Patient/" + inPath, `{"resourceType":"Patient","id":"` + inPath + `"}`},
		{http.MethodPost, "/fhir/Patient", `{"resourceType":"Patient"}`, "If-None-Exist", inQuery},
		{http.MethodPost, "/fhir", good, "Idempotency-Key", inHeader + "é"},
		{http.MethodPost, "/fhir", good, "Content-Type", inHeader},
		{http.MethodPost, "/fhir", good, "Content-Encoding", inHeader},
		{http.MethodPost, "/fhir", good, "X-Api-Key", inHeader},
		{http.MethodPost, "/fhir", good, "X-Api-Key", "", "Authorization", "Bearer " + inHeader},
		{http.MethodGet, "/fhir/Patient", "", "Accept", "text/" + inHeader},
	} {
		if a := c.ask(t, r[0], r[1], r[2], r[3:]...); a.status < http.StatusBadRequest {
			t.Errorf("%v: got %d, want it refused", r, a.status)
		}
	}
}

// failing has the store fail on what has canaries, in the words of those who write triggers, until it is a dead letter.
func (c canaryRun) failing(t *testing.T) {
	for i, code := range []string{"22P02", "22021", "42501"} {
		c.execute(t, `create or replace function poison() returns trigger language plpgsql as $$
			begin raise exception using errcode = '`+code+`', message = 'invalid input: `+inMessage+`', detail = new.content, hint = new.content; end $$;
			create or replace trigger poison before insert on resource for each row execute function poison()`)
		before := c.deadLetters(t)
		accepted := c.ask(t, http.MethodPost, "/fhir", marked(10+i))
		if accepted.status != http.StatusAccepted {
			t.Fatalf("%s: got %d, want 202", code, accepted.status)
		}
		status := strings.TrimPrefix(accepted.header.Get("Content-Location"), c.base)
		for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			a := c.ask(t, http.MethodGet, status, "")
			if a.status == http.StatusOK {
				checkLeaks(t, "the outcome of a rejection", a.body, canaries...)
				break
			}
			if c.deadLetters(t) > before {
				break
			}
		}
		c.execute(t, `drop function poison cascade`)
	}
	if c.deadLetters(t) == 0 {
		t.Error("got no dead letter, want some to look at")
	}
	c.attributes(t)
	for _, column := range []string{"org", "client", "action", "outcome", "entity", "request_id", "interaction", "resources::text"} { // query has what was searched for
		var text string
		if err := c.queues.store.QueryRow(t.Context(), `select coalesce(string_agg(`+column+`, ' '), 'none') from audit`).Scan(&text); err != nil {
			t.Fatal(err)
		}
		checkLeaks(t, "audit."+column, []byte(text), canaries...)
	}
}

func (c canaryRun) execute(t *testing.T, sql string) {
	t.Helper()
	if _, err := c.queues.store.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func (c canaryRun) deadLetters(t *testing.T) int {
	t.Helper()
	n, err := c.queues.depth(t.Context(), c.queues.urls[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// attributes looks at those of the dead letters, which are those that ingest sent and what processor added.
func (c canaryRun) attributes(t *testing.T) {
	t.Helper()
	out, err := c.queues.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{
		QueueUrl: &c.queues.urls[1], MaxNumberOfMessages: 10, VisibilityTimeout: 1, MessageAttributeNames: []string{"All"}, WaitTimeSeconds: 5,
	})
	if err != nil || len(out.Messages) == 0 {
		t.Fatalf("got %d messages, error %v", len(out.Messages), err)
	}
	for _, m := range out.Messages {
		var text []string
		for name, value := range m.MessageAttributes {
			text = append(text, name, aws.ToString(value.StringValue), string(value.BinaryValue))
		}
		checkLeaks(t, "the attributes of a message", []byte(strings.Join(text, " ")), canaries...)
	}
}

// operated runs what operators run.
func (c canaryRun) operated(t *testing.T) {
	environment, err := os.ReadFile(filepath.Join(c.dir, "env"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "referral.json")
	if err := os.WriteFile(file, []byte(strings.Replace(marked(3), `"language":"`, `"birthDate":"`+inName, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"dlq", "list"}, {"--json", "dlq", "list"}, {"queue"}, {"dlq", "replay", "--dry-run"}, {"validate", file},
		{"submit", file}, {"status", inPath}, {"audit", "accesses", "--patient", inPath}, {"retention"}, {inPath},
	} {
		command := exec.CommandContext(t.Context(), built(t, "referralctl"), args...)
		command.Env = os.Environ()
		for line := range strings.Lines(string(environment)) {
			command.Env = append(command.Env, strings.ReplaceAll(strings.TrimSpace(line), "'", ""))
		}
		output, _ := command.CombinedOutput() // some fail, and say why
		said := slices.DeleteFunc(slices.Clone(canaries), func(s string) bool { return slices.Contains(args, s) })
		checkLeaks(t, "referralctl "+strings.Join(args, " "), output, said...)
	}
}

// postgres looks at the log of PostgreSQL. It has the messages of errors, and must have nothing else of them.
func (c canaryRun) postgres(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(c.dir, "postgres", "postgres.log"))
	if err != nil {
		t.Fatal(err)
	}
	others := slices.DeleteFunc(slices.Clone(canaries), func(s string) bool { return s == inMessage })
	checkLeaks(t, "PostgreSQL's log", text, others...)
	if len(leaks(text, inMessage)) == 0 {
		t.Error("PostgreSQL's log has no error, so that nothing of one is shown")
	}
}

// TestPanicsLeakNothing: what a handler panics with is shown neither to the client nor to operators.
func TestPanicsLeakNothing(t *testing.T) {
	var log bytes.Buffer
	server := fhirhttp.Server{Log: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	for _, value := range []any{inName, fmt.Errorf("%s", inName), []byte(inName), map[string]string{inName: inName}} {
		handler := server.Handle("GET /fhir/{type}", func(*fhirhttp.Response, *http.Request) error { panic(value) })
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/fhir/"+inPath+"?x="+url.QueryEscape(inQuery), http.NoBody))
		if w.Code != http.StatusInternalServerError {
			t.Errorf("got %d, want 500", w.Code)
		}
		checkLeaks(t, "the answer", w.Body.Bytes(), canaries...)
		_, err := awslambda.Discreet(func() { panic(value) }).Invoke(t.Context(), []byte(`{}`))
		if err == nil {
			t.Fatal("got no error of a function that panics")
		}
		checkLeaks(t, "the error of the function", []byte(err.Error()), canaries...)
	}
	checkLeaks(t, "the log", log.Bytes(), canaries...)
}
