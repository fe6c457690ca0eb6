package ingest_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// settles is an Await whose submission settles after d.
func settles(d time.Duration, reply fhirhttp.Reply) func(context.Context, string, referral.Digest, referral.Return) (*fhirhttp.Reply, error) {
	return func(ctx context.Context, _ string, _ referral.Digest, _ referral.Return) (*fhirhttp.Reply, error) {
		select {
		case <-time.After(d):
			return &reply, nil
		case <-ctx.Done():
			return nil, nil
		}
	}
}

// TestWait: the answer comes when the request has settled, and when the time is over with 202.
func TestWait(t *testing.T) {
	created := fhirhttp.Reply{Status: http.StatusCreated, Header: http.Header{"Location": {"https://referrals.example/fhir/Patient/1/_history/1"}}, Body: []byte(patient)}
	for _, test := range []struct {
		name     string
		after    time.Duration // that it settles
		byItself time.Duration // the default
		prefer   []string
		status   int
		took     time.Duration
		applied  string
	}{
		{"nobody waits", time.Second, 0, nil, 202, 0, ""},
		{"preferred", time.Second, 0, []string{"wait=5"}, 201, time.Second, "wait=5"},
		{"by itself", time.Second, 5 * time.Second, nil, 201, time.Second, ""},
		{"out of time", 6 * time.Second, 0, []string{"wait=5"}, 202, 5 * time.Second, "wait=5"},
		{"out of time by itself", 6 * time.Second, 5 * time.Second, nil, 202, 5 * time.Second, ""},
		{"at most 20 s", time.Minute, 0, []string{"wait=3600"}, 202, 20 * time.Second, "wait=20"},
		{"at most 20 s by itself", time.Minute, time.Hour, nil, 202, 20 * time.Second, ""},
		{"not at all", time.Second, 5 * time.Second, []string{"wait=0"}, 202, 0, ""},
		{"asynchronous", time.Second, 5 * time.Second, []string{"respond-async"}, 202, 0, "respond-async"},
		{"asynchronous after a while", 6 * time.Second, 0, []string{"respond-async, wait=2"}, 202, 2 * time.Second, "respond-async, wait=2"},
		{"within a while", time.Second, 0, []string{"respond-async", "wait=2"}, 201, time.Second, "wait=2"},
		{"shown", time.Second, 0, []string{"return=minimal; x=1, wait=5"}, 201, time.Second, "wait=5, return=minimal"},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				sent := &outbox{}
				c := newConfig(t, sent)
				c.Await, c.DefaultWait = settles(test.after, created), test.byItself
				r := request(t, "POST", "/fhir/Patient", patient)
				r.Header["Prefer"] = test.prefer
				w, start := httptest.NewRecorder(), time.Now()
				newHandler(c).ServeHTTP(w, r)
				if took := time.Since(start); w.Code != test.status || took != test.took {
					t.Errorf("got %d after %v, want %d after %v", w.Code, took, test.status, test.took)
				}
				if got := w.Header().Get("Preference-Applied"); got != test.applied {
					t.Errorf("got Preference-Applied %q, want %q", got, test.applied)
				}
				if got, want := sent.only(t).Awaited, test.took > 0; got != want {
					t.Errorf("got a message that says it is awaited: %v, want %v", got, want)
				}
				if got, want := w.Header().Get("Content-Location") != "", test.status == 202; got != want {
					t.Errorf("got Content-Location %q with %d", w.Header().Get("Content-Location"), w.Code)
				}
				if test.status == 201 && (w.Header().Get("Location") != created.Header.Get("Location") || w.Body.String() != patient) {
					t.Errorf("got %v %s, want the reply as it is", w.Header(), w.Body)
				}
			})
		})
	}
}

// TestAwaitKnowsTheSubmission: who waits asks for what was sent, and as it is to be shown.
func TestAwaitKnowsTheSubmission(t *testing.T) {
	sent := &outbox{}
	c := newConfig(t, sent)
	c.Await = func(_ context.Context, org string, d referral.Digest, prefer referral.Return) (*fhirhttp.Reply, error) {
		m := sent.only(t)
		if want := proof(t, m).Digest; org != sender || d != want || prefer != m.Return || prefer != referral.ReturnOutcome {
			t.Errorf("got %s %x %q, want %s %x as the message says", org, d, prefer, sender, want)
		}
		return &fhirhttp.Reply{Status: http.StatusNoContent}, nil
	}
	w := httptest.NewRecorder()
	newHandler(c).ServeHTTP(w, request(t, "DELETE", "/fhir/Patient/"+knownID, "", "Prefer", "wait=5, return=OperationOutcome"))
	if w.Code != http.StatusNoContent || w.Body.Len() > 0 || w.Header().Get("Content-Type") != "" {
		t.Errorf("got %d %v %s, want 204 without a body", w.Code, w.Header(), w.Body)
	}
}

// TestAcceptedStaysAccepted: that nobody can wait changes nothing about what is on the queue.
func TestAcceptedStaysAccepted(t *testing.T) {
	c := newConfig(t, &outbox{})
	c.DefaultWait = time.Second
	c.Await = func(context.Context, string, referral.Digest, referral.Return) (*fhirhttp.Reply, error) {
		return nil, errors.New("no connection")
	}
	w := httptest.NewRecorder()
	newHandler(c).ServeHTTP(w, post(t, creates))
	if w.Code != http.StatusAccepted || w.Header().Get("Content-Location") == "" {
		t.Errorf("got %d %v, want 202 with Content-Location", w.Code, w.Header())
	}
}

// TestWaitEndsWithItsCaller: a caller that leaves keeps nobody waiting.
func TestWaitEndsWithItsCaller(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newConfig(t, &outbox{})
		c.Await = settles(time.Minute, fhirhttp.Reply{Status: http.StatusOK})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		newHandler(c).ServeHTTP(httptest.NewRecorder(), request(t, "POST", "/fhir", creates, "Prefer", "wait=10").WithContext(ctx))
		if took := time.Since(start); took != time.Second {
			t.Errorf("took %v, want 1s", took)
		}
	})
}

// TestMessagesMayBeAsynchronous: async=true says that the sender of a message does not wait, whatever else does.
func TestMessagesMayBeAsynchronous(t *testing.T) {
	const message = `{"resourceType":"Bundle","identifier":{"system":"urn:example","value":"1"},"type":"message","timestamp":"1999-12-31T00:00:00Z","entry":[
		{"fullUrl":"urn:uuid:5b0d2a3a-6c1f-4d7e-9a51-000000000001","resource":{"resourceType":"MessageHeader","eventUri":"urn:example","source":{"endpoint":"urn:example"}}}]}`
	inBubble(t, func(t *testing.T) {
		for query, want := range map[string]int{"": 200, "?async=false": 200, "?async=true": 202} {
			c := newConfig(t, &outbox{})
			c.Await, c.DefaultWait = settles(time.Second, fhirhttp.Reply{Status: http.StatusOK}), 5*time.Second
			w := httptest.NewRecorder()
			newHandler(c).ServeHTTP(w, request(t, "POST", "/fhir/$process-message"+query, message))
			if w.Code != want {
				t.Errorf("%q: got %d %s, want %d", query, w.Code, w.Body, want)
			}
		}
	})
}
