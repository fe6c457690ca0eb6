package ingest_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestNamesReachNoLog: what the sender wrote where a name or a type belongs shows neither in the answer nor in the log.
func TestNamesReachNoLog(t *testing.T) {
	const canary = "JaneCitizen19800101Medicare2950"
	for _, body := range []string{
		`{"resourceType":"` + canary + `","a":null}`,
		`{"resourceType":"Bundle","` + canary + `":{"name":null}}`,
		`{"resourceType":"Bundle","type":"collection","` + canary + `":"x"}`,
		`{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","_` + canary + `":{"id":"x"}}}]}`,
		`{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"` + canary + `"}}]}`,
	} {
		var log bytes.Buffer
		c := newConfig(t, &outbox{})
		c.HTTP.Log = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		w := httptest.NewRecorder()
		newHandler(c).ServeHTTP(w, post(t, body))
		if w.Code != http.StatusBadRequest || log.Len() == 0 {
			t.Errorf("%s: got %d and log %q, want 400, logged", body, w.Code, &log)
		}
		if strings.Contains(w.Body.String()+log.String(), canary) {
			t.Errorf("%s shows in the answer or log:\n%s\n%s", body, w.Body, &log)
		}
	}
}
