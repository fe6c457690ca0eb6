package main

import (
	"flag"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// All points: go test ./infra/server -run TestProcessorKilledAtAnyMessage -points 1 -v
var points = flag.Int("points", 1000, "TestProcessorKilledAtAnyMessage kills at every so manieth message, and at those that have names")

// TestProcessorKilledAtAnyMessage kills a processor with SIGKILL at each message to and from PostgreSQL and the queue, from
// the receipt of a referral to its deletion: the next processor settles it, once and whole.
func TestProcessorKilledAtAnyMessage(t *testing.T) {
	w := newWorksite(t, 0) // at once visible again: only one worker at a time is there
	l := &ledger{}
	accept := func() string {
		url := w.submit(t, numbered(t, l.next()))
		l.accept(url)
		return url
	}
	// Once unharmed, to know the messages.
	accept()
	var messages []string
	w.settleUntil(t, func(message string) bool { messages = append(messages, message); return message == deleted })
	last := func(message string) int {
		for i, m := range slices.Backward(messages) {
			if m == message {
				return i
			}
		}
		t.Fatalf("no message %q among %q", message, messages)
		return 0
	}
	first := slices.IndexFunc(messages, func(m string) bool { return strings.HasPrefix(m, "to PostgreSQL") })
	named := map[int]string{
		last(receiving): "after receive", first: "before BEGIN", last("to PostgreSQL: S"): "before COMMIT", last("from PostgreSQL: Z"): "after COMMIT, before its answer",
		last(deleting): "before DeleteMessage", last(deleted): "after DeleteMessage, before its answer",
	}
	if len(named) != 6 {
		t.Fatalf("%d points, want 6 that differ, in %q", len(named), messages)
	}
	kills := 0
	for k, message := range messages {
		if named[k] == "" && k%*points != 0 {
			continue
		}
		url := accept()
		before := 0 // of the same; others may come in between
		for _, m := range messages[:k] {
			if m == message {
				before++
			}
		}
		seen := 0
		met := w.settleUntil(t, func(m string) bool {
			if m == message {
				seen++
			}
			return m == message && seen == before+1 || m == deleted
		})
		t.Logf("killed at message %d, %s %s", k, met, named[k])
		if named[k] != "" && met != message { // any other may be one of a connection's start, which is not the same each time
			t.Errorf("killed at %q, want %q", met, message)
		}
		kills++
		next := w.work(t)
		w.follow(t, url, 30*time.Second)
		w.drained(t)
		next.kill()
	}
	t.Logf("%d kills at %d messages", kills, len(messages))
	l.checkSettledOnce(t, w.client, w.store(t))
}

// settleUntil runs a worker which dies at the first message from the receipt of a referral on that dies is true of, and
// returns that message when it is gone.
func (w *worksite) settleUntil(t *testing.T, dies func(message string) bool, variables ...string) (met string) {
	t.Helper()
	var has bool
	// One connection, and no time-out: else there would be other messages each time.
	k := w.work(t, append(variables, "REFERRAL_STORE_CONNECTIONS=1", "REFERRAL_MESSAGE_TIMEOUT=15s")...)
	k.killAt(func(message string) bool {
		if has = has || message == receiving; !has || !dies(message) {
			return false
		}
		met = message
		return true
	})
	select {
	case <-k.gone:
	case <-time.After(30 * time.Second):
		t.Fatalf("the worker did not meet its end:\n%s", k.output)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return met
}

// drained returns when the queue is empty, which takes as long as there are ever fewer messages in it.
func (w *worksite) drained(t *testing.T) {
	t.Helper()
	fewest := math.MaxInt
	var deadline time.Time
	for n := w.waiting(t, w.queue.url); n > 0; n = w.waiting(t, w.queue.url) {
		if n < fewest {
			fewest, deadline = n, time.Now().Add(time.Minute)
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d messages remain, and no fewer within a minute", n)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestHastyProcessorLoses is the control: a processor that deletes a message before it has committed is seen to lose it.
func TestHastyProcessorLoses(t *testing.T) {
	w := newWorksite(t, 0)
	url := w.submit(t, numbered(t, 1))
	w.settleUntil(t, func(message string) bool { return message == "to PostgreSQL: B" }, "REFERRAL_TEST_HASTY=1")
	w.work(t)
	w.drained(t)
	if got := w.get(t, url).status; got != 202 {
		t.Errorf("got %d of what was lost, want 202 for ever: the test above would see no loss, either", got)
	}
}
