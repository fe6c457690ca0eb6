package r4_test

import (
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/r4"
)

func TestElements(t *testing.T) {
	for _, test := range []struct {
		owner, name string
		want        r4.Element
		in          bool
	}{
		{"Patient", "birthDate", r4.Element{}, true},
		{"Patient", "contact", r4.Element{}, false},
		{"Patient", "deceasedDateTime", r4.Element{}, true},
		{"Patient", "link", r4.Element{Owner: "Patient.link"}, true},
		{"ServiceRequest", "subject", r4.Element{Mandatory: true}, true},
		{"ServiceRequest", "note", r4.Element{}, false},
		{"DocumentReference", "content", r4.Element{Mandatory: true, Owner: "DocumentReference.content"}, true},
		{"DocumentReference.content", "attachment", r4.Element{Mandatory: true, Owner: "Attachment"}, true},
		{"Attachment", "data", r4.Element{}, false},
		{"Binary", "data", r4.Element{}, false},
		{"Synthetic", "id", r4.Element{}, false},
	} {
		if got, in := r4.Elements(test.owner)[test.name]; got != test.want || in != test.in {
			t.Errorf("%s.%s: got %+v, %v, want %+v, %v", test.owner, test.name, got, in, test.want, test.in)
		}
	}
}

// Whatever a line leads to has a line.
func TestElementsAreClosed(t *testing.T) {
	seen := map[string]bool{}
	var visit func(owner string)
	visit = func(owner string) {
		if seen[owner] {
			return
		}
		seen[owner] = true
		elements := r4.Elements(owner)
		if elements == nil {
			t.Errorf("%s has no line", owner)
		}
		for _, e := range elements {
			if e.Owner != "" {
				visit(e.Owner)
			}
		}
	}
	for _, owner := range []string{"Bundle", "Composition", "DocumentReference", "Patient", "Questionnaire", "StructureDefinition", "ValueSet"} {
		visit(owner)
	}
}
