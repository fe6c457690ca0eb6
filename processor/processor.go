package processor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/ausbizconsulting/referral-fhir-server/shared/blob"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/telemetry"
)

// Store keeps settlements.
type Store interface {
	// Settle writes all settlements in one transaction; of one whose submission is settled already it writes nothing
	// and says false.
	Settle(ctx context.Context, settlements ...*postgres.Settlement) (settled []bool, err error)
	// Revise settles what depends on the store: decide completes s with what the look-up found, perhaps several times.
	Revise(ctx context.Context, s *postgres.Settlement, l postgres.Lookup, decide func(*postgres.Found) error) (settled bool, err error)
	// Failed counts a failed try and returns how many there were.
	Failed(ctx context.Context, f postgres.Failure) (tries int, err error)
	// Quarantine shows that s waits for an operator, unless its submission has settled.
	Quarantine(ctx context.Context, s *postgres.Settlement) (quarantined bool, err error)
}

// Checker finds what is wrong with a resource; path is its FHIRPath.
type Checker interface {
	Check(v *fhir.Value, path string, profiles ...string) []fhir.Issue
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

	Schemas Checker  // of what comes out of a patch
	BaseURL *url.URL // of this server's resources, without /fhir; nil: absolute references are others'
	// CreationWindow is how long what creates a resource may be on its way after it was accepted: until then a request
	// that needs the resource is delivered again. 0: 5 minutes; negative: nothing is ever on its way.
	CreationWindow time.Duration
	Now            func() time.Time // nil: time.Now

	// Delay makes a message that failed visible again after d; nil leaves that to the queue's own time-out.
	Delay   func(ctx context.Context, receiptHandle string, d time.Duration) error
	BackOff time.Duration // the first such d, which doubles with each delivery up to 15 minutes; 0: 30 s
	// DeadLetter sends a record to the dead-letter queue as it is, with class and code of what went wrong in attempts
	// tries, and returns nil when that is durable; nil leaves to the queue's own limit what cannot settle.
	DeadLetter  func(ctx context.Context, record *events.SQSMessage, class, code string, attempts int) error
	ItemTimeout time.Duration // for one message; 0: 10 s

	Metrics telemetry.Recorder // of each delivery; nil: nobody takes them
	Tracer  *telemetry.Tracer  // nil: nothing is traced
}

// Processor settles messages. It is safe for concurrent use.
type Processor struct {
	Config
	base string // what references to this server's resources begin with when they are absolute, or ""
}

// New returns a Processor with c's defaults filled in.
func New(c Config) *Processor {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.ItemTimeout == 0 {
		c.ItemTimeout = 10 * time.Second
	}
	if c.BackOff == 0 {
		c.BackOff = 30 * time.Second
	}
	if c.CreationWindow == 0 {
		c.CreationWindow = 5 * time.Minute
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	p := &Processor{Config: c}
	if c.BaseURL != nil {
		p.base = c.BaseURL.JoinPath("fhir/").String()
	}
	return p
}

// ErrForged says that a message was not made by ingest for the organisation it names.
var ErrForged = errors.New("the message does not prove its origin")

// Known is the outcome of a delivery whose submission an earlier one has settled.
const Known referral.State = telemetry.Known

// local returns a reference without this server's base.
func (p *Processor) local(reference string) string {
	if p.base != "" && strings.HasPrefix(reference, p.base) {
		return reference[len(p.base):]
	}
	return reference
}

// prepare makes of a proven message all that it will leave in the store, as far as that does not depend on what the
// store has.
func (p *Processor) prepare(ctx context.Context, m *queue.Message, s *settlement) error {
	if err := p.claim(ctx, m); err != nil {
		return err
	}
	body, err := m.Content()
	if err != nil {
		return err
	}
	s.Content = m.Body
	return p.work(ctx, s, func() error {
		plan, err := p.read(ctx, m, s, body)
		if err != nil {
			return err
		}
		if lookup, depends := plan.lookup(); depends {
			s.plan, s.lookup = plan, lookup
			return nil
		}
		return plan.decide(ctx, &postgres.Found{})
	})
}

// errSlow says that a message took most of its time by itself, whatever others did with the rest.
var errSlow = errors.New("too slow")

// work calls f, which waits for nobody. What it refuses for good is rejected whole: nothing half built may settle.
func (p *Processor) work(ctx context.Context, s *settlement, f func() error) error {
	start := time.Now()
	err := s.rejectFor(f())
	if ctx.Err() != nil && time.Since(start) > p.ItemTimeout/2 {
		return errSlow
	}
	return err
}

// rejectFor makes a rejection of s when err is the reason for one, and returns any other error.
func (s *settlement) rejectFor(err error) error {
	rejection := rejected(err)
	if rejection == nil {
		return err
	}
	s.reject(rejection)
	return nil
}

// write settles s alone. What the store refuses for good settles as rejected.
func (p *Processor) write(ctx context.Context, s *settlement) (referral.State, error) {
	settled, err := p.settle(ctx, s)
	if rejection := rejected(err); rejection != nil && s.State == referral.Completed {
		s.reject(rejection)
		s.plan = nil
		settled, err = p.settle(ctx, s)
	}
	if err != nil {
		return "", err
	}
	return s.outcome(settled), nil
}

func (p *Processor) settle(ctx context.Context, s *settlement) (settled bool, err error) {
	s.commit.start = time.Now()
	defer func() { s.commit.end = time.Now() }()
	if s.plan != nil {
		return p.Store.Revise(ctx, s.Settlement, s.lookup, func(found *postgres.Found) error {
			return p.work(ctx, s, func() error { return s.plan.decide(ctx, found) })
		})
	}
	all, err := p.Store.Settle(ctx, s.Settlement)
	return err == nil && all[0], err
}

// outcome is the state that s has come to, or Known when an earlier delivery had settled it.
func (s *settlement) outcome(settled bool) referral.State {
	if !settled {
		return Known
	}
	return s.State
}

// errClaims says that where claimed bodies are kept did not answer.
var errClaims = errors.New("the store of claimed bodies cannot be used")

// claim fetches the body of a message that was too large for the queue.
func (p *Processor) claim(ctx context.Context, m *queue.Message) error {
	if m.Claim == "" || m.Body != nil {
		return nil
	}
	if p.Blobs == nil {
		return fmt.Errorf("%w: none is configured", errClaims)
	}
	object, err := p.Blobs.Get(ctx, m.Claim)
	if err != nil && !errors.Is(err, blob.ErrNotFound) {
		return fmt.Errorf("%w: %w", errClaims, err)
	}
	m.CheckOut(object)
	return err
}

// prove returns what is known of m's submission before its body is looked at, or ErrForged when it is not one that ingest
// accepted from the organisation that it names.
func prove(keys *referral.Keys, m *queue.Message, attempts int) (*postgres.Settlement, error) {
	digest := keys.Digest(m.Request)
	proof, err := keys.Verify(m.Request.Org, m.ID)
	if err != nil || proof.Digest != digest || !proof.AcceptedAt.Equal(m.AcceptedAt) || m.Fill != nil && !m.ProvesFill(keys) {
		return nil, ErrForged
	}
	return &postgres.Settlement{
		Org: m.Request.Org, Client: m.Client, Digest: digest, AcceptedAt: m.AcceptedAt, RequestID: m.RequestID,
		KeyKind: m.Request.KeyKind, Key: m.Request.KeyHash(digest), State: referral.Completed, Attempts: attempts,
		BundleType: m.Type, Content: []byte{}, Encoding: m.Encoding, SHA256: m.Request.SHA256,
		Return: m.Return, Awaited: m.Awaited,
	}, nil
}

// settlement is a postgres.Settlement in the making.
type settlement struct {
	*postgres.Settlement
	plan   *plan // what completes it once lookup is answered; nil: it is complete
	lookup postgres.Lookup
	commit interval // of the last transaction that was to write it
}

// begin takes back what an earlier look at the store has led to.
func (s *settlement) begin() {
	s.State, s.Outcome, s.Answers = referral.Completed, "", nil
	s.Resources, s.Readers, s.Shares, s.Claims = nil, nil, nil, nil
	s.RepeatedKeys, s.Repeated = nil, ""
	s.Request, s.Patient, s.Service, s.Priority, s.Authored = "", "", "", "", ""
}

// reject leaves of the settlement that it was refused, and why.
func (s *settlement) reject(e *fhir.Error) {
	s.begin()
	answer := answerTo(e)
	s.State, s.Outcome, s.Answers = referral.Rejected, string(answer.Outcome), []referral.Answer{answer}
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
	case pg.Class() == postgres.ClassConflict:
		return fhir.NewError(fhir.CodeConflict, "", "Another submission of this organisation has settled under the same "+
			"Idempotency-Key or Bundle.identifier with other content").WithCause(err)
	case pg.Class() == postgres.ClassData:
		return fhir.NewError(fhir.CodeValue, "", "The submission holds a value that cannot be stored").WithCause(err)
	}
	return nil
}
