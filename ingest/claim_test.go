package ingest_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
)

// blobs records what is put, in the order in which it and messages come.
type blobs struct {
	err   error
	order []string
	kept  map[string][]byte
}

func (b *blobs) Put(_ context.Context, key string, content []byte) error {
	b.order = append(b.order, "put")
	if b.err == nil {
		b.kept = map[string][]byte{key: content}
	}
	return b.err
}

// TestTooLargeForTheQueueIsClaimed: the object is kept first and the message sent second, and together they are what
// was received.
func TestTooLargeForTheQueueIsClaimed(t *testing.T) {
	kept := &blobs{}
	var sent *queue.Message
	c := newConfig(t, senderFunc(func(_ context.Context, m *queue.Message) error {
		if m.Claim == "" {
			return queue.ErrTooLarge
		}
		kept.order = append(kept.order, "send")
		sent = m
		return nil
	}))
	c.Blobs = kept
	body := referralFile(t, "cardiology-referral.json")
	w := httptest.NewRecorder()
	newHandler(c).ServeHTTP(w, post(t, body))
	if w.Code != http.StatusAccepted {
		t.Fatalf("got %d %s, want 202", w.Code, w.Body)
	}
	if len(kept.order) != 2 || kept.order[0] != "put" {
		t.Errorf("got order %v, want the object before the message", kept.order)
	}
	sent.Body = kept.kept[sent.Claim]
	if content, err := sent.Content(); err != nil || string(content) != body {
		t.Errorf("the object is not the body as received (error %v)", err)
	}
}

func TestUnkeptObjectPromisesNothing(t *testing.T) {
	sends := 0
	c := newConfig(t, senderFunc(func(_ context.Context, m *queue.Message) error {
		if m.Claim != "" {
			sends++
		}
		return queue.ErrTooLarge
	}))
	c.Blobs = &blobs{err: errors.New("disk full")}
	w := httptest.NewRecorder()
	newHandler(c).ServeHTTP(w, post(t, referralFile(t, "cardiology-referral.json")))
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("got %d, want 503", w.Code)
	}
	if sends != 0 {
		t.Error("a message was sent whose object is not kept")
	}
}
