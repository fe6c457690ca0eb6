package processor

import (
	"context"
	"net/http"
	"slices"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

// transaction is what the requests of a submission come to, given what is stored (FHIR R4 http.html#transaction). It is
// made anew for each look at the store.
type transaction struct {
	*plan
	found      *postgres.Found
	states     map[referral.UUID]*state
	memory     *search.Memory[*state]        // of what conditions lead to, as it is now
	readable   *readable                     // nil: no search has been answered yet
	matches    int                           // that the searches have found in all
	writes     []*state                      // in step with the requests; nil: it writes nothing
	places     []placeOf                     // in step with the requests
	meets      [][]*state                    // what meets the conditions of requests, in step with them
	bundle     fhir.Bundle                   // entries as they are stored: patched, or found instead of created
	names      map[string]string             // of conditional references, what they are stored as
	reached    map[referral.UUID]*fhir.Value // of found.Reached what has been looked at
	addressed  *referral.Addressees
	addressees [][]string // in step with the requests
}

// placeOf is what a request came to.
type placeOf struct {
	state  *state // nil: there is nothing that references could lead to
	answer referral.Answer
	failed bool // an entry of a batch
}

// phases are the methods in the order in which FHIR R4 http.html#trules has them processed; conditional references come
// last.
var phases = [][]string{{http.MethodDelete}, {http.MethodPost}, {http.MethodPut, http.MethodPatch}, {http.MethodGet, http.MethodHead}}

// decide completes the settlement: all of it or, of a batch, each entry by itself. An *fhir.Error rejects it; any other
// error is for the delivery.
func (p *plan) decide(ctx context.Context, found *postgres.Found) error {
	if found.TooMany {
		return fhir.NewError(fhir.CodeTooCostly, "", "What the request depends on is too many resources, or they are too large, to settle it at once").
			WithStatus(http.StatusUnprocessableEntity)
	}
	n := len(p.requests)
	t := &transaction{
		plan: p, found: found, states: map[referral.UUID]*state{}, memory: search.NewMemory[*state](p.conditions...), bundle: p.bundle,
		names: map[string]string{}, reached: map[referral.UUID]*fhir.Value{}, writes: make([]*state, n), places: make([]placeOf, n), meets: make([][]*state, n), addressees: make([][]string, n),
	}
	t.bundle.Entries = slices.Clone(p.bundle.Entries)
	t.addressed = referral.NewAddressees(t.bundle, t.links, t.stored)
	if err := t.remember(); err != nil {
		return err
	}
	for i, err := range p.unreadable {
		if err != nil {
			if err = t.fail(i, err); err != nil {
				return err
			}
		}
	}
	for _, methods := range phases {
		if err := t.phase(ctx, methods); err != nil {
			return err
		}
	}
	return t.complete(ctx)
}

// isBatch tells a Bundle whose entries are independent: each is as if it had been sent by itself, one after the other
// (FHIR R4 http.html#brules).
func (t *transaction) isBatch() bool { return t.bundle.Type == "batch" }

// phase processes the requests with these methods. The order of the entries of a transaction is no matter: the conditions
// of updates and deletes are held against what is there before the first of them, and those of creates see all that is
// created without. An entry of a batch is seen to its end, so that no other relies on what does not come to be.
func (t *transaction) phase(ctx context.Context, methods []string) error {
	var plain, conditional []int
	for i, r := range t.requests {
		switch {
		case r == nil || !slices.Contains(methods, r.method):
		case r.condition == nil:
			plain = append(plain, i)
		default:
			conditional = append(conditional, i)
			if r.writes() && !t.isBatch() {
				t.meets[i] = t.memory.Find(*r.condition)
			}
		}
	}
	for _, i := range append(plain, conditional...) {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := t.request(i, t.requests[i])
		if err == nil && t.isBatch() {
			err = t.finish(i)
		}
		if err != nil {
			if err = t.fail(i, err); err != nil {
				return err
			}
			continue
		}
		t.note(t.writes[i])
	}
	return nil
}

// remember lets conditions find what is stored.
func (t *transaction) remember() error {
	for _, ids := range t.found.Matches {
		for _, id := range ids {
			if _, known := t.states[id]; known {
				continue
			}
			s := t.state(id)
			resource, err := s.content()
			if err != nil {
				return err
			}
			t.memory.Put(s, id.String(), resource)
		}
	}
	return nil
}

// note lets conditions find what an entry has written, and nothing that it has deleted.
func (t *transaction) note(s *state) {
	switch {
	case s == nil:
	case s.live:
		t.memory.Put(s, s.id.String(), s.resource)
	default:
		t.memory.Remove(s)
	}
}

// finish sees to what an entry needs that has been carried out: that its references lead somewhere, and to whom it is
// addressed.
func (t *transaction) finish(i int) error {
	if err := t.resolve(i); err != nil {
		return err
	}
	return t.address(i)
}

// fail notes that entry i of a batch failed for good and returns nil, or returns why everything does. Nothing of the
// entry is left.
func (t *transaction) fail(i int, err error) error {
	err = at(t.expression(i, "request"), err)
	rejection := rejected(err)
	if !t.isBatch() || rejection == nil {
		return err
	}
	if s := t.writes[i]; s != nil {
		t.writes[i] = nil
		if s.reset(); s.stored == nil {
			delete(t.states, s.id)
		}
	}
	t.bundle.Entries[i].Resource = nil
	t.places[i] = placeOf{failed: true, answer: answerTo(rejection)}
	return nil
}

// answerTo is the answer to a request that failed.
func answerTo(e *fhir.Error) referral.Answer {
	return referral.Answer{Status: fhirhttp.Status(e), Outcome: fhir.Outcome(e.Issues)}
}

func (t *transaction) request(i int, r *request) error {
	switch r.method {
	case http.MethodDelete:
		return t.delete(i, r)
	case http.MethodPost:
		return t.create(i, r)
	case http.MethodPut:
		return t.update(i, r)
	case http.MethodPatch:
		return t.patch(i, r)
	case http.MethodGet, http.MethodHead:
		return t.read(i, r)
	}
	return fhir.NewError(fhir.CodeNotSupported, "", "This server settles no requests with this method")
}
