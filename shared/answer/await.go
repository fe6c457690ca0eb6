package answer

import (
	"context"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// Settled returns a submission as soon as it has settled, such as DB.Await of package postgres; found is false when
// ctx ends before.
type Settled func(ctx context.Context, org string, d referral.Digest) (s postgres.Submission, found bool, err error)

// Await returns a function that waits for a settlement and returns what Reply makes of it, or nil when ctx ends before.
func (a Answers) Await(settled Settled) func(context.Context, string, referral.Digest, referral.Return) (*fhirhttp.Reply, error) {
	return func(ctx context.Context, org string, d referral.Digest, prefer referral.Return) (*fhirhttp.Reply, error) {
		s, found, err := settled(ctx, org, d)
		if err != nil || !found {
			return nil, err
		}
		return a.Reply(ctx, s, prefer)
	}
}
