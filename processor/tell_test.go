package processor_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/telemetry"
	"github.com/ausbizconsulting/referral-fhir-server/shared/telemetry/teletest"
)

// told settles messages as one batch and returns the lines that the log got.
func (f *fixture) told(t testing.TB, messages ...*queue.Message) (lines []map[string]any) {
	t.Helper()
	var out bytes.Buffer
	f.Log = slog.New(slog.NewJSONHandler(&out, nil))
	if _, err := f.HandleSQS(t.Context(), eventOf(t, messages...)); err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(out.Bytes()) {
		var fields map[string]any
		if err := json.Unmarshal(line, &fields); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		lines = append(lines, fields)
	}
	return lines
}

// eventOf is what SQS delivers for the second time, m0 first; each was sent three seconds ago.
func eventOf(t testing.TB, messages ...*queue.Message) (event events.SQSEvent) {
	t.Helper()
	for i, m := range messages {
		text, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		event.Records = append(event.Records, events.SQSMessage{MessageId: fmt.Sprintf("m%d", i), Body: text, Attributes: map[string]string{
			"ApproximateReceiveCount": "2", "SentTimestamp": fmt.Sprint(time.Now().Add(-3 * time.Second).UnixMilli()),
		}})
	}
	return event
}

// TestDeliveryLine: one a delivery, by which it is joined to its request and to what it left in the store.
func TestDeliveryLine(t *testing.T) {
	f := newFixture(t)
	m := f.message(referral.KeyHeader, "k", referralBody(t, "cardiology-referral"))
	lines := f.told(t, m)
	if len(lines) != 1 {
		t.Fatalf("got %v, want one line", lines)
	}
	got := lines[0]
	for _, name := range []string{"ms", "ageMs"} {
		if number, ok := got[name].(float64); !ok || number <= 0 {
			t.Errorf("got %s %v, want how long it took", name, got[name])
		}
	}
	request, id, _ := strings.Cut(value[string](t, f, `select request from submission`), "/")
	want := map[string]any{
		"level": "INFO", "msg": "delivery", "eventId": "m0/2", "eventType": "transaction", "outcome": "completed", "requestId": "r",
		"submission": m.ID, "org": sender, "client": "dev-sender", "resourceType": request, "resourceId": id, "receiveCount": 2.0,
	}
	for _, name := range []string{"time", "ms", "ageMs"} {
		delete(got, name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("line (-want +got):\n%s", diff)
	}
	if again := f.told(t, m)[0]; again["outcome"] != "known" || again["submission"] != m.ID {
		t.Errorf("got %v, want that it had settled", again)
	}
}

// TestDeliveryOfAWriteNamesItsResource, also where that is not there yet; never what a condition says.
func TestDeliveryOfAWriteNamesItsResource(t *testing.T) {
	f := newFixture(t)
	f.CreationWindow = 100 * 365 * 24 * time.Hour // what is referred to may be under way
	const id = "0198c0de-1234-7000-8000-000000000001"
	for url, want := range map[string]string{"/fhir/Patient/" + id: "Patient " + id, "/fhir/Patient?name=zqx/" + id: "<nil> <nil>"} {
		m := f.message(referral.KeyHeader, url, `{"resourceType":"Patient","id":"`+id+`"}`)
		m.Type, m.Request.Method, m.Request.URL = "update", "PUT", url
		m.ID = f.keys.Mint(referral.Submission{Org: sender, AcceptedAt: acceptedAt, Digest: f.keys.Digest(m.Request)})
		line := f.told(t, m)[0]
		if got := fmt.Sprint(line["resourceType"], " ", line["resourceId"]); line["eventType"] != "update" || got != want {
			t.Errorf("%s: got %v, want %s", url, line, want)
		}
	}
}

// TestNothingIsSaidOfWhatNobodyProved: whoever may send to the queue cannot write to the log, nor make it long.
func TestNothingIsSaidOfWhatNobodyProved(t *testing.T) {
	f := newFixture(t)
	m := f.message(referral.KeyHeader, "k", referralBody(t, "cardiology-referral"))
	m.Client, m.RequestID, m.Type, m.ID = "zqx-client", "zqx-request", "zqx-type", "zqx-"+m.ID
	got := f.told(t, m)[0]
	if text := fmt.Sprint(got); strings.Contains(text, "zqx") || got["eventId"] != "m0/2" || got["class"] != "security" || got["level"] != "ERROR" {
		t.Errorf("got %v, want the message's id, the class, and nothing that it says of itself", got)
	}
}

// measured keeps what was measured.
type measured map[string]float64

func (m measured) Record(all []telemetry.Measurement) {
	for _, one := range all {
		m[one.Metric.Name+one.Label] += one.Value
	}
}

// TestDeliveryMetrics: what settles, fails and waits is measured.
func TestDeliveryMetrics(t *testing.T) {
	f := newFixture(t)
	got := measured{}
	f.Metrics = got
	m := f.message(referral.KeyHeader, "k", referralBody(t, "cardiology-referral"))
	other := f.message(referral.KeyHeader, "other", referralBody(t, "cardiology-referral"))
	f.told(t, m)
	if ms := got["QueueAge"]; ms < 3000 || ms > 60_000 {
		t.Errorf("got a queue age of %v ms, want the three seconds since it was sent", ms)
	}
	f.Store = storeFunc(func(context.Context, ...*postgres.Settlement) ([]bool, error) { return nil, postgres.ErrUnavailable })
	f.told(t, other)
	for name, want := range map[string]float64{"Settledcompleted": 1, "Failedinfrastructure": 1} {
		if got[name] != want {
			t.Errorf("got %s %v, want %v", name, got[name], want)
		}
	}
	if got["Settle"] <= 0 || got["AcceptToSettle"] < got["Settle"] {
		t.Errorf("got %v, want how long it took", got)
	}
}

// TestDeliverySpans: delivery, settling and transaction are in the trace of the request, of each message in its own.
func TestDeliverySpans(t *testing.T) {
	collector := teletest.Start(t)
	f := newFixture(t)
	f.Tracer = telemetry.NewTracer(collector.URL, nil, "processor", slog.New(slog.DiscardHandler))
	var messages []*queue.Message
	traces := []string{"0af7651916cd43dd8448eb211c80319c", "1af7651916cd43dd8448eb211c80319c"}
	for _, trace := range traces {
		m := f.message(referral.KeyHeader, trace, referralBody(t, "cardiology-referral"))
		m.TraceParent = "00-" + trace + "-b7ad6b7169203331-01"
		messages = append(messages, m)
	}
	lines := f.told(t, messages...)
	f.Tracer.Flush(t.Context())
	for i, trace := range traces {
		spans := map[string]teletest.Span{}
		for _, s := range collector.Spans() {
			if s.Trace == trace {
				spans[s.Name] = s
			}
		}
		deliver, settle, commit := spans["deliver"], spans["settle"], spans["commit"]
		if deliver.Parent != "b7ad6b7169203331" || settle.Parent != deliver.ID || commit.Parent != settle.ID || len(spans) != 3 {
			t.Fatalf("got %+v, want deliver under send, settle under deliver, commit under settle", spans)
		}
		if commit.Start.Before(settle.Start) || settle.End.Before(commit.End) || deliver.End.Before(settle.End) || !commit.End.After(commit.Start) {
			t.Errorf("got %+v, want each within the one above it", spans)
		}
		want := map[string]string{
			"messaging.message.id": fmt.Sprintf("m%d", i), "referral.request_id": "r", "referral.submission": messages[i].ID,
			"referral.event_type": "transaction", "referral.outcome": "completed",
		}
		if diff := cmp.Diff(want, deliver.Attributes); diff != "" {
			t.Errorf("attributes (-want +got):\n%s", diff)
		}
		if lines[i]["traceId"] != trace {
			t.Errorf("got line %v, want the trace", lines[i])
		}
	}
}

// TestFullLogDoesNotStallSettling: standard error that nobody reads holds up nothing. The control is a log without the
// writer that drops: on it the delivery waits.
func TestFullLogDoesNotStallSettling(t *testing.T) {
	reader, full := io.Pipe() // which takes nothing until it is read
	defer reader.Close()
	settled := func(f *fixture, log *slog.Logger, key string) <-chan error {
		f.Log = log
		event := eventOf(t, f.message(referral.KeyHeader, key, referralBody(t, "cardiology-referral")))
		done := make(chan error, 1)
		go func() {
			response, err := f.HandleSQS(context.WithoutCancel(t.Context()), event)
			if len(response.BatchItemFailures) > 0 {
				err = errors.New("it did not settle")
			}
			done <- err
		}()
		return done
	}
	f := newFixture(t)
	w := telemetry.NewWriter(full, 4<<10)
	for i := range 100 { // 40 KiB of lines
		if err := <-settled(f, telemetry.NewLog(w, slog.LevelInfo), fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	if w.Dropped() == 0 {
		t.Error("no line was dropped: the pipe is not full")
	}
	stalled := settled(f, slog.New(slog.NewJSONHandler(full, nil)), "control")
	select {
	case err := <-stalled:
		t.Errorf("got %v, want the control to wait for the log", err)
	case <-time.After(300 * time.Millisecond):
	}
	go io.Copy(io.Discard, reader)
	if err := <-stalled; err != nil {
		t.Error(err)
	}
}
