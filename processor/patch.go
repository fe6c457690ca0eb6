package processor

import (
	"cmp"
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
	case s.writer >= 0: // told before the work of a patch: a thousand of them of one large resource take longer than there is
		return t.overlap()
	}
	changed, err := t.patched(s, r.patch)
	t.bundle.Entries[i].Resource = changed
	if t.isOpen(s) && (changed == nil || !t.takes(i)) {
		return nothingHere() // why a patch does not apply would tell what the Task has
	}
	if err := cmp.Or(t.mayWrite(r, s), err); err != nil {
		return err
	}
	if err := t.keepsTerms(i, s, changed); err != nil {
		return err
	}
	t.write(i, s, changed)
	t.places[i] = placeOf{state: s, answer: t.answer(http.StatusOK, s)}
	return nil
}

// patched returns what comes out of the changes, if anything does, and what is wrong with it.
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
		return resource, (&fhir.Error{Issues: failing}).WithStatus(http.StatusUnprocessableEntity)
	}
	return resource, nil
}
