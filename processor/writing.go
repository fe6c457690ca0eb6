package processor

import (
	"cmp"
	"net/http"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// aimed returns the resource that the request is about, by its id or its condition, or nil when there is none.
func (t *transaction) aimed(i int, r *request) (*state, error) {
	if r.condition == nil {
		return t.named(r.target)
	}
	return t.one(i, r)
}

// one returns the one resource that meets the condition of the request, or nil when none does.
func (t *transaction) one(i int, r *request) (*state, error) {
	found := t.meets[i]
	if r.method == http.MethodPost || t.isBatch() {
		found = t.memory.Find(*r.condition)
	}
	switch len(found) {
	case 0:
		return nil, nil
	case 1:
		return found[0], nil
	}
	return nil, fhir.NewError(fhir.CodeMultiple, "", "The conditions of the request find several resources, and only one may be meant")
}

// mayWrite returns what stands against writing s, if anything does.
func (t *transaction) mayWrite(r *request, s *state) error {
	if s.writer >= 0 {
		return t.overlap()
	}
	if s.stored != nil && t.supersedes(s.stored) {
		return refusal(http.StatusConflict, "superseded", "A request that was accepted later has written the resource already")
	}
	if r.ifMatch != "" && (!s.live || !etagMatches(r.ifMatch, s.number)) {
		return refusal(http.StatusPreconditionFailed, "if-match", "The resource has another version than If-Match asks for")
	}
	if r.ifNoneMatch != "" && s.live && etagMatches(r.ifNoneMatch, s.number) {
		return refusal(http.StatusPreconditionFailed, "if-none-match", "The resource has the version that If-None-Match excludes")
	}
	return nil
}

// write makes resource the next version of s, written by entry i; nil: it is deleted.
func (t *transaction) write(i int, s *state, resource *fhir.Value) {
	s.writer, s.resource, s.live = i, resource, resource != nil
	s.number++
	t.writes[i] = s
}

// overlap says that two entries are about one resource.
func (t *transaction) overlap() error {
	if t.isBatch() {
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

func (t *transaction) delete(i int, r *request) error {
	s, err := t.aimed(i, r)
	if err != nil {
		return err
	}
	t.places[i].answer = referral.Answer{Status: http.StatusNoContent}
	if s == nil || t.isOwned(s) || !s.live && (s.writer < 0 || t.isBatch()) { // FHIR R4 http.html#delete: nothing there is no error
		return nil
	}
	if err := t.mayWrite(r, s); err != nil {
		return err
	}
	t.write(i, s, nil)
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
			t.bundle.Entries[i].Resource, err = s.content()
			return err
		}
	}
	t.new(i, r)
	return nil
}

// new makes the resource of entry i.
func (t *transaction) new(i int, r *request) {
	s := &state{id: t.keys.ResourceID(t.settlement.Org, t.settlement.Digest, t.settlement.AcceptedAt, i), typ: r.resource.ResourceType()}
	t.states[s.id] = s
	t.write(i, s, r.resource)
	t.places[i] = placeOf{state: s, answer: t.answer(http.StatusCreated, s)}
}

// notHere is the answer to an update of what is not there or another organisation's: ids are this server's.
func notHere() error {
	return fhir.NewError(fhir.CodeNotSupported, "", "There is no resource with this id, and this server gives ids itself: create it with POST").
		WithStatus(http.StatusMethodNotAllowed)
}

// update replaces a resource, or brings a deleted one back (FHIR R4 http.html#update, #cond-update).
func (t *transaction) update(i int, r *request) error {
	s, err := t.aimed(i, r)
	if err != nil {
		return err
	}
	if s == nil && r.condition == nil {
		return t.missed(r, notHere())
	}
	if t.isOpen(s) && !t.takes(i) {
		return notHere()
	}
	if r.condition != nil {
		id := r.resource.Get("id").Text()
		switch {
		case s == nil && r.ifMatch != "":
			return refusal(http.StatusPreconditionFailed, "if-match", "There is no resource that could have the version of If-Match")
		case s == nil && id != "":
			return notHere()
		case s == nil && len(t.memory.Find(*r.condition)) > 0: // another entry has just written it
			return t.overlap()
		case s == nil:
			t.new(i, r)
			return nil
		case id != "" && id != s.id.String():
			return fhir.NewError(fhir.CodeInvalid, t.expression(i, "resource", "id"), "The conditions find a resource with another id")
		}
	}
	if err := t.mayWrite(r, s); err != nil {
		return err
	}
	if err := cmp.Or(t.keepsTerms(i, s, r.resource), t.keepsOwner(i, r, s)); err != nil {
		return err
	}
	status := http.StatusOK
	if !s.live {
		status = http.StatusCreated
	}
	t.write(i, s, r.resource)
	t.places[i] = placeOf{state: s, answer: t.answer(status, s)}
	return nil
}
