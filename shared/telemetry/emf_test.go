package telemetry_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/telemetry"
)

// emf returns the lines that record writes.
func emf(t testing.TB, record func(telemetry.Recorder)) []string {
	t.Helper()
	var out bytes.Buffer
	w := telemetry.NewWriter(&out, 0)
	record(&telemetry.EMF{
		Writer: w, Namespace: "referrals", Service: "processor", Connections: func() int { return 2 },
		Now: func() time.Time { return time.UnixMilli(1_800_000_000_000) },
	})
	w.Flush(t.Context())
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
}

// TestEMFLine: a line is what CloudWatch's specification asks for.
func TestEMFLine(t *testing.T) {
	got := emf(t, func(r telemetry.Recorder) {
		d := filledDelivery()
		d.Class, d.Code, d.Error = "", "", ""
		d.Record(r)
	})
	want := []string{`{"_aws":{"Timestamp":1800000000000,"CloudWatchMetrics":[` +
		`{"Namespace":"referrals","Dimensions":[["Service"]],"Metrics":[{"Name":"QueueAge","Unit":"Milliseconds"},` +
		`{"Name":"Settle","Unit":"Milliseconds"},{"Name":"AcceptToSettle","Unit":"Milliseconds"},{"Name":"StoreConnections","Unit":"None"}]},` +
		`{"Namespace":"referrals","Dimensions":[["Service","Outcome"]],"Metrics":[{"Name":"Settled","Unit":"Count"}]}]},` +
		`"Service":"processor","QueueAge":1000,"Settle":1.234,"Outcome":"completed","Settled":1,"AcceptToSettle":1500,"StoreConnections":2}`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

// measured are the metrics of an event, with their labels, by the lines that CloudWatch would get.
func measured(t testing.TB, record func(telemetry.Recorder)) map[string]float64 {
	t.Helper()
	all := map[string]float64{}
	for _, line := range emf(t, record) {
		if line == "" {
			continue
		}
		var document struct {
			AWS struct {
				Timestamp         int64
				CloudWatchMetrics []struct {
					Namespace  string
					Dimensions [][]string
					Metrics    []struct{ Name, Unit string }
				}
			} `json:"_aws"`
		}
		var members map[string]any
		if err := json.Unmarshal([]byte(line), &document); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		if err := json.Unmarshal([]byte(line), &members); err != nil {
			t.Fatal(err)
		}
		for _, directive := range document.AWS.CloudWatchMetrics {
			for _, metric := range directive.Metrics {
				name := metric.Name
				for _, dimension := range directive.Dimensions[0][1:] {
					name += " " + members[dimension].(string)
				}
				all[name] = members[metric.Name].(float64)
			}
		}
	}
	return all
}

// TestMeasured: what each event counts and measures.
func TestMeasured(t *testing.T) {
	const ms = time.Millisecond
	request := func(route string, status int, accepted time.Duration) func(telemetry.Recorder) {
		return (&telemetry.Request{Route: route, Status: status, AcceptedAfter: accepted, Event: telemetry.Event{Duration: 3 * ms}}).Record
	}
	delivery := func(outcome, class string, settled bool) func(telemetry.Recorder) {
		return (&telemetry.Delivery{
			Event: telemetry.Event{Outcome: outcome, Duration: 4 * ms}, Class: class, Settled: settled, Age: 50 * ms, QueueAge: 20 * ms,
		}).Record
	}
	for name, test := range map[string]struct {
		record func(telemetry.Recorder)
		want   map[string]float64
	}{
		"accepted":               {request("POST /fhir", 202, 2*ms), map[string]float64{"Accepted": 1, "Accept": 2}},
		"accepted, and rejected": {request("PUT /fhir/{type}/{id}", 409, 2*ms), map[string]float64{"Accepted": 1, "Accept": 2, "Refused 4xx": 1}},
		"refused":                {request("POST /fhir", 422, 0), map[string]float64{"Refused 4xx": 1}},
		"failed":                 {request("POST /fhir", 503, 0), map[string]float64{"Refused 5xx": 1}},
		"poll":                   {request("GET /fhir/_status/{id}", 202, 0), map[string]float64{"Poll": 3}},
		"read":                   {request("GET /fhir/{type}/{id}", 200, 0), map[string]float64{"Read": 3}},
		"read of nothing":        {request("GET /fhir/{type}/{id}", 404, 0), map[string]float64{"Read": 3, "Refused 4xx": 1}},
		"nothing of it":          {request("GET /fhir/metadata", 200, 0), nil},
		"settled":                {delivery("completed", "", true), map[string]float64{"Settled completed": 1, "Settle": 4, "AcceptToSettle": 50, "QueueAge": 20}},
		"settled before":         {delivery("known", "", false), map[string]float64{"Settle": 4, "QueueAge": 20}},
		"will be tried again":    {delivery("failed", "infrastructure", false), map[string]float64{"Failed infrastructure": 1, "QueueAge": 20}},
		"quarantined":            {delivery("quarantined", "bug", false), map[string]float64{"Failed bug": 1, "Quarantined": 1, "QueueAge": 20}},
	} {
		t.Run(name, func(t *testing.T) {
			got := measured(t, test.record)
			if len(test.want) > 0 {
				test.want["StoreConnections"] = 2
			} else if len(got) == 0 {
				return
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("measured (-want +got):\n%s", diff)
			}
		})
	}
	request("POST /fhir", 202, ms)(nil)
	delivery("completed", "", true)(nil)
}

// TestEveryMetricIsEmitted, with every value that its label may have.
func TestEveryMetricIsEmitted(t *testing.T) {
	var want []string
	for _, m := range telemetry.Catalogue() {
		for _, value := range m.Values {
			want = append(want, m.Name+" "+value)
		}
		if m.Label == "" {
			want = append(want, m.Name)
		}
	}
	var got []string
	record := func(r telemetry.Recorder) {
		for _, route := range []string{"POST /fhir", "GET /fhir/_status/{id}", "GET /fhir/{type}/{id}"} {
			for _, status := range []int{404, 503} {
				(&telemetry.Request{Route: route, Status: status, AcceptedAfter: 1}).Record(r)
			}
		}
		for _, class := range []string{"infrastructure", "transient", "security", "bug"} {
			(&telemetry.Delivery{Event: telemetry.Event{Outcome: telemetry.Quarantined}, Class: class, QueueAge: 1}).Record(r)
		}
		for _, outcome := range []string{"completed", "rejected"} {
			(&telemetry.Delivery{Event: telemetry.Event{Outcome: outcome}, Settled: true}).Record(r)
		}
	}
	for name := range measured(t, record) {
		got = append(got, name)
	}
	got = append(got, telemetry.LogLinesDropped().Name) // TestDroppedLinesAreCounted
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metrics (-catalogue +emitted):\n%s", diff)
	}
}

// TestDroppedLinesAreCounted: once each, as soon as a line gets through.
func TestDroppedLinesAreCounted(t *testing.T) {
	p := &pipe{open: make(chan struct{})}
	w := telemetry.NewWriter(p, 1000)
	recorder := &telemetry.EMF{Writer: w, Namespace: "referrals", Service: "ingest"}
	long := bytes.Repeat([]byte("x"), 1001)
	for range 3 {
		_, _ = w.Write(long)
	}
	poll := telemetry.Request{Route: "GET /fhir/_status/{id}", Status: 200}
	poll.Record(recorder)
	close(p.open)
	w.Flush(t.Context())
	poll.Record(recorder)
	w.Flush(t.Context())
	lines := strings.Split(strings.TrimSpace(p.got.String()), "\n")
	if len(lines) != 3 || !strings.Contains(lines[0], `"LogLinesDropped":3`) || !strings.HasSuffix(lines[1], `"lines":3}`) || strings.Contains(lines[2], "LogLinesDropped") {
		t.Errorf("got %q, want three dropped lines, told of once", lines)
	}
}

// BenchmarkEMF is what a delivery's metrics cost.
func BenchmarkEMF(b *testing.B) {
	d := filledDelivery()
	recorder := &telemetry.EMF{Writer: telemetry.NewWriter(discard{}, 0), Namespace: "referrals", Service: "processor"}
	b.ReportAllocs()
	for b.Loop() {
		d.Record(recorder)
	}
}
