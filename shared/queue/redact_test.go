package queue_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// TestMessageShowsNoContent formats and logs a message in every way and place.
func TestMessageShowsNoContent(t *testing.T) {
	m := &queue.Message{
		ID: "zqx", Client: "zqx", Type: "zqx", AcceptedAt: time.Unix(0, 0), RequestID: "zqx", TraceParent: "zqx", Encoding: "zqx",
		Size: 12, Body: []byte("zqx"), Claim: "zqx",
		Request: referral.Request{Org: "zqx", Key: "zqx", URL: "zqx", Conditions: [4]string{"zqx"}, SHA256: [32]byte([]byte(strings.Repeat("z", 32)))},
	}
	type exported struct {
		Message queue.Message
		Pointer *queue.Message
	}
	for name, shown := range map[string]any{
		"pointer": m, "value": *m, "slice": []queue.Message{*m}, "pointers": []*queue.Message{m}, "map": map[string]queue.Message{"a": *m},
		"map of slices": map[string][]*queue.Message{"a": {m}}, "key": map[any]bool{m: true}, "struct": exported{*m, m},
		"pointer to a struct": &exported{*m, m}, "unexported field": struct{ m *queue.Message }{m}, "error": fmt.Errorf("of %v", *m),
	} {
		var out bytes.Buffer
		for _, format := range []string{"%v", "%+v", "%#v"} {
			fmt.Fprintf(&out, format+"\n", shown)
		}
		if name != "unexported field" { // package fmt follows it under verbs that do not fit, which go vet reports
			for _, format := range []string{"%s", "%q", "%x", "%d"} {
				fmt.Fprintf(&out, format+"\n", shown)
			}
		}
		slog.New(slog.NewJSONHandler(&out, nil)).Info("", "shown", shown, "group", slog.GroupValue(slog.Any("shown", shown)))
		slog.New(slog.NewTextHandler(&out, nil)).Info("", "shown", shown, "group", slog.GroupValue(slog.Any("shown", shown)))
		if content, err := json.Marshal(shown); err == nil {
			out.Write(content)
		}
		for line := range strings.Lines(out.String()) {
			lower := strings.ToLower(line)
			for _, canary := range []string{"zqx", "7a7178", "enf4", "122 113", "122, 113", "122 122", "122, 122"} {
				if strings.Contains(lower, canary) {
					t.Errorf("%s shows %q: %.300s", name, canary, line)
				}
			}
		}
	}
	if got, want := fmt.Sprint(m, []queue.Message{*m}), "[queue message, 12 bytes] [[queue message, 12 bytes]]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
