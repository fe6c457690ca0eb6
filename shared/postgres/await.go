package postgres

import (
	"context"
	"encoding/hex"
	"errors"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// Await returns the submission with digest d that org sent as soon as it has settled. When ctx ends before that, found
// is false and the error nil. While the store is away Await goes on, since what is in the queue may settle yet; other
// errors are those of the package. All who wait share one connection, beside those of the pool, on which PostgreSQL
// tells of what settles; without it, or while it is broken, they look again and again.
func (db *DB) Await(ctx context.Context, org string, d referral.Digest) (s Submission, found bool, err error) {
	if s, found, err = db.settled(ctx, org, d); found || err != nil || ctx.Err() != nil {
		return s, found, err
	}
	w := db.listener.join(settledPayload(org, d))
	defer db.listener.leave(w)
	rhythm := db.listener.polling
	pause := rhythm.first
	for {
		select {
		case <-w.look:
			rhythm = db.listener.rhythm() // when that changes, w is told, too
			pause = rhythm.first
		case <-time.After(pause):
			pause = min(2*pause, rhythm.longest)
		case <-ctx.Done():
			return Submission{}, false, nil
		}
		if s, found, err = db.settled(ctx, org, d); found || err != nil {
			return s, found, err
		}
	}
}

// lookTimeout is for one look: over a dead connection there is no answer, and the next look takes another.
const lookTimeout = 2 * time.Second

// settled is Submission for what has settled. That the store does not answer now is no error.
func (db *DB) settled(ctx context.Context, org string, d referral.Digest) (Submission, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	s, found, err := db.Submission(ctx, org, d)
	switch {
	case err != nil && ctx.Err() != nil, errors.Is(err, ErrUnavailable), errors.Is(err, ErrBusy):
		return Submission{}, false, nil
	case err != nil || !found || !s.State.Settled():
		return Submission{}, false, err
	}
	return s, true, nil
}

// settledPayload is what is told on channel of a submission that has settled.
func settledPayload(org string, d referral.Digest) string {
	return org + " " + hex.EncodeToString(d[:])
}
