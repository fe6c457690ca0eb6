package bundle_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/bundle"
)

// request returns an active ServiceRequest for a patient, with more elements.
func request(subject string, more ...string) string {
	return `{"resourceType":"ServiceRequest","status":"active","subject":` + subject + strings.Join(append([]string{""}, more...), ",") + `}`
}

// to is a Reference.
func to(reference string) string { return fmt.Sprintf(`{"reference":%q}`, reference) }

// known is a Reference by an identifier.
func known(value string) string {
	return fmt.Sprintf(`{"identifier":{"system":"http://mrn.example","value":%q}}`, value)
}

func TestOnePatient(t *testing.T) {
	patient := func(value string) string {
		return fmt.Sprintf(`{"resourceType":"Patient","id":"p%s","identifier":[{"system":"http://mrn.example","value":%q}]}`, value, value)
	}
	another := func(at string) []string { return []string{"error business-rule Bundle." + at + " one-patient"} }
	observation := func(subject string) string { return `{"resourceType":"Observation","subject":` + subject + `}` }
	for _, tt := range []ruleTest{
		{"one", of("transaction", patient("1"), request(to(uuid(0))), observation(to(uuid(0)))), nil},
		{"two entries", of("transaction", patient("1"), patient("2"), request(to(uuid(0))), observation(to(uuid(1)))),
			another("entry[3].resource.subject")},
		{"two requests", of("collection", patient("1"), patient("2"), request(to(uuid(0))), request(to(uuid(1)))),
			another("entry[3].resource.subject")},
		{"the request disagrees with what stands before it", of("transaction", patient("1"), patient("2"), observation(to(uuid(1))), request(to(uuid(0)))),
			another("entry[2].resource.subject")},
		{"a second patient that nothing is about", of("transaction", patient("1"), patient("2"), request(to(uuid(0)))), nil},
		{"Task.for", of("transaction", patient("1"), patient("2"), request(to(uuid(0))), `{"resourceType":"Task","for":`+to(uuid(1))+`}`),
			another("entry[3].resource.for")},
		{"Coverage.beneficiary", of("transaction", patient("1"), patient("2"), request(to(uuid(0))), `{"resourceType":"Coverage","beneficiary":`+to(uuid(1))+`}`),
			another("entry[3].resource.beneficiary")},
		{"Consent.patient", of("message", patient("1"), patient("2"), request(to(uuid(0))), `{"resourceType":"Consent","patient":`+to(uuid(1))+`}`),
			another("entry[3].resource.patient")},
		{"contained Coverage", of("transaction", patient("1"), patient("2"),
			request(to(uuid(0)), `"contained":[{"resourceType":"Coverage","id":"c","beneficiary":`+to(uuid(1))+`}]`)),
			another("entry[2].resource.contained[0].beneficiary")},
		{"two on the server", of("transaction", request(to("Patient/1")), observation(to("Patient/2"))), another("entry[1].resource.subject")},
		{"one on the server", of("transaction", request(to("Patient/1")), observation(to("Patient/1/_history/3"))), nil},
		{"one on the server by its URL", of("transaction", request(to("Patient/1")), observation(to("https://referrals.example/fhir/Patient/1"))), nil},
		{"an entry and another on the server", of("transaction", patient("1"), request(to(uuid(0))), observation(to("Patient/9"))),
			another("entry[2].resource.subject")},
		{"another on the server and an entry", of("transaction", patient("1"), request(to("Patient/9")), observation(to(uuid(0)))),
			another("entry[2].resource.subject")},
		{"an entry and the same by its id", of("transaction", patient("1"), request(to(uuid(0))), observation(to("Patient/p1"))), nil},
		{"an entry that may be on the server", whole("transaction",
			`{"fullUrl":"`+uuid(0)+`","resource":`+patient("1")+`,"request":{"method":"POST","url":"Patient","ifNoneExist":"identifier=1"}}`,
			`{"resource":`+request(to(uuid(0)))+`,"request":{"method":"POST","url":"ServiceRequest"}}`,
			`{"resource":`+observation(to("Patient/9"))+`,"request":{"method":"POST","url":"Observation"}}`), nil},
		{"by the entry's identifier", of("transaction", patient("1"), request(to(uuid(0))), observation(known("1"))), nil},
		{"by another identifier", of("transaction", patient("1"), request(to(uuid(0))), observation(known("2"))), another("entry[2].resource.subject")},
		{"by an identifier of another system", of("transaction", patient("1"), request(to(uuid(0))),
			observation(`{"identifier":{"system":"http://other.example","value":"7"}}`)), nil},
		{"two identifiers", of("transaction", request(known("1")), observation(known("2"))), another("entry[1].resource.subject")},
		{"a contained copy", of("transaction", patient("1"), request(to(uuid(0))),
			`{"resourceType":"Observation","contained":[`+patient("1")+`],"subject":`+to("#p1")+`}`), nil},
		{"a contained other", of("transaction", patient("1"), request(to(uuid(0))),
			`{"resourceType":"Observation","contained":[`+patient("2")+`],"subject":`+to("#p2")+`}`), another("entry[2].resource.subject")},
		{"a device", of("transaction", patient("1"), `{"resourceType":"Device"}`, request(to(uuid(0))), observation(to(uuid(1)))), nil},
		{"a group on the server", of("transaction", patient("1"), request(to(uuid(0))), observation(to("Group/1"))), nil},
		{"by criteria", of("transaction", patient("1"), request(to(uuid(0))), observation(to("Patient?identifier=x"))), nil},
		{"entries of a batch", of("batch", request(to("Patient/1")), request(to("Patient/2"))), nil},
		{"no referral", of("transaction", observation(to("Patient/1")), observation(to("Patient/2"))), nil},
		{"found by search", of("searchset", request(to("Patient/1")), request(to("Patient/2"))), nil},
		{"in words only", of("transaction", request(`{"display":"Mother of the other one"}`)),
			[]string{"warning business-rule Bundle.entry[0].resource.subject referral-patient"}},
	} {
		tt.run(t)
	}
}

func TestReferralStatus(t *testing.T) {
	of := func(kind, status string, more ...string) string {
		return of(kind, append([]string{strings.Replace(request(to("Patient/1")), "active", status, 1)}, more...)...)
	}
	is := func(severity string) []string {
		return []string{severity + " business-rule Bundle.entry[0].resource.status referral-status"}
	}
	for _, tt := range []ruleTest{
		{"new", of("transaction", "active"), nil},
		{"new draft", of("transaction", "draft"), is("error")},
		{"new and revoked", of("transaction", "revoked"), is("error")},
		{"new and an error", of("batch", "entered-in-error"), is("error")},
		{"new and on hold", of("transaction", "on-hold"), is("warning")},
		{"new and completed", of("transaction", "completed"), is("warning")},
		{"message that revokes", of("message", "revoked"), nil},
		{"message of a draft", of("message", "draft"), is("error")},
		{"document of the past", of("document", "completed"), is("warning")},
		{"collection of the past and the present", of("collection", "completed", request(to("Patient/1"))), nil},
		{"update", whole("transaction", `{"resource":`+strings.Replace(request(to("Patient/1"), `"id":"s"`), "active", "revoked", 1)+
			`,"request":{"method":"PUT","url":"ServiceRequest/s"}}`), nil},
	} {
		tt.run(t)
	}
}

func TestPlacerGroupNumber(t *testing.T) {
	number := func(name, system, value string) string {
		return fmt.Sprintf(`%q:{"system":%q,"value":%q}`, name, system, value)
	}
	for _, tt := range []ruleTest{
		{"one", of("transaction", request(to("Patient/1"), number("requisition", "http://a", "1")),
			`{"resourceType":"Task",`+number("groupIdentifier", "http://a", "1")+`}`,
			`{"resourceType":"CommunicationRequest",`+number("groupIdentifier", "http://a", "1")+`}`), nil},
		{"another value", of("transaction", request(to("Patient/1"), number("requisition", "http://a", "1")),
			`{"resourceType":"Task",`+number("groupIdentifier", "http://a", "2")+`}`),
			[]string{"warning business-rule Bundle.entry[1].resource.groupIdentifier placer-group-number"}},
		{"another system", of("transaction", request(to("Patient/1"), number("requisition", "http://a", "1")),
			`{"resourceType":"CommunicationRequest",`+number("groupIdentifier", "http://b", "1")+`}`),
			[]string{"warning business-rule Bundle.entry[1].resource.groupIdentifier placer-group-number"}},
		{"none on one", of("transaction", request(to("Patient/1")), `{"resourceType":"Task",`+number("groupIdentifier", "http://a", "1")+`}`), nil},
	} {
		tt.run(t)
	}
}

// TestOwnServer: what settling follows is not on another server (RELIABILITY D07, D08), and elsewhere anything goes.
func TestOwnServer(t *testing.T) {
	elsewhere := func(at string) []string {
		return []string{"error value Bundle.entry[0].resource." + at + ".reference own-server"}
	}
	for _, tt := range []ruleTest{
		{"subject here", of("transaction", request(to("https://referrals.example/fhir/Patient/1"))), nil},
		{"subject in the cloud's metadata", of("transaction", request(to("http://169.254.169.254/latest/Patient/1"))), elsewhere("subject")},
		{"subject where our name is a prefix", of("transaction", request(to("https://referrals.example/fhir.evil.example/Patient/1"))), elsewhere("subject")},
		{"subject above our base", of("transaction", request(to("https://referrals.example/fhir/../Patient/1"))), elsewhere("subject")},
		{"subject by another scheme", of("transaction", request(to("ldap://referrals.example/Patient/1"))), elsewhere("subject")},
		{"requester elsewhere", of("transaction", request(to("Patient/1"), `"requester":`+to("https://a.example/fhir/Practitioner/1"))), elsewhere("requester")},
		{"requester in the Bundle", whole("collection", `{"resource":`+request(to("Patient/1"), `"requester":`+to("https://a.example/fhir/Practitioner/1"))+`}`,
			`{"fullUrl":"https://a.example/fhir/Practitioner/1","resource":{"resourceType":"Practitioner","id":"1"}}`), nil},
		{"performer elsewhere", of("transaction", request(to("Patient/1"), `"performer":[`+to("https://a.example/fhir/Practitioner/1")+`]`)), nil},
		{"focus elsewhere", of("collection", `{"resourceType":"Task","focus":`+to("https://a.example/fhir/ServiceRequest/1")+`}`, request(to("Patient/1"))), elsewhere("focus")},
	} {
		tt.run(t)
	}
	document := of("transaction", request(to("https://a.example/fhir/Patient/1")))
	if got := lines(bundle.Check(parse(t, document), bundle.Options{})); got != nil {
		t.Errorf("without a base: got %v, want nothing", got)
	}
}

func TestFutureDates(t *testing.T) {
	patient := func(born string) string {
		return of("transaction", `{"resourceType":"Patient","birthDate":"`+born+`"}`, request(to("Patient/1")))
	}
	ordered := func(on string) string { return of("transaction", request(to("Patient/1"), `"authoredOn":"`+on+`"`)) }
	born := []string{"error business-rule Bundle.entry[0].resource.birthDate future-date"}
	written := []string{"error business-rule Bundle.entry[0].resource.authoredOn future-date"}
	for _, tt := range []ruleTest{
		{"born today", patient("2026-03-04"), nil},
		{"born tomorrow", patient("2026-03-05"), born},
		{"born this year", patient("2026"), nil},
		{"born next month", patient("2026-04"), born},
		{"ordered now", ordered("2026-03-04T16:06:07+11:00"), nil},
		{"ordered a day ahead", ordered("2026-03-05T05:06:07Z"), nil},
		{"ordered more than a day ahead", ordered("2026-03-05T05:06:08Z"), written},
		{"ordered next year", ordered("2027"), written},
	} {
		tt.run(t)
	}
	tomorrow := bundle.Options{Now: now.Add(5 * time.Hour)} // when it is tomorrow in the east
	if got := lines(bundle.Check(parse(t, patient("2026-03-05")), tomorrow)); got != nil {
		t.Errorf("born today in the east: got %v, want nothing", got)
	}
	document := parse(t, patient("2999-01-01"))
	if got := lines(bundle.Check(document, bundle.Options{Now: time.Time{}})); got != nil {
		t.Errorf("without a clock: got %v, want nothing", got)
	}
	if diff := cmp.Diff(born, lines(bundle.Check(document, bundle.Options{Now: now}))); diff != "" {
		t.Error(diff)
	}
}
