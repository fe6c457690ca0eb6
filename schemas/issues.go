package schemas

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/xeipuuv/gojsonschema"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// maxListedCodes is the longest code list that an issue spells out.
const maxListedCodes = 20

// report adds an issue about the current value, or about its child called name.
func (w *walk) report(code fhir.Code, name, details string) {
	w.issues = append(w.issues, fhir.Issue{
		Severity: fhir.SeverityError, Code: code, Details: details, Expression: w.expression(name),
	})
}

// ownLevel validates the level of an object's members against n and reports what is missing and what is not an array,
// by name: gojsonschema visits properties in no order.
func (w *walk) ownLevel(n *node, items []fhir.Value) {
	clear(w.level)
	for i := range items {
		name := items[i].Name()
		m := n.members[name]
		if m == nil {
			continue
		}
		if m.group != "" && m.counts(&items[i]) {
			w.level[m.group] = true
		}
		if m.isArray {
			w.level[name] = placeholder(&items[i])
		}
	}
	result, err := n.schema.Validate(gojsonschema.NewRawLoader(w.level))
	if err != nil {
		panic(err) // a raw loader cannot fail
	}
	first := len(w.issues)
	for _, e := range result.Errors() {
		switch e := e.(type) {
		case *gojsonschema.RequiredError:
			group, _ := e.Details()["property"].(string)
			display := strings.TrimSuffix(group, "()")
			w.report(fhir.CodeRequired, strings.TrimSuffix(display, "[x]"), display+" is required")
		case *gojsonschema.InvalidTypeError:
			m := n.members[e.Field()]
			w.report(fhir.CodeStructure, m.element, m.property+" must be an array, also for a single value")
		}
	}
	slices.SortFunc(w.issues[first:], func(a, b fhir.Issue) int { return cmp.Compare(a.Expression, b.Expression) })
}

// unknown reports a member that the type does not have: by its place, since a name, too, can be a patient's.
func (w *walk) unknown(v *fhir.Value) {
	w.position = v.Position(w.position)
	w.report(fhir.CodeStructure, "", fmt.Sprintf("Unknown element: FHIR R4 does not have it here (%v)", w.position))
}

// wrongType reports that v is not what property must be.
func (w *walk) wrongType(v *fhir.Value, property, want string) {
	if v.Kind() == fhir.Array {
		w.report(fhir.CodeStructure, "", property+" must be a single value, not an array")
		return
	}
	w.report(fhir.CodeValue, "", property+" must be "+want)
}

// invalid reports that v fails the schema of a primitive type. One error is enough: a second one, if any, follows
// from the first.
func (w *walk) invalid(n *node, v *fhir.Value, property string, e gojsonschema.ResultError) {
	if _, ok := e.(*gojsonschema.InvalidTypeError); ok {
		want := n.description
		if e.Details()["expected"] == gojsonschema.TYPE_STRING {
			want = "a string"
		}
		w.wrongType(v, property, want)
		return
	}
	w.report(fhir.CodeValue, "", property+" must be "+n.description)
}

// unknownCode reports that the current value is not in the code list n.
func (w *walk) unknownCode(n *node, property string) {
	want := n.description
	if len(n.codes) <= maxListedCodes {
		want = "one of " + strings.Join(n.codes, ", ")
	}
	w.report(fhir.CodeCodeInvalid, "", property+" must be "+want)
}

// writeStep appends s to a FHIRPath.
func writeStep(b *strings.Builder, s step) {
	if s.name != "" {
		b.WriteString("." + strings.TrimPrefix(s.name, "_"))
		return
	}
	b.WriteString("[" + strconv.Itoa(s.index) + "]")
}
