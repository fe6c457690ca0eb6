package awslambda_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/awslambda"
	"github.com/ausbizconsulting/referral-fhir-server/shared/env/envtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/telemetry"
	"github.com/ausbizconsulting/referral-fhir-server/shared/telemetry/teletest"
)

// TestFlushing: what an invocation tells has left the process when it ends, since Lambda stops it then.
func TestFlushing(t *testing.T) {
	collector := teletest.Start(t)
	variables := map[string]string{"AWS_EMF_NAMESPACE": "referrals", "OTEL_EXPORTER_OTLP_ENDPOINT": collector.URL.String()}
	var out bytes.Buffer
	v := envtest.Settings(variables)
	told := telemetry.FromSettings(v, "processor", &out, func() int { return 2 })
	handler := awslambda.Flushing(func(ctx context.Context) (string, error) {
		d := telemetry.Delivery{Event: telemetry.Event{ID: "m/1", Outcome: "completed"}}
		d.Log(ctx, told.Log, 0)
		d.Record(told.Metrics)
		told.Tracer.Start("", "deliver", telemetry.Consumer, time.Now()).End(time.Now(), false)
		return "done", nil
	}, told)
	answer, err := handler.Invoke(t.Context(), []byte(`{}`))
	if err != nil || string(answer) != `"done"` {
		t.Fatalf("got %s, %v", answer, err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], `"eventId":"m/1"`) || !strings.Contains(lines[1], `"StoreConnections":2`) {
		t.Errorf("got %q, want the line and its metrics", lines)
	}
	if got := collector.Spans(); len(got) != 1 || got[0].Service != "processor" {
		t.Errorf("got spans %+v, want one", got)
	}
}
