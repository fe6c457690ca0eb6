package processor

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// transaction is what the requests of a submission come to, given what is stored (FHIR R4 http.html#transaction). It is
// made anew for each look at the store.
type transaction struct {
	*plan
	found  *postgres.Found
	states map[referral.UUID]*state
	made   []*state          // those that were created, in order
	places []placeOf         // in step with the requests
	meets  [][]*state        // what meets the conditions of requests, in step with them
	bundle fhir.Bundle       // entries as they are stored: patched, or found instead of created
	names  map[string]string // of conditional references, what they are stored as
}

// state is a resource as the transaction has left it so far.
type state struct {
	id       referral.UUID
	typ      string
	stored   *postgres.Stored // what the store has, a tombstone perhaps; nil: nothing
	live     bool
	number   int         // version
	writer   int         // the entry that writes it; -1: none
	resource *fhir.Value // its content where it is live; nil: not looked at yet
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
func (p *plan) decide(found *postgres.Found) error {
	t := &transaction{plan: p, found: found, states: map[referral.UUID]*state{}, bundle: p.bundle, names: map[string]string{},
		places: make([]placeOf, len(p.requests)), meets: make([][]*state, len(p.requests))}
	t.bundle.Entries = slices.Clone(p.bundle.Entries)
	if found.TooMany {
		return fhir.NewError(fhir.CodeMultiple, "", "The conditions of the request find far too many resources")
	}
	for _, methods := range phases {
		if err := t.phase(methods); err != nil {
			return err
		}
	}
	for i, err := range p.unreadable {
		if err != nil {
			if err = t.fail(i, err); err != nil {
				return err
			}
		}
	}
	return t.complete()
}

// phase processes the requests with these methods. The order of the entries is no matter: the conditions of updates and
// deletes are held against what is there before the first of them, and those of creates see all that is created without.
func (t *transaction) phase(methods []string) error {
	var plain, conditional []int
	for i, r := range t.requests {
		switch {
		case r == nil || !slices.Contains(methods, r.method):
		case r.condition == nil:
			plain = append(plain, i)
		default:
			conditional = append(conditional, i)
			if r.writes() {
				found, err := t.meeting(t.conditionOf[i], r.condition)
				if err != nil {
					return err
				}
				t.meets[i] = found
			}
		}
	}
	for _, i := range append(plain, conditional...) {
		if err := t.request(i, t.requests[i]); err != nil {
			if err = t.fail(i, err); err != nil {
				return err
			}
		}
	}
	return nil
}

// fail notes that entry i of a batch failed for good and returns nil, or returns why everything does.
func (t *transaction) fail(i int, err error) error {
	err = at(t.expression(i, "request"), err)
	rejection := rejected(err)
	if t.bundle.Type != "batch" || rejection == nil {
		return err
	}
	t.undo(i)
	t.places[i] = placeOf{failed: true, answer: answerTo(rejection)}
	return nil
}

// undo takes back what entry i of a batch has written: no other entry has written the same.
func (t *transaction) undo(i int) {
	for id, s := range t.states {
		if s.writer == i {
			delete(t.states, id)
			t.made = slices.DeleteFunc(t.made, func(m *state) bool { return m == s })
		}
	}
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

// at returns the state of a resource that this organisation sent, a deleted one among them, or nil.
func (t *transaction) at(id referral.UUID, resourceType string) *state {
	s, ok := t.states[id]
	if !ok {
		stored, ok := t.found.Own[id]
		if !ok {
			return nil
		}
		s = &state{id: id, typ: stored.Type, stored: &stored, live: !stored.Deleted, number: stored.Number, writer: -1}
		t.states[id] = s
	}
	if s.typ != resourceType {
		return nil
	}
	return s
}

// errUnderWay says that a resource is not there, and may be soon: its id is young, and what creates it may not have
// been delivered yet.
var errUnderWay = errors.New("the resource that is referred to may still be under way")

// named returns the resource that the request names by its id. It is nil when there is none and none can be under way.
func (t *transaction) named(target fhir.Target) (*state, error) {
	id, err := referral.ParseUUID(target.ID)
	if err == nil {
		if s := t.at(id, target.Type); s != nil {
			return s, nil
		}
		return nil, t.underWay(id)
	}
	return nil, nil //nolint:nilerr // what is no id of this server is nobody's
}

// underWay returns errUnderWay while a resource with this id may still come.
func (t *transaction) underWay(id referral.UUID) error {
	age := t.processor.Now().Sub(id.Time())
	if id[6]>>4 == 7 && age > -t.processor.CreationWindow && age < t.processor.CreationWindow {
		return errUnderWay
	}
	return nil
}

// one returns the one resource that meets the condition of the request, or nil when none does.
func (t *transaction) one(i int, r *request) (*state, error) {
	found := t.meets[i]
	if r.method == http.MethodPost {
		var err error
		if found, err = t.meeting(t.conditionOf[i], r.condition); err != nil {
			return nil, err
		}
	}
	switch len(found) {
	case 0:
		return nil, nil
	case 1:
		return found[0], nil
	}
	return nil, fhir.NewError(fhir.CodeMultiple, "", "The conditions of the request find several resources, and only one may be meant")
}

// claim makes entry i the one that writes s, once it is sure that nothing stands against it.
func (t *transaction) claim(i int, r *request, s *state) error {
	if s.writer >= 0 {
		return t.overlap()
	}
	if s.stored != nil && s.stored.AcceptedAt.After(t.settlement.AcceptedAt) {
		return refusal(http.StatusConflict, "superseded", "A request that was accepted later has written the resource already")
	}
	if r.ifMatch != "" && (!s.live || !etagMatches(r.ifMatch, s.number)) {
		return refusal(http.StatusPreconditionFailed, "if-match", "The resource has another version than If-Match asks for")
	}
	if r.ifNoneMatch != "" && s.live && etagMatches(r.ifNoneMatch, s.number) {
		return refusal(http.StatusPreconditionFailed, "if-none-match", "The resource has the version that If-None-Match excludes")
	}
	s.writer = i
	s.number++
	return nil
}

// overlap says that two entries are about one resource.
func (t *transaction) overlap() error {
	if t.bundle.Type == "batch" {
		return fhir.NewError(fhir.CodeConflict, "", "Another entry of the batch writes the same resource; entries of a batch do not depend on each other")
	}
	return fhir.NewError(fhir.CodeBusinessRule, "", "Another entry of the transaction writes the same resource")
}

// refusal is a conflict with what is stored.
func refusal(status int, rule, details string) error {
	return (&fhir.Error{Issues: []fhir.Issue{{
		Severity: fhir.SeverityError, Code: fhir.CodeConflict, Details: details, Rule: rule, Source: fhir.OwnRules,
	}}}).WithStatus(status)
}

func (t *transaction) delete(i int, r *request) (err error) {
	var s *state
	if r.condition != nil {
		s, err = t.one(i, r)
	} else {
		s, err = t.named(r.target)
	}
	if err != nil {
		return err
	}
	t.places[i].answer = referral.Answer{Status: http.StatusNoContent}
	if s == nil || t.isOwned(s) || !s.live && s.writer < 0 { // FHIR R4 http.html#delete: nothing there is no error
		return nil
	}
	if err := t.claim(i, r, s); err != nil {
		return err
	}
	s.live, s.resource = false, nil
	return nil
}

func (t *transaction) create(i int, r *request) error {
	if r.condition != nil {
		s, err := t.one(i, r)
		if err != nil {
			return err
		}
		if s != nil {
			t.places[i] = placeOf{state: s, answer: t.answer(http.StatusOK, s)}
			if s.resource, err = t.content(s); err != nil {
				return err
			}
			t.bundle.Entries[i].Resource = s.resource
			return nil
		}
	}
	t.new(i, r)
	return nil
}

// new makes the resource of entry i.
func (t *transaction) new(i int, r *request) {
	s := &state{
		id:  t.keys.ResourceID(t.settlement.Org, t.settlement.Digest, t.settlement.AcceptedAt, i),
		typ: r.resource.ResourceType(), live: true, number: 1, writer: i, resource: r.resource,
	}
	t.states[s.id] = s
	t.made = append(t.made, s)
	t.places[i] = placeOf{state: s, answer: t.answer(http.StatusCreated, s)}
}

// notHere is the answer to an update of what is not there or another organisation's: ids are this server's.
func notHere() error {
	return fhir.NewError(fhir.CodeNotSupported, "", "There is no resource with this id, and this server gives ids itself: create it with POST").
		WithStatus(http.StatusMethodNotAllowed)
}

// update replaces a resource, or brings a deleted one back (FHIR R4 http.html#update, #cond-update).
func (t *transaction) update(i int, r *request) (err error) {
	var s *state
	if r.condition == nil {
		if s, err = t.named(r.target); err != nil {
			return err
		}
		if s == nil {
			return notHere()
		}
	} else {
		if s, err = t.one(i, r); err != nil {
			return err
		}
		id := r.resource.Get("id").Text()
		switch {
		case s == nil && r.ifMatch != "":
			return refusal(http.StatusPreconditionFailed, "if-match", "There is no resource that could have the version of If-Match")
		case s == nil && id != "":
			return notHere()
		case s == nil:
			if others, err := t.meeting(t.conditionOf[i], r.condition); err != nil {
				return err
			} else if len(others) > 0 {
				return t.overlap()
			}
			t.new(i, r)
			return nil
		case id != "" && id != s.id.String():
			return fhir.NewError(fhir.CodeInvalid, t.expression(i, "resource", "id"), "The conditions find a resource with another id")
		}
	}
	status := http.StatusOK
	if !s.live {
		status = http.StatusCreated
	}
	if err := t.claim(i, r, s); err != nil {
		return err
	}
	if err := t.keepsTerms(i, s, r.resource); err != nil {
		return err
	}
	s.live, s.resource = true, r.resource
	t.places[i] = placeOf{state: s, answer: t.answer(status, s)}
	return nil
}

// answer is one with the version of s, as the transaction leaves it so far.
func (t *transaction) answer(status int, s *state) referral.Answer {
	a := referral.Answer{Status: status, Version: s.version()}
	if s.writer < 0 {
		a.LastModified = lastModified(s.stored.LastUpdated)
	}
	return a
}

func lastModified(at time.Time) *time.Time {
	at = at.UTC()
	return &at
}

func (s *state) name() string { return s.typ + "/" + s.id.String() }

func (s *state) version() string {
	return postgres.Resource{ID: s.id, Type: s.typ, Version: s.number}.Name()
}

// content returns the resource, which is live.
func (t *transaction) content(s *state) (*fhir.Value, error) {
	if s.resource == nil {
		var err error
		if s.resource, err = fhir.Parse(s.stored.JSON(), s.typ, fhir.Limits{}); err != nil {
			return nil, errors.New("a stored resource does not pass the gate")
		}
	}
	return s.resource, nil
}
