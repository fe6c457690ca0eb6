package processor_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/processor"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// clock is a time.Now that is wrong by this much.
func clock(skew time.Duration) func() time.Time {
	return func() time.Time { return time.Now().Add(skew) }
}

// TestSkewedClocks: ingest, processor and query each have a clock that is hours wrong. What is sent again is the same
// submission, whichever clock it meets; each knows the status URLs of the others; and when it settled is the store's time.
func TestSkewedClocks(t *testing.T) {
	f := newFixture(t)
	body := referralBody(t, "cardiology-referral")
	skews := []time.Duration{0, -time.Hour, 26 * time.Hour}
	var all []*front
	for _, skew := range skews {
		all = append(all, f.front(t, skew, nil))
	}
	var urls []string
	for i, s := range all {
		w := s.ask(t, "POST", "/fhir", body)
		if w.Code != http.StatusAccepted {
			t.Fatalf("%v: got %d %s, want 202", skews[i], w.Code, w.Body)
		}
		if got, want := f.keys.Digest(s.sent.Request), f.keys.Digest(all[0].sent.Request); got != want {
			t.Errorf("%v: got another submission than without the skew", skews[i])
		}
		urls = append(urls, w.Header().Get("Content-Location"))
	}
	for i, s := range all {
		for _, url := range urls {
			if w := s.ask(t, "GET", url, ""); w.Code != http.StatusAccepted || len(w.Header().Get("Retry-After")) > 2 {
				t.Errorf("%v: got %d and Retry-After %q before it has settled, want 202 and less than 100 s", skews[i], w.Code, w.Header().Get("Retry-After"))
			}
		}
	}
	completed := 0
	for i, s := range all {
		f.Now = clock(-skews[i])
		state, err := f.Settle(t.Context(), s.sent, 1)
		if err != nil || state != referral.Completed && state != processor.Known {
			t.Fatalf("%v: got %q, %v", skews[i], state, err)
		}
		if state == referral.Completed {
			completed++
		}
	}
	if got := value[int64](t, f, `select count(*) from submission`); completed != 1 || got != 1 {
		t.Errorf("%d settled as %d submissions, want one", completed, got)
	}
	if !value[bool](t, f, `select bool_and(abs(extract(epoch from now() - settled_at)) < 60) from submission`) ||
		!value[bool](t, f, `select bool_and(abs(extract(epoch from now() - last_updated)) < 60) from resource`) {
		t.Error("when it settled is not the time of the store")
	}
	for i, s := range all {
		for _, url := range urls {
			if w := s.ask(t, "GET", url, ""); w.Code != http.StatusOK {
				t.Errorf("%v: got %d after it has settled, want 200", skews[i], w.Code)
			}
		}
	}
}

// TestClockOfTheProcessorDoesNotDecide: of two updates the one that was accepted later wins at processors whose clocks are
// hours wrong. The control accepts each when it is delivered, by such a clock: there the older one wins.
func TestClockOfTheProcessorDoesNotDecide(t *testing.T) {
	f := newFixture(t)
	for n, want := range []string{"c", "b"} {
		_, created := f.settle(t, f.write(10*n, "POST", "Patient", patient("", "a")))
		id := idOf(created[0])
		updates := []*queue.Message{f.write(10*n+1, "PUT", "Patient/"+id, patient(id, "b")), f.write(10*n+2, "PUT", "Patient/"+id, patient(id, "c"))}
		for i, skew := range []time.Duration{time.Hour, -time.Hour} {
			m := updates[i]
			f.Now = clock(skew)
			if want == "b" {
				m.AcceptedAt = f.Now().UTC().Truncate(time.Millisecond)
				m = f.by(sender, m)
			}
			f.settle(t, m)
		}
		if got := value[string](t, f, `select substring(content from '"family":"(.)"') from resource where id = $1::uuid`, id); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// TestCreationWindowAcrossClocks: a write to what is still under way waits at a processor whose clock is minutes wrong. Past
// the window, either way, it is refused at once, and its sender sees that.
func TestCreationWindowAcrossClocks(t *testing.T) {
	f := newFixture(t)
	for i, test := range []struct {
		skew  time.Duration
		waits bool
	}{{0, true}, {-4 * time.Minute, true}, {4 * time.Minute, true}, {-time.Hour, false}, {time.Hour, false}} {
		f.Now = func() time.Time { return acceptedAt.Add(time.Second + test.skew) }
		create := f.write(2*i, "POST", "Patient", patient("", "a"))
		id := f.keys.ResourceID(sender, f.keys.Digest(create.Request), create.AcceptedAt, 0).String()
		update := f.write(2*i+1, "PUT", "Patient/"+id, patient(id, "b"))
		state, err := f.Settle(t.Context(), update, 1)
		if waits := err != nil; waits != test.waits {
			t.Errorf("%v: got %q, %v; want that it waits: %v", test.skew, state, err, test.waits)
		}
		if err == nil && f.answers(t, update)[0].Status != http.StatusMethodNotAllowed {
			t.Errorf("%v: got %v, want 405", test.skew, f.answers(t, update))
		}
	}
}
