package ingest

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// workWait is how long a body waits for others: senders try again, and meanwhile it takes memory, too.
const workWait = 2 * time.Second

// work bounds the memory of bodies that are parsed and checked at the same time. Few bytes may hold many values:
// what counts is what a body becomes.
type work struct {
	size             int64
	running, waiting *semaphore.Weighted // in bytes: of what running bodies become, and of bodies that wait
}

func newWork(size int64) work {
	return work{size: size, running: semaphore.NewWeighted(size), waiting: semaphore.NewWeighted(size)}
}

var errBusy = errors.New("too much work at once")

// begin waits for its turn with body and returns what ends it. The error is an *fhir.Error, 503, when too many wait
// already or the wait is too long.
func (w work) begin(ctx context.Context, body []byte) (end func(), err error) {
	// Throttled alone would be 429, which is for a caller who sends too much.
	busy := fhir.NewError(fhir.CodeThrottled, "", "").WithStatus(http.StatusServiceUnavailable).WithCause(errBusy)
	place, cost := min(int64(len(body)), w.size), min(cost(body), w.size) // what is too large for all runs alone
	if !w.waiting.TryAcquire(place) {
		return nil, busy
	}
	defer w.waiting.Release(place)
	ctx, cancel := context.WithTimeout(ctx, workWait)
	defer cancel()
	if w.running.Acquire(ctx, cost) != nil {
		return nil, busy
	}
	return func() { w.running.Release(cost) }, nil
}

// valueCost is about what the gate takes for one value at its worst: 48 bytes among its siblings, and as much and more
// on the gate's stack, which doubles.
const valueCost = 128

// cost is about how many bytes of memory body and what it is parsed to take. No document has more values than the
// characters that stand before one, and a name's colon is not needed to count them.
func cost(body []byte) int64 {
	values := 1
	for _, before := range []string{"{", "[", ","} {
		values += bytes.Count(body, []byte(before))
	}
	return 2*int64(len(body)) + valueCost*int64(values)
}

// read parses and checks body; takes is as in check. It returns the Bundle and the warnings about it, or an *fhir.Error.
func (s *Server) read(ctx context.Context, body []byte, takes func(*fhir.Value) error) (fhir.Bundle, []fhir.Issue, error) {
	end, err := s.work.begin(ctx, body)
	if err != nil {
		return fhir.Bundle{}, nil, err
	}
	defer end()
	document, err := fhir.Parse(body, "Bundle", fhir.Limits{})
	if err != nil {
		return fhir.Bundle{}, nil, err
	}
	return s.check(document, takes)
}
