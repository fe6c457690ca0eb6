package processor

import (
	"net/http"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir/patch"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

// patch changes a resource by a JSON Patch (FHIR R4 http.html#patch). What comes out is held against the same schemas
// and profiles as what is sent whole.
func (t *transaction) patch(i int, r *request) error {
	s, err := t.aimed(i, r)
	switch {
	case err != nil:
		return err
	case s == nil:
		return t.missed(r, nothingHere())
	case !s.live:
		return fhir.NewError(fhir.CodeDeleted, "", "The resource is deleted")
	}
	if err := t.mayWrite(r, s); err != nil {
		return err
	}
	changed, err := t.patched(s, r.patch)
	if err != nil {
		return err
	}
	t.bundle.Entries[i].Resource = changed
	if t.isOpen(s) && !t.takes(i) {
		return nothingHere()
	}
	if err := t.keepsTerms(i, s, changed); err != nil {
		return err
	}
	t.write(i, s, changed)
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
	resource.Walk(s.typ, func(name, path string, v *fhir.Value) {
		if _, _, conditional := search.IsConditional(v.Text()); conditional && name == "reference" {
			failing = append(failing, fhir.Issue{
				Severity: fhir.SeverityError, Code: fhir.CodeNotSupported, Expression: path, Rule: "conditional-reference", Source: fhir.OwnRules,
				Details: "A reference by search criteria is resolved in a resource that is sent whole, and in no patch",
			})
		}
	})
	if len(failing) > 0 {
		return nil, (&fhir.Error{Issues: failing}).WithStatus(http.StatusUnprocessableEntity)
	}
	return resource, nil
}
