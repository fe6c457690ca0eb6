package telemetry_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/telemetry"
)

// filled is an event that has everything.
func filled() telemetry.Event {
	return telemetry.Event{
		ID: "e-1", Type: "transaction", Outcome: "completed", ResourceType: "ServiceRequest", ResourceID: "0198c0de-0000-7000-8000-000000000001",
		Org: "8003621566684455", Client: "reception", RequestID: "r-1", Submission: "s-1", Trace: "0af7651916cd43dd8448eb211c80319c",
		Duration: 1234567 * time.Nanosecond, Error: "cause",
	}
}

func filledRequest() *telemetry.Request {
	return &telemetry.Request{Event: filled(), Route: "POST /fhir", Status: 503, Issue: "transient", AcceptedAfter: time.Millisecond}
}

func filledDelivery() *telemetry.Delivery {
	return &telemetry.Delivery{
		Event: filled(), ReceiveCount: 2, Age: 1500 * time.Millisecond, QueueAge: time.Second,
		Class: "bug", Code: "23505", Settled: true,
	}
}

// TestFields: a line has all the fields that README.md says it may have, and no other; without values it has those that
// are always there.
func TestFields(t *testing.T) {
	for name, filled := range map[string]any{"request": *filledRequest(), "delivery": *filledDelivery()} {
		for i := range reflect.ValueOf(filled).NumField() {
			if reflect.ValueOf(filled).Field(i).IsZero() {
				t.Errorf("the test leaves field %s of a %s empty", reflect.TypeOf(filled).Field(i).Name, name)
			}
		}
	}
	documented := map[string][]string{}
	for _, row := range rows(t, "The log") {
		for _, line := range []string{"request", "delivery"} {
			if row[1] == line || row[1] == "both" {
				documented[line] = append(documented[line], strings.Trim(row[0], "`"))
			}
		}
	}
	for name, test := range map[string]struct {
		full, empty func(*slog.Logger)
		always      []string
	}{
		"request": {
			func(log *slog.Logger) { filledRequest().Log(t.Context(), log) },
			func(log *slog.Logger) { new(telemetry.Request).Log(t.Context(), log) },
			[]string{"route", "status"},
		},
		"delivery": {
			func(log *slog.Logger) { filledDelivery().Log(t.Context(), log, slog.LevelError) },
			func(log *slog.Logger) { new(telemetry.Delivery).Log(t.Context(), log, slog.LevelInfo) },
			[]string{"receiveCount"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			slices.Sort(documented[name])
			if diff := cmp.Diff(documented[name], slices.Sorted(maps.Keys(line(t, test.full)))); diff != "" {
				t.Errorf("fields (-README.md +emitted):\n%s", diff)
			}
			want := append([]string{"time", "level", "msg", "eventId", "eventType", "outcome", "ms"}, test.always...)
			slices.Sort(want)
			if diff := cmp.Diff(want, slices.Sorted(maps.Keys(line(t, test.empty)))); diff != "" {
				t.Errorf("fields without values (-want +got):\n%s", diff)
			}
		})
	}
}

// line returns the one line that write writes, decoded.
func line(t testing.TB, write func(*slog.Logger)) map[string]any {
	t.Helper()
	var out bytes.Buffer
	write(telemetry.NewLog(&out, slog.LevelInfo))
	var fields map[string]any
	if err := json.Unmarshal(out.Bytes(), &fields); err != nil || bytes.Count(out.Bytes(), []byte("\n")) != 1 {
		t.Fatalf("got %q, want one line of JSON: %v", &out, err)
	}
	return fields
}

// TestLevels: only what the server failed at is an error, and below the level there is no line.
func TestLevels(t *testing.T) {
	for _, test := range []struct {
		status int
		err    string
		want   string
	}{{202, "", "INFO"}, {202, "late", "INFO"}, {404, "not-found", "INFO"}, {500, "panic", "ERROR"}, {503, "", "INFO"}} {
		r := telemetry.Request{Status: test.status, Event: telemetry.Event{Error: test.err}}
		if got := line(t, func(log *slog.Logger) { r.Log(t.Context(), log) })["level"]; got != test.want {
			t.Errorf("%d %q: got level %v, want %v", test.status, test.err, got, test.want)
		}
	}
	var out bytes.Buffer
	log := telemetry.NewLog(&out, slog.LevelError)
	(&telemetry.Request{Status: 404}).Log(t.Context(), log)
	(&telemetry.Delivery{}).Log(t.Context(), log, slog.LevelInfo)
	if out.Len() > 0 {
		t.Errorf("got %s, want nothing below the level", &out)
	}
}

// TestLongErrorIsCut: a line is bounded, whatever went wrong.
func TestLongErrorIsCut(t *testing.T) {
	r := filledRequest()
	r.Error = strings.Repeat("x", 1<<20)
	if got := line(t, func(log *slog.Logger) { r.Log(t.Context(), log) })["error"].(string); len(got) != 1<<10 {
		t.Errorf("got an error of %d bytes, want 1024", len(got))
	}
}

// BenchmarkDeliveryLine is what a delivery's line costs whoever settles.
func BenchmarkDeliveryLine(b *testing.B) {
	d := filledDelivery()
	d.Class, d.Code, d.Error, d.Trace = "", "", "", ""
	log := telemetry.NewLog(telemetry.NewWriter(discard{}, 0), slog.LevelInfo)
	b.ReportAllocs()
	for b.Loop() {
		d.Log(b.Context(), log, slog.LevelInfo)
	}
}
