package main

import (
	"context"

	"github.com/ausbizconsulting/referral-fhir-server/shared/answer"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// untilStopping is settled, and ends as if its time were up when the server stops: whoever waits is answered then, and
// not cut off.
func (s *server) untilStopping(settled answer.Settled) answer.Settled {
	stopping, stop := context.WithCancel(context.Background())
	s.drains = append(s.drains, func(context.Context) { stop() })
	return func(ctx context.Context, org string, d referral.Digest) (postgres.Submission, bool, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(stopping, cancel)()
		return settled(ctx, org, d)
	}
}
