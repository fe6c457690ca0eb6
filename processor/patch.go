package processor

import (
	"net/http"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir/patch"
)

// patch changes a resource by a JSON Patch (FHIR R4 http.html#patch). What comes out is held against the same schemas
// and profiles as what is sent whole.
func (t *transaction) patch(i int, r *request) (err error) {
	var s *state
	if r.condition != nil {
		s, err = t.one(i, r)
	} else {
		s, err = t.named(r.target)
	}
	switch {
	case err != nil:
		return err
	case s == nil:
		return nothingHere()
	case !s.live:
		return fhir.NewError(fhir.CodeDeleted, "", "The resource is deleted")
	}
	if err := t.claim(i, r, s); err != nil {
		return err
	}
	changed, err := t.patched(s, r.patch)
	if err != nil {
		return err
	}
	if err := t.keepsTerms(i, s, changed); err != nil {
		return err
	}
	s.resource = changed
	t.bundle.Entries[i].Resource = s.resource
	t.places[i] = placeOf{state: s, answer: t.answer(http.StatusOK, s)}
	return nil
}

func (t *transaction) patched(s *state, changes []byte) (*fhir.Value, error) {
	text, err := patch.Apply(s.stored.JSON(), changes)
	if err != nil {
		return nil, err
	}
	resource, err := fhir.Parse(text, s.typ, fhir.Limits{})
	if err != nil {
		return nil, err
	}
	var failing []fhir.Issue
	for _, issue := range t.processor.Schemas.Check(resource, s.typ) {
		if issue.Fails() {
			failing = append(failing, issue)
		}
	}
	if len(failing) > 0 {
		return nil, (&fhir.Error{Issues: failing}).WithStatus(http.StatusUnprocessableEntity)
	}
	return resource, nil
}
