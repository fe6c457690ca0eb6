package processor

import (
	"reflect"
	"strconv"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// isOwned tells a Task of another organisation that this one owns, and may therefore update: that closes the loop
// between who asks and who does.
func (t *transaction) isOwned(s *state) bool {
	return s.stored != nil && s.stored.Org != t.settlement.Org
}

// terms are the elements of a Task that say what was asked of whom. Its owner tells how it stands, and leaves them as they
// are: with another owner, or another focus, somebody would come to read what nobody has sent them.
var terms = []string{
	"identifier", "groupIdentifier", "basedOn", "partOf", "intent", "code", "focus", "for", "encounter", "requester", "owner", "contained",
}

// keepsTerms holds that an update by the owner of another's Task leaves its terms alone.
func (t *transaction) keepsTerms(i int, s *state, after *fhir.Value) error {
	if !t.isOwned(s) {
		return nil
	}
	before, err := fhir.Parse(s.stored.JSON(), s.typ, fhir.Limits{})
	if err != nil {
		return err
	}
	for _, name := range terms {
		if !reflect.DeepEqual(t.localized(before.Get(name)), t.localized(after.Get(name))) {
			return fhir.NewError(fhir.CodeForbidden, t.expression(i, "resource", name),
				"The owner of a Task updates how it stands: what was asked of whom is its sender's to change")
		}
	}
	return nil
}

// localized is a value in the form of encoding/json, references to this server's resources without its base.
func (t *transaction) localized(v *fhir.Value) any {
	switch v.Kind() {
	case fhir.Object:
		items, m := v.Items(), map[string]any{}
		for i := range items {
			m[items[i].Name()] = t.localized(&items[i])
		}
		return m
	case fhir.Array:
		items, a := v.Items(), []any{}
		for i := range items {
			a = append(a, t.localized(&items[i]))
		}
		return a
	case fhir.String:
		return t.processor.local(v.Text())
	case fhir.Null:
		return nil
	default:
		return strconv.Quote(v.Text()) // a number or boolean, told from a string of the same characters
	}
}
