package processor

import (
	"context"
	"log/slog"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// maxTries is how often a message is tried that may itself be what is wrong.
const maxTries = 5

// giveUp takes a message out of the queue that would only fail again: at once when it is not what ingest accepted, and
// after maxTries when it fails for a reason that may be its own. What fails because something else is away is tried until
// it settles, however long that takes. Whatever goes wrong here, the message stays in the queue.
func (p *Processor) giveUp(ctx context.Context, d *delivery) {
	d.failure = classify(d.err)
	if p.DeadLetter == nil || d.failure.class != classSecurity && d.failure.class != classBug || !p.mayStart(ctx) {
		return
	}
	err := p.limited(ctx, func(ctx context.Context) error {
		tries, err := p.countTry(ctx, d)
		if err != nil || d.failure.class == classBug && tries < maxTries {
			return err
		}
		return p.quarantine(ctx, d, tries)
	})
	if err != nil {
		p.Log.LogAttrs(ctx, slog.LevelError, "quarantine", slog.String("error", err.Error()))
	}
}

// countTry returns how often the message has failed. The store counts, since deliveries in an outage are not the
// message's fault; where it can do anything but that, and where nobody knows whose message it is, the queue's count has
// to do. An error says that what has nothing of the message in it fails as well.
func (p *Processor) countTry(ctx context.Context, d *delivery) (tries int, err error) {
	if d.settlement == nil {
		return receiveCount(d.record), nil
	}
	tries, err = p.Store.Failed(ctx, postgres.Failure{
		Org: d.settlement.Org, Digest: d.settlement.Digest, Class: string(d.failure.class), Code: d.failure.code,
	})
	if err == nil {
		return tries, nil
	}
	if f := classify(err); f.class == classInfrastructure || f.class == classTransient || f.code == d.failure.code {
		return 0, err
	}
	return receiveCount(d.record), nil
}

// quarantine sends the message to the dead-letter queue and then, when it is proven whose it is, shows its submission as
// quarantined. Cut short in between, the message is delivered again and a second copy follows the first: replayed both,
// the submission settles once.
func (p *Processor) quarantine(ctx context.Context, d *delivery, tries int) error {
	if err := p.DeadLetter(ctx, d.record, string(d.failure.class), d.failure.code, tries); err != nil {
		return err
	}
	if d.failure.class == classSecurity {
		p.Log.LogAttrs(ctx, slog.LevelError, "ALARM: a message was refused for a reason of security and is in the dead-letter queue", slog.String("code", d.failure.code))
	}
	if d.settlement == nil {
		d.state = referral.Quarantined
		return nil
	}
	s := d.settlement
	s.begin()
	s.State = referral.Quarantined
	settled, err := p.Store.Quarantine(ctx, s.Settlement)
	if rejection := rejected(err); rejection != nil { // another submission holds its key by now
		s.reject(rejection)
		s.plan = nil
		settled, err = p.settle(ctx, s)
	}
	if err == nil {
		d.state = s.outcome(settled)
	}
	return err
}

// Rejection returns what settles m, which was received as often as attempts says, as rejected for reason: an operator has
// decided that it never shall. It returns ErrForged when m is not what ingest accepted, whose submission is not m's to end.
func Rejection(keys *referral.Keys, m *queue.Message, attempts int, reason *fhir.Error) (*postgres.Settlement, error) {
	proven, err := prove(keys, m, attempts)
	if err != nil {
		return nil, err
	}
	if _, err := m.Content(); err == nil {
		proven.Content = m.Body
	}
	(&settlement{Settlement: proven}).reject(reason)
	return proven, nil
}
