package processor

import (
	"context"

	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// Settle prepares and settles m by itself, as HandleSQS does with a batch of one, and returns how it ended.
func (p *Processor) Settle(ctx context.Context, m *queue.Message, attempts int) (referral.State, error) {
	proven, err := prove(p.Keys, m, attempts)
	if err != nil {
		return "", err
	}
	s := &settlement{Settlement: proven}
	if err := p.prepare(ctx, m, s); err != nil {
		return "", err
	}
	return p.write(ctx, s)
}
