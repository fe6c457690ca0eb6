package bundle

import (
	"slices"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/identifier"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// identifier checks an Identifier by its system alone: a number of a system that is known should look like one, and
// have its type. Where a profile asks for it the profile layer tells the same as an error, under the same key.
func (w *walk) identifier(name string, v *fhir.Value) {
	uri, value := v.Get("system"), v.Get("value")
	if uri.Kind() != fhir.String || value.Kind() != fhir.String {
		return
	}
	system, known := identifier.Lookup(uri.Text())
	if !known {
		return
	}
	for _, problem := range system.Check(value.Text()) {
		severity := fhir.SeverityWarning
		if slices.Contains(healthcareIdentifiers, uri.Text()) {
			severity = fhir.SeverityError
		}
		w.report(severity, ruleOf(problem), fhir.CodeValue, "value", problem.Sentence)
	}
	inList := w.path[len(w.path)-1].name == ""
	if name == "identifier" && inList && v.Get("type") == nil && slices.Contains(slicedByType, uri.Text()) {
		w.warn(own("identifier-type"), fhir.CodeRequired, "type",
			"The "+system.Name+" has no type: AU Core knows it by its type, and treats this one as a number of any kind")
	}
}

// healthcareIdentifiers are the numbers of the Healthcare Identifiers Service, by which records are matched and referrals
// find their way: a wrong one is worth a 422 (RELIABILITY C28, C29).
var healthcareIdentifiers = []string{
	"http://ns.electronichealth.net.au/id/hi/ihi/1.0",
	"http://ns.electronichealth.net.au/id/hi/hpii/1.0",
	"http://ns.electronichealth.net.au/id/hi/hpio/1.0",
}

// slicedByType are the systems whose identifiers the profiles of AU Core tell by Identifier.type and not by the
// system (Patient, Practitioner, PractitionerRole).
var slicedByType = []string{
	"http://ns.electronichealth.net.au/id/hi/ihi/1.0",
	"http://ns.electronichealth.net.au/id/hi/hpii/1.0",
	"http://ns.electronichealth.net.au/id/medicare-number",
	"http://ns.electronichealth.net.au/id/medicare-provider-number",
	"http://ns.electronichealth.net.au/id/dva",
}

// ruleOf names the rule that a number breaks: an invariant of AU Base, or one that is in no guide.
func ruleOf(p identifier.Problem) rule {
	for prefix, profile := range identifierProfiles {
		if strings.HasPrefix(p.Key, prefix) {
			return rule{p.Key, "http://hl7.org.au/fhir/StructureDefinition/" + profile}
		}
	}
	return own("identifier")
}

// identifierProfiles are the profiles of AU Base that state the invariants whose keys begin so.
var identifierProfiles = map[string]string{
	"inv-ihi-value-": "au-ihi",
	"inv-hpii-":      "au-hpii",
	"inv-hpio-":      "au-hpio",
	"inv-csp-":       "au-cspregistrationnumber",
	"inv-paio-":      "au-paioidentifier",
	"inv-paid-":      "au-paididentifier",
	"inv-caei-":      "au-careagencyemployeeidentifier",
	"inv-npio-":      "au-nationalprovideridentifieratorganisation",
	"inv-ahpra-":     "au-ahpraregistrationnumber",
	"inv-abn-":       "au-australianbusinessnumber",
	"inv-acn-":       "au-australiancompanynumber",
	"inv-arbn-":      "au-australianregistredbodynumber",
	"inv-dpid-":      "au-deliverypointidentifier",
}
