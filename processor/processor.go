package processor

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// Store keeps settlements.
type Store interface {
	// Settle writes all settlements in one transaction; of one whose submission is settled already it writes nothing
	// and says false.
	Settle(ctx context.Context, settlements ...*postgres.Settlement) (settled []bool, err error)
}

// Blobs returns what was too large for the queue.
type Blobs interface {
	Get(ctx context.Context, key string) ([]byte, error)
}

// Config is what a Processor needs.
type Config struct {
	Store Store
	Blobs Blobs // nil: a message that claims its body fails
	Keys  *referral.Keys
	Log   *slog.Logger // nil: discard

	// Delay makes a message that failed visible again after d; nil leaves that to the queue's own time-out.
	Delay       func(ctx context.Context, receiptHandle string, d time.Duration) error
	ItemTimeout time.Duration // for one message; 0: 10 s
	// Observe is told of each delivery; nil: nobody. outcome is a state, Known or "failed"; age is the time since
	// the message was accepted.
	Observe func(outcome string, d, age time.Duration)
}

// Processor settles messages. It is safe for concurrent use.
type Processor struct{ Config }

// New returns a Processor with c's defaults filled in.
func New(c Config) *Processor {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.ItemTimeout == 0 {
		c.ItemTimeout = 10 * time.Second
	}
	if c.Observe == nil {
		c.Observe = func(string, time.Duration, time.Duration) {}
	}
	return &Processor{c}
}

// ErrForged says that a message was not made by ingest for the organisation it names.
var ErrForged = errors.New("the message does not prove its origin")

// Known is the outcome of a delivery whose submission an earlier one has settled.
const Known referral.State = "known"

// prepare proves where m comes from and makes all that it will leave in the store.
func (p *Processor) prepare(ctx context.Context, m *queue.Message, attempts int) (*settlement, error) {
	if err := p.claim(ctx, m); err != nil {
		return nil, err
	}
	s, err := p.settlement(m, attempts)
	if err != nil {
		return nil, err
	}
	if err := s.build(p.Keys); err != nil {
		rejection := rejected(err)
		if rejection == nil {
			return nil, err // nothing half built may settle
		}
		s.reject(rejection)
	}
	return s, nil
}

// write settles s alone. What the store refuses for good settles as rejected.
func (p *Processor) write(ctx context.Context, s *settlement) (referral.State, error) {
	settled, err := p.Store.Settle(ctx, s.Settlement)
	if rejection := rejected(err); rejection != nil && s.State == referral.Completed {
		s.reject(rejection)
		settled, err = p.Store.Settle(ctx, s.Settlement)
	}
	if err != nil {
		return "", err
	}
	return s.outcome(settled[0]), nil
}

// outcome is the state that s has come to, or Known when an earlier delivery had settled it.
func (s *settlement) outcome(settled bool) referral.State {
	if !settled {
		return Known
	}
	return s.State
}

// claim fetches the body of a message that was too large for the queue.
func (p *Processor) claim(ctx context.Context, m *queue.Message) (err error) {
	if m.Claim == "" || m.Body != nil {
		return nil
	}
	if p.Blobs == nil {
		return errors.New("the message claims its body, and no store of claims is configured")
	}
	m.Body, err = p.Blobs.Get(ctx, m.Claim)
	return err
}

// settlement proves that m is genuine and whole and returns what is known before its content is looked at.
func (p *Processor) settlement(m *queue.Message, attempts int) (*settlement, error) {
	body, err := m.Content()
	if err != nil {
		return nil, err
	}
	digest := p.Keys.Digest(m.Request)
	proof, err := p.Keys.Verify(m.Request.Org, m.ID)
	if err != nil || proof.Digest != digest || !proof.AcceptedAt.Equal(m.AcceptedAt) {
		return nil, ErrForged
	}
	return &settlement{
		Settlement: &postgres.Settlement{
			Org: m.Request.Org, Client: m.Client, Digest: digest, AcceptedAt: m.AcceptedAt, RequestID: m.RequestID,
			KeyKind: m.Request.KeyKind, Key: m.Request.KeyHash(digest), State: referral.Completed, Attempts: attempts,
			BundleType: m.Type, Content: m.Body, Encoding: m.Encoding, SHA256: m.Request.SHA256,
		},
		body: body,
	}, nil
}

// settlement is a postgres.Settlement in the making.
type settlement struct {
	*postgres.Settlement
	body []byte
}

// reject leaves of the settlement that it was refused, and why.
func (s *settlement) reject(e *fhir.Error) {
	s.State, s.Outcome = referral.Rejected, string(fhir.Outcome(e.Issues))
	s.Resources, s.Readers = nil, nil
	s.Request, s.Patient, s.Service, s.Priority, s.Authored = "", "", "", "", ""
}

// rejected returns the reason why the same message can never settle, or nil when err is none.
func rejected(err error) *fhir.Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*fhir.Error](err); ok && !fhir.CodeOf(e).Transient() {
		return e
	}
	pg, ok := errors.AsType[*postgres.Error](err)
	switch {
	case !ok:
		return nil
	case pg.SQLState == "23505" && pg.Constraint == "submission_key":
		return fhir.NewError(fhir.CodeConflict, "", "Another submission of this organisation has settled under the same "+
			"Idempotency-Key or Bundle.identifier with other content").WithCause(err)
	case len(pg.SQLState) == 5 && pg.SQLState[:2] == "22":
		return fhir.NewError(fhir.CodeValue, "", "The submission holds a value that cannot be stored").WithCause(err)
	}
	return nil
}
