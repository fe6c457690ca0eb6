package lambdahost_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/infra/eventsource"
	"github.com/ausbizconsulting/referral-fhir-server/infra/lambdahost"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp/httpcase"
)

// example is a referral of testdata; n makes it one of its own.
func example(t testing.TB, n string) []byte {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(testdata, "referrals", "cardiology-referral.json"))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Replace(body, []byte(`"birthDate"`), fmt.Appendf(nil, `"language":"en-%s","birthDate"`, n), 1)
}

// submit posts body through handler and returns the path of its status.
func submit(t testing.TB, handler http.Handler, body []byte) string {
	t.Helper()
	w := do(t, handler, "POST", "/fhir", body)
	if w.Code != http.StatusAccepted {
		t.Fatalf("got %d %s, want 202", w.Code, w.Body)
	}
	path, ok := strings.CutPrefix(w.Header().Get("Content-Location"), baseURL)
	if !ok {
		t.Fatalf("got Content-Location %q, want it below %s", w.Header().Get("Content-Location"), baseURL)
	}
	return path
}

// batchResponse is what a settled status says.
type batchResponse struct {
	Entry []struct {
		Response struct{ Status string }
		Resource struct {
			Entry []struct{ Response struct{ Location string } }
		}
	}
}

// TestReferralTravelsThroughLambda: a referral goes in through ingest's bootstrap in every shape of event, over SQS and
// the event source mapping to processor's, and is read through query's in the same shape.
func TestReferralTravelsThroughLambda(t *testing.T) {
	s := newStack(t)
	ingest, process, query := s.start(t, "ingest", 10*time.Second), s.start(t, "processor", 10*time.Second), s.start(t, "query", 10*time.Second)
	ctx, cancel := context.WithCancel(t.Context())
	var mapping sync.WaitGroup
	mapping.Go(func() {
		if err := eventsource.Run(ctx, eventsource.Config{
			Client: s.sqs, QueueURL: s.queueURL, Handler: process.HandleSQS, Timeout: 15 * time.Second,
		}); err != nil {
			t.Error(err)
		}
	})
	defer mapping.Wait()
	defer cancel()
	gateways := map[string][2]http.Handler{"HTTP": {lambdahost.HTTP(ingest), lambdahost.HTTP(query)}}
	for _, shape := range shapes {
		gateways[shape] = [2]http.Handler{newGateway(t, shape, ingest), newGateway(t, shape, query)}
	}
	for shape, gateway := range gateways {
		t.Run(shape, func(t *testing.T) {
			status := submit(t, gateway[0], example(t, shape))
			deadline := time.Now().Add(20 * time.Second)
			w := do(t, gateway[1], "GET", status, nil)
			for ; w.Code == http.StatusAccepted && time.Now().Before(deadline); w = do(t, gateway[1], "GET", status, nil) {
				time.Sleep(20 * time.Millisecond) // as a client does
			}
			var settled batchResponse
			if err := json.Unmarshal(w.Body.Bytes(), &settled); err != nil || w.Code != http.StatusOK || len(settled.Entry) != 1 {
				t.Fatalf("got %d %s, want a batch-response", w.Code, w.Body)
			}
			if got := settled.Entry[0].Response.Status; !strings.HasPrefix(got, "200") {
				t.Fatalf("got %s, want 200", got)
			}
			location, _, _ := strings.Cut(settled.Entry[0].Resource.Entry[0].Response.Location, "/_history/")
			w = do(t, gateway[1], "GET", "/fhir/"+location, nil)
			if w.Code != http.StatusOK || w.Header().Get("ETag") != `W/"1"` || !strings.Contains(w.Body.String(), `"id":"`+filepath.Base(location)) {
				t.Errorf("got %d, ETag %q, %.100s; want %s in version 1", w.Code, w.Header().Get("ETag"), w.Body, location)
			}
			if w := do(t, gateway[1], "GET", "/health/ready", nil); w.Code != http.StatusOK {
				t.Errorf("query says %d %s, want ready", w.Code, w.Body)
			}
			if w := do(t, gateway[0], "GET", "/health/ready", nil); w.Code != http.StatusOK {
				t.Errorf("ingest says %d %s, want ready", w.Code, w.Body)
			}
		})
	}
}

// TestTooLargeForTheQueue: ingest's bootstrap keeps the body where processor's finds it.
func TestTooLargeForTheQueue(t *testing.T) {
	s := newStackWith(t, "2048")
	ingest, process := s.start(t, "ingest", 10*time.Second), s.start(t, "processor", 10*time.Second)
	submit(t, lambdahost.HTTP(ingest), example(t, "large"))
	response, err := process.HandleSQS(t.Context(), events.SQSEvent{Records: s.received(t, 1)})
	if err != nil || len(response.BatchItemFailures) > 0 {
		t.Errorf("got %+v, error %v; want it settled", response, err)
	}
	if got := s.count(t, `select count(*) from submission where state = 'completed'`); got != 1 {
		t.Errorf("got %d submissions, want 1", got)
	}
}

// TestHTTPCases replays testdata/http/submit-* through ingest's bootstrap in every shape of event.
func TestHTTPCases(t *testing.T) {
	s := newStack(t)
	ingest := s.start(t, "ingest", 10*time.Second)
	for _, shape := range shapes {
		// The cases' server has another address.
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			newGateway(t, shape, ingest).ServeHTTP(&relocated{w}, r)
		})
		for _, c := range append(httpcase.Load(t, testdata, "submit-*"), httpcase.Load(t, testdata, "validate-*")...) {
			if c.Name == "submit-idempotency-key-twice" && shape != "rest-v1" && shape != "alb-multi-value" {
				continue // one value with a comma in it, when the event reaches the function
			}
			t.Run(shape+"/"+c.Name, func(t *testing.T) { c.Replay(t, handler, false) })
		}
	}
}

// relocated makes of an answer what it is at the address of testdata/http, which is reached without TLS.
type relocated struct{ http.ResponseWriter }

func (w *relocated) WriteHeader(status int) {
	w.Header().Del("Strict-Transport-Security")
	if location := w.Header().Get("Content-Location"); location != "" {
		w.Header().Set("Content-Location", strings.Replace(location, baseURL, "https://referrals.example", 1))
	}
	w.ResponseWriter.WriteHeader(status)
}

// received takes n messages from the queue, as records of an event like testdata/lambda/sqs.json.
func (s *stack) received(t testing.TB, n int) (records []events.SQSMessage) {
	t.Helper()
	template, err := os.ReadFile(filepath.Join(testdata, "lambda", "sqs.json"))
	if err != nil {
		t.Fatal(err)
	}
	for len(records) < n {
		out, err := s.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &s.queueURL, MaxNumberOfMessages: 10, WaitTimeSeconds: 5})
		if err != nil || len(out.Messages) == 0 {
			t.Fatalf("got %d of %d messages, error %v", len(records), n, err)
		}
		for _, m := range out.Messages {
			var event events.SQSEvent
			if err := json.Unmarshal(template, &event); err != nil {
				t.Fatal(err)
			}
			record := event.Records[0]
			record.MessageId, record.ReceiptHandle, record.Body = *m.MessageId, *m.ReceiptHandle, *m.Body
			records = append(records, record)
		}
	}
	return records
}

// TestOnlyWhatIsUnderWayIsReported gives processor's bootstrap a batch of a message, garbage, one that claims another
// sender, the first again, another message, and an update of what may be created yet. The update comes back before the
// queue's own time-out of 30 s; garbage and forgery are dead letters.
func TestOnlyWhatIsUnderWayIsReported(t *testing.T) {
	s := newStack(t)
	ingest, process := s.start(t, "ingest", 10*time.Second), s.start(t, "processor", 20*time.Second)
	for _, n := range []string{"one", "two"} {
		submit(t, lambdahost.HTTP(ingest), example(t, n))
	}
	good := s.received(t, 2)
	now := time.Now().UnixMilli()
	id := fmt.Sprintf("%08x-%04x-7000-8000-000000000000", now>>16, now&0xffff)
	if w := do(t, lambdahost.HTTP(ingest), "PUT", "/fhir/Patient/"+id, fmt.Appendf(nil, `{"resourceType":"Patient","id":%q}`, id)); w.Code != http.StatusAccepted {
		t.Fatalf("got %d %s, want 202", w.Code, w.Body)
	}
	update, garbage, forged, duplicate := s.received(t, 1)[0], good[0], good[0], good[0]
	garbage.MessageId, garbage.Body = "garbage", "no envelope"
	forged.MessageId, forged.Body = "forged", strings.Replace(forged.Body, "8003621566684455", "8003624900041689", 1)
	duplicate.MessageId = "duplicate"
	response, err := process.HandleSQS(t.Context(), events.SQSEvent{Records: []events.SQSMessage{good[0], garbage, forged, duplicate, good[1], update}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]events.SQSBatchItemFailure{{ItemIdentifier: update.MessageId}}, response.BatchItemFailures); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}
	if got := s.count(t, `select count(*) from submission where state = 'completed'`); got != 2 {
		t.Errorf("got %d submissions, want 2", got)
	}
	for _, record := range good { // as the event source mapping does
		if _, err := s.sqs.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &s.queueURL, ReceiptHandle: &record.ReceiptHandle}); err != nil {
			t.Fatal(err)
		}
	}
	if again := s.received(t, 1); again[0].MessageId != update.MessageId {
		t.Errorf("got message %s, want the update", again[0].MessageId)
	}
	dead, err := s.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &s.deadURL, MaxNumberOfMessages: 10, MessageAttributeNames: []string{"Code"}})
	if err != nil || len(dead.Messages) != 2 {
		t.Fatalf("got %d dead letters, error %v, want 2", len(dead.Messages), err)
	}
	for _, m := range dead.Messages {
		want := map[string]string{garbage.Body: "envelope", forged.Body: "forged"}[*m.Body]
		if got := aws.ToString(m.MessageAttributes["Code"].StringValue); got != want || want == "" {
			t.Errorf("got a dead letter for %q, want %q", got, want)
		}
	}
}

// TestAwayIsSaidByTheFunction: with queue and store away the functions start, and tell their callers, pages of other
// origins too.
func TestAwayIsSaidByTheFunction(t *testing.T) {
	s := newStack(t)
	s.env = append(s.env, "AWS_ENDPOINT_URL_SQS=http://127.0.0.1:1", "AWS_MAX_ATTEMPTS=1", "DATABASE_URL=postgres://nobody@127.0.0.1:1/none",
		"REFERRAL_CORS_ORIGINS=https://app.example.org")
	for function, r := range map[string]struct {
		method, target string
		body           []byte
	}{
		"ingest": {"POST", "/fhir", example(t, "one")},
		"query":  {"GET", "/fhir/Patient", nil},
	} {
		handler := lambdahost.HTTP(s.start(t, function, 20*time.Second))
		if w := do(t, handler, r.method, r.target, r.body); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: got %d %s, want 503 with Retry-After", function, w.Code, w.Body)
		}
		if w := do(t, handler, "GET", "/health/ready", nil); w.Code != http.StatusServiceUnavailable {
			t.Errorf("%s: got %d %s, want not ready", function, w.Code, w.Body)
		}
		if w := do(t, handler, "GET", "/health/live", nil); w.Code != http.StatusOK {
			t.Errorf("%s: got %d %s, want live", function, w.Code, w.Body)
		}
		preflight := httptest.NewRequest(http.MethodOptions, r.target, http.NoBody)
		preflight.Header.Set("Origin", "https://app.example.org")
		preflight.Header.Set("Access-Control-Request-Method", r.method)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, preflight)
		if got := w.Header().Get("Access-Control-Allow-Origin"); w.Code != http.StatusNoContent || got != "https://app.example.org" {
			t.Errorf("%s: got %d, allowed %q from a preflight; want 204 and the origin", function, w.Code, got)
		}
	}
}

// TestWrongSettings: each bootstrap names all that is wrong, and does not start.
func TestWrongSettings(t *testing.T) {
	for function, want := range map[string][]string{
		"ingest":    {"REFERRAL_KD", "REFERRAL_KM", "REFERRAL_QUEUE_URL", "REFERRAL_BASE_URL", "REFERRAL_CLIENTS"},
		"processor": {"REFERRAL_KD", "REFERRAL_KM", "REFERRAL_QUEUE_URL", "REFERRAL_DEAD_LETTER_QUEUE_URL", "REFERRAL_BASE_URL", "DATABASE_URL"},
		"query":     {"REFERRAL_KD", "REFERRAL_KM", "REFERRAL_BASE_URL", "REFERRAL_CLIENTS", "DATABASE_URL"},
	} {
		var output bytes.Buffer
		f, err := lambdahost.Start(t.Context(), lambdahost.Config{Bootstrap: bootstrapOf(t, function), Output: &output})
		if err == nil {
			f.Close()
			t.Errorf("%s started without settings", function)
		}
		for _, name := range want {
			if !strings.Contains(output.String(), name) {
				t.Errorf("%s: got %q, want it to name %s", function, output.String(), name)
			}
		}
	}
}
