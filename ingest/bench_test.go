package ingest_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
)

// BenchmarkSubmit accepts the cardiology referral of 18 entries, without the queue's time.
func BenchmarkSubmit(b *testing.B) {
	c := newConfig(b, senderFunc(func(context.Context, *queue.Message) error { return nil }))
	handler, body := newHandler(c), referralFile(b, "cardiology-referral.json")
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, post(b, body))
		if w.Code != http.StatusAccepted {
			b.Fatal(w.Code)
		}
	}
}
