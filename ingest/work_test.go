package ingest_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// checkerFunc is an ingest.Checker.
type checkerFunc func(*fhir.Value, string) []fhir.Issue

func (f checkerFunc) Check(v *fhir.Value, path string, _ ...string) []fhir.Issue { return f(v, path) }

// TestWorkIsBounded: while one body takes all that may be taken, a second waits for its turn, and a third is told at
// once that the server is full.
func TestWorkIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan bool)
		c := newConfig(t, &outbox{})
		c.MaxWork = 1
		// What is refused is not compressed: the queue's encoder is shared, and must not belong to this test's bubble.
		c.Schemas = checkerFunc(func(*fhir.Value, string) []fhir.Issue {
			<-release
			return fhir.NewError(fhir.CodeRequired, "Bundle", "").Issues
		})
		handler := newHandler(c)
		start := func() (answer func() *httptest.ResponseRecorder) {
			w, done := httptest.NewRecorder(), make(chan bool)
			go func() { handler.ServeHTTP(w, post(t, creates)); close(done) }()
			synctest.Wait()
			return func() *httptest.ResponseRecorder { <-done; return w }
		}
		full := func(w *httptest.ResponseRecorder) {
			t.Helper()
			if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), `"throttled"`) {
				t.Errorf("got %d %v %s, want 503 throttled with Retry-After", w.Code, w.Header(), w.Body)
			}
		}
		began := time.Now()
		first, second := start(), start()
		full(start()())
		if took := time.Since(began); took != 0 {
			t.Errorf("the third waited %v, want none", took)
		}
		full(second())
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("the second waited %v, want 2s", took)
		}
		third := start()
		release <- true
		if w := first(); w.Code != http.StatusUnprocessableEntity {
			t.Errorf("got %d for the first, want 422", w.Code)
		}
		release <- true
		if w := third(); w.Code != http.StatusUnprocessableEntity {
			t.Errorf("got %d for one whose turn came, want 422", w.Code)
		}
	})
}

// TestDenseBodiesStayInMemory sends bodies of few bytes and many values, forty at once, as a few KB of gzip each.
func TestDenseBodiesStayInMemory(t *testing.T) {
	const most = 384 << 20 // without the bound: 1,800 MiB
	patient := func(n int) string {
		return `{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","name":[{"given":["A"` +
			strings.Repeat(`,"A"`, n) + `]}]}}]}`
	}
	bodies := []string{
		patient(199_980), // accepted
		patient(1_000_000),
		`{"resourceType":"Bundle","type":"collection","link":[1` + strings.Repeat(",1", 199_990) + `]}`,
		`{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Claim","item":[{"careTeamSequence":[1` +
			strings.Repeat(",1", 199_980) + `]}]}}]}`,
		`{"resourceType":"Bundle","type":"collection","link":[{"a":1}` + strings.Repeat(`,{"a":1}`, 99_990) + `]}`,
		`{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","name":[{"given":["\n"` +
			strings.Repeat(`,"\n"`, 199_980) + `]}]}}]}`,
	}
	packed := make([][]byte, len(bodies))
	for i, body := range bodies {
		var err error
		if packed[i], err = io.ReadAll(compressed(t, post(t, body)).Body); err != nil {
			t.Fatal(err)
		}
	}
	c := newConfig(t, &outbox{})
	c.MaxBody = 4 << 20
	handler := newHandler(c)
	runtime.GC()
	peak := watchHeap(t)
	var wg sync.WaitGroup
	codes := make([]int, 40)
	for i := range codes {
		r := post(t, string(packed[i%len(packed)]))
		r.Header.Set("Content-Encoding", "gzip")
		wg.Go(func() {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			codes[i] = w.Code
		})
	}
	wg.Wait()
	if got := peak(); got > most {
		t.Errorf("got a heap of %d MiB, want at most %d", got>>20, most>>20)
	}
	served := 0
	for i, code := range codes {
		switch code {
		case http.StatusAccepted, http.StatusBadRequest, http.StatusUnprocessableEntity:
			served++
		case http.StatusServiceUnavailable:
		default:
			t.Errorf("body %d: got %d, want 202, 400, 422 or 503", i%len(bodies), code)
		}
	}
	if served == 0 {
		t.Errorf("got answers %v, want some other than 503", codes)
	}
}

// watchHeap samples the heap until the returned function is called, which returns the most that objects took, dead
// ones included, beyond what they took before.
func watchHeap(t testing.TB) (peak func() uint64) {
	t.Helper()
	heap := func() uint64 {
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	before, most := heap(), uint64(0)
	stop, stopped := make(chan bool), make(chan bool)
	go func() {
		defer close(stopped)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			most = max(most, heap())
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	}()
	return func() uint64 {
		close(stop)
		<-stopped
		return most - min(before, most)
	}
}
