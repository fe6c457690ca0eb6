package bundle

import (
	"slices"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// subject is an element that says which patient a resource is about.
type subject struct {
	entry, contained int // contained is -1 for the entry's own
	name             string
	resourceType     string
	patient          patient
}

// patient is what is known of whom a reference means; the zero value is nobody in particular.
type patient struct {
	resource    *fhir.Value // in the Bundle; nil where the reference leads elsewhere
	isContained bool
	isMatched   bool   // by search criteria, so that it may be one that the server has already
	literal     string // Patient/1, or an absolute URL
	identifier  *fhir.Value
}

// subject learns whom a resource is about by an element of it, if it is about a patient.
func (r *referral) subject(resourceType string, reference *fhir.Value) {
	if reference.Kind() != fhir.Object {
		return
	}
	p, ok := r.patient(reference)
	if !ok {
		return
	}
	r.subjects = append(r.subjects, subject{r.entry, r.inside, reference.Name(), resourceType, p})
}

// patient returns whom a Reference means; false where it does not mean a patient, or does not say whom.
func (r *referral) patient(reference *fhir.Value) (patient, bool) {
	text := reference.Get("reference").Text()
	if text == "" {
		identifier := reference.Get("identifier")
		typ := reference.Get("type").Text()
		return patient{identifier: identifier}, identifier.Get("value") != nil && (typ == "" || typ == "Patient")
	}
	if id, found := strings.CutPrefix(text, "#"); found {
		return patient{resource: r.contained[id], isContained: true}, r.contained[id].ResourceType() == "Patient"
	}
	if target, _ := r.scope.Resolve(text); target != nil {
		return patient{resource: target, isMatched: r.matched[target]}, target.ResourceType() == "Patient"
	}
	literal, _, _ := strings.Cut(strings.TrimPrefix(text, r.Base+"/"), "/_history/")
	switch kindOf(text) {
	case relative, absolute:
		typ, _ := restful("/" + literal)
		return patient{literal: literal}, typ == "Patient"
	default:
		return patient{}, false
	}
}

// onePatient holds that all of a referral is about the patient of its first ServiceRequest.
func (r *referral) onePatient() {
	first := slices.IndexFunc(r.subjects, func(s subject) bool { return s.resourceType == "ServiceRequest" })
	if first < 0 {
		return
	}
	for _, s := range r.subjects {
		if !differ(r.subjects[first].patient, s.patient) {
			continue
		}
		before := len(r.path)
		r.item(s.entry)
		r.down("resource")
		if s.contained >= 0 {
			r.down("contained")
			r.item(s.contained)
		}
		r.fail(own("one-patient"), fhir.CodeBusinessRule, s.name,
			"A referral is about one patient: this "+s.resourceType+" is about another one than the ServiceRequest")
		r.path = r.path[:before]
	}
}

// differ tells whether a and b are two patients for sure.
func differ(a, b patient) bool {
	switch {
	case a.resource != nil && b.resource != nil:
		if a.resource == b.resource {
			return false
		}
		if a.isContained || b.isContained { // a contained copy may stand for the same person
			return identifiersDiffer(a.identifiers(), b.identifiers())
		}
		return true
	case a.literal != "" && b.literal != "":
		return !sameURL(a.literal, b.literal)
	case a.resource != nil && b.literal != "":
		return a.elsewhere(b.literal)
	case a.literal != "" && b.resource != nil:
		return b.elsewhere(a.literal)
	default:
		return identifiersDiffer(a.identifiers(), b.identifiers())
	}
}

// elsewhere tells whether literal cannot be the URL of a patient that is in the Bundle.
func (p patient) elsewhere(literal string) bool {
	_, id := restful("/" + literal)
	return !p.isContained && !p.isMatched && p.resource.Get("id").Text() != id
}

// sameURL tells whether two URLs of patients can be one's, if the one is relative.
func sameURL(a, b string) bool {
	return a == b || strings.HasSuffix(a, "/"+b) || strings.HasSuffix(b, "/"+a)
}

func (p patient) identifiers() []fhir.Value {
	if p.identifier != nil {
		return []fhir.Value{*p.identifier}
	}
	return p.resource.Get("identifier").Items()
}

// maxCompared is how many identifiers of a patient are compared.
const maxCompared = 20

// identifiersDiffer tells whether a and b have numbers of one system, and none of those in common.
func identifiersDiffer(a, b []fhir.Value) bool {
	a, b = a[:min(len(a), maxCompared)], b[:min(len(b), maxCompared)]
	found := false
	for i := range a {
		for j := range b {
			system, value := a[i].Get("system").Text(), a[i].Get("value").Text()
			if system == "" || value == "" || system != b[j].Get("system").Text() || b[j].Get("value") == nil {
				continue
			}
			if value == b[j].Get("value").Text() {
				return false
			}
			found = true
		}
	}
	return found
}
