package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/dlq"
	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/ledger"
	"github.com/ausbizconsulting/referral-fhir-server/shared/blob"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// Where what is missing may be held.
const (
	heldDead     = "deadLetters"
	heldArchived = "archived"
	heldClaimed  = "claimed"
)

// holders are the places that may hold the message of a submission.
type holders struct {
	keys     *referral.Keys
	queues   *queues    // nil: no queue is named
	dead     *dlq.Queue // nil likewise
	objects  dlq.Archive
	archived map[ledger.Name][]string // keys of letters
	claimed  map[ledger.Name]string   // key of the body
}

// openHolders opens those places that are named.
func (c *reconcileCommand) openHolders(ctx context.Context, keys *referral.Keys) (*holders, error) {
	h := &holders{keys: keys, archived: map[ledger.Name][]string{}, claimed: map[ledger.Name]string{}}
	if c.Repair || c.QueueURL != "" {
		_, dead, err := c.deadLetters(ctx)
		if err != nil {
			return nil, err
		}
		h.queues, h.dead = &c.queues, dead
	}
	if !c.Objects && !c.Repair && c.BlobBucket+c.BlobDir+c.ArchiveBucket+c.ArchiveDir == "" {
		return h, nil
	}
	settings, err := lookUpAWS(ctx)
	if err == nil {
		h.objects, err = c.archive.open(settings)
	}
	return h, err
}

// list looks through object storage, and calls take with each submission there.
func (h *holders) list(ctx context.Context, take func(accepted)) error {
	if h.objects.Store == nil {
		return nil
	}
	err := h.objects.List(ctx, func(k dlq.Kept) error {
		claimed, err := h.keys.Verify(k.Org, k.ID)
		if err != nil {
			return nil //nolint:nilerr // of no submission
		}
		a := accepted{ID: k.ID, Org: k.Org, AcceptedAt: claimed.AcceptedAt, digest: claimed.Digest}
		h.archived[a.name()] = append(h.archived[a.name()], k.Key)
		take(a)
		return nil
	})
	if err != nil || h.objects.Claims == nil {
		return err
	}
	return h.objects.Claims.List(ctx, "", func(o blob.Object) error {
		org, digest, err := queue.ParseClaim(o.Key)
		if err != nil || digest == (referral.Digest{}) {
			return nil //nolint:nilerr // another thing, or a body that an earlier release has kept without its message
		}
		a := accepted{Org: org, AcceptedAt: o.Modified, digest: digest}
		h.claimed[a.name()] = o.Key
		take(a)
		return nil
	})
}

// proves tells whether l is the message that ingest sent for a submission.
func (h *holders) proves(l *dlq.Letter, name ledger.Name) bool {
	if l.Message == nil || l.Org() != name.Org || h.keys.Digest(l.Message.Request) != name.Digest {
		return false
	}
	claimed, err := h.keys.Verify(l.Org(), l.ID())
	return err == nil && claimed.Digest == name.Digest
}

// letter returns the message of a submission from object storage, or nil where that does not hold it, and where it was.
// Where it is to be sent, the body that it claims is put back first.
func (h *holders) letter(ctx context.Context, name ledger.Name, send bool) (l *dlq.Letter, held string, err error) {
	for _, key := range h.archived[name] {
		l, err := h.objects.Read(ctx, key)
		if errors.Is(err, dlq.ErrDamaged) {
			continue // the submission stays missing, and is told of
		}
		if err != nil {
			return nil, "", err
		}
		if !h.proves(l, name) {
			continue
		}
		if err := h.objects.PutBack(ctx, l, key, !send); !errors.Is(err, blob.ErrNotFound) {
			return l, heldArchived, err
		}
	}
	key, ok := h.claimed[name]
	if !ok {
		return nil, "", nil
	}
	object, err := h.objects.Claims.Get(ctx, key)
	if errors.Is(err, blob.ErrNotFound) {
		return nil, "", nil // swept meanwhile
	}
	if err != nil {
		return nil, "", err
	}
	if l := dlq.NewLetter(queue.Claimed(object), name.Org); h.proves(l, name) {
		return l, heldClaimed, nil
	}
	return nil, "", nil
}

// locate finds out where what is missing is held. What is quarantined, and no longer in the dead-letter queue, is missing.
func (r *reconciled) locate(ctx context.Context, h *holders) error {
	if h.dead != nil && len(r.Missing)+len(r.quarantined) > 0 {
		dead := map[ledger.Name]*dlq.Letter{}
		_, err := h.dead.Scan(ctx, dlq.Filter{}, 0, func(_ context.Context, letters []*dlq.Letter) error {
			for _, l := range letters {
				if l.Message == nil {
					continue
				}
				if name := (ledger.Name{Org: l.Org(), Digest: h.keys.Digest(l.Message.Request)}); h.proves(l, name) {
					dead[name] = l
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, a := range r.Missing {
			if l := dead[a.name()]; l != nil {
				a.Held = heldDead
				a.describe(l)
			}
		}
		depth, err := h.queues.waiting(ctx, h.dead)
		if err != nil {
			return err
		}
		for _, a := range r.quarantined {
			if dead[a.name()] == nil && depth.InFlight == 0 {
				a.Quarantined = true
				r.Quarantined--
				r.Missing = append(r.Missing, a)
			}
		}
	}
	for _, a := range r.Missing {
		if a.Held != "" {
			continue
		}
		l, held, err := h.letter(ctx, a.name(), false)
		if err != nil {
			return fmt.Errorf("look for %s: %w", a.ID, err)
		}
		if a.Held = held; l != nil {
			a.describe(l)
		}
	}
	all := len(r.Missing)
	r.Missing = slices.DeleteFunc(r.Missing, func(a *accepted) bool { return a.ID == "" }) // a body whose message these keys do not prove
	r.Foreign += all - len(r.Missing)
	if h.dead == nil || len(r.Missing) == 0 {
		return nil
	}
	ask := queueCommand{queues: *h.queues}
	depth, _, err := ask.readDepth(ctx, h.dead.Client, h.queues.QueueURL)
	r.Queue = &depth
	return err
}

// repair sends what object storage holds of what is missing to the queue again.
func (c *reconcileCommand) repair(ctx context.Context, s *streams, r *reconciled, h *holders) error {
	held := slices.DeleteFunc(slices.Clone(r.Missing), func(a *accepted) bool { return a.Held != heldArchived && a.Held != heldClaimed })
	if c.Max > 0 {
		held = held[:min(c.Max, len(held))]
	}
	if len(held) == 0 {
		return nil
	}
	operations, err := openOperations(false)
	if err != nil {
		return err
	}
	defer operations.store.Close()
	what := map[string]string{"missing": strconv.Itoa(len(held))}
	if err := operations.keep(ctx, "E", c.QueueURL, c.Reason, what); err != nil {
		return err
	}
	progress := newBar(s, len(held))
	outbox := &dlq.Outbox{Queue: h.dead, To: c.QueueURL, Rate: c.Rate, Done: func(n int) {
		progress.draw(n, fmt.Sprintf("%d sent again", n), n == len(held))
	}}
	err = func() error {
		for _, a := range held {
			l, _, err := h.letter(ctx, a.name(), true)
			if err != nil {
				return err
			}
			if l == nil {
				continue // swept meanwhile
			}
			if err := outbox.Add(ctx, l); err != nil {
				return err
			}
		}
		return outbox.Close(ctx)
	}()
	progress.clear()
	r.Repaired = outbox.Sent()
	s.audit(ctx, "reconcile --repair", c.QueueURL, c.Reason, what, r.Repaired, err)
	if err != nil {
		return unfinished(fmt.Sprintf("%d messages were sent to the queue again", r.Repaired), err)
	}
	return nil
}
