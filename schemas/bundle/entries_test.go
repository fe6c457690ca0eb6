package bundle_test

import (
	"strings"
	"testing"
)

func TestFullURLs(t *testing.T) {
	entry := func(url string) string {
		return whole("collection", `{"fullUrl":"`+url+`","resource":{"resourceType":"Patient","id":"p"}}`)
	}
	wrong := func(code, rule string) []string {
		return []string{"error " + code + " Bundle.entry[0].fullUrl " + rule}
	}
	for _, tt := range []ruleTest{
		{"UUID", entry(uuid(0)), nil},
		{"UUID in capitals", entry("urn:uuid:0434FC1C-CC0C-4089-AFF0-3F12530EC349"), nil},
		{"UUID too short", entry("urn:uuid:0434fc1c-cc0c-4089-aff0-3f12530ec34"), wrong("value", "full-url-urn")},
		{"UUID with a letter", entry("urn:uuid:0434fc1c-cc0c-4089-aff0-3f12530ec34g"), wrong("value", "full-url-urn")},
		{"UUID without hyphens", entry("urn:uuid:0434fc1ccc0c4089aff03f12530ec3490000"), wrong("value", "full-url-urn")},
		{"words for a UUID", entry("urn:uuid:patient"), wrong("value", "full-url-urn")},
		{"OID", entry("urn:oid:1.2.36.1"), nil},
		{"OID with an empty arc", entry("urn:oid:1..2"), wrong("value", "full-url-urn")},
		{"OID of no root", entry("urn:oid:7.1"), wrong("value", "full-url-urn")},
		{"URN of another kind", entry("urn:example:p"), nil},
		{"URN of nothing", entry("urn:p"), wrong("value", "full-url-urn")},
		{"RESTful", entry("https://a.example/fhir/Patient/p"), nil},
		{"another id", entry("https://a.example/fhir/Patient/q"), wrong("invariant", "full-url-id")},
		{"another type", entry("https://a.example/fhir/Group/p"), wrong("invariant", "full-url-id")},
		{"not RESTful", entry("https://a.example/people?p=1"), nil},
		{"relative", entry("Patient/p"), wrong("invariant", "full-url-absolute")},
		{"no id to disagree", whole("collection", `{"fullUrl":"https://a.example/fhir/Patient/q","resource":{"resourceType":"Patient"}}`), nil},
		{"of a patched resource", whole("transaction", `{"fullUrl":"https://a.example/fhir/Patient/q","resource":{"resourceType":"Parameters","id":"p"},"request":{"method":"PATCH","url":"Patient/q"}}`), nil},
	} {
		tt.run(t)
	}
}

func TestContent(t *testing.T) {
	for _, tt := range []ruleTest{
		{"document without fullUrl", whole("document", `{"resource":{"resourceType":"Composition"}}`),
			[]string{"error required Bundle.entry[0].fullUrl entry-full-url"}},
		{"message without a resource", whole("message", `{"fullUrl":"`+uuid(0)+`"}`),
			[]string{"error required Bundle.entry[0].resource bdl-5"}},
		{"collection without either", whole("collection", `{"link":[{"relation":"self","url":"https://a.example"}]}`),
			[]string{"error required Bundle.entry[0].resource bdl-5"}},
		{"searchset without fullUrl", whole("searchset", `{"resource":{"resourceType":"Patient"}}`), nil},
	} {
		tt.run(t)
	}
}

// TestHeads: a document has what its Composition refers to, a message what it is about.
func TestHeads(t *testing.T) {
	composition := func(more string) string {
		return of("document", `{"resourceType":"Composition",`+more+`}`, `{"resourceType":"Patient"}`)
	}
	missing := func(at string) []string { return []string{"error not-found " + at + " document-complete"} }
	const in = "Bundle.entry[0].resource."
	for _, tt := range []ruleTest{
		{"subject in the document", composition(`"subject":{"reference":"` + uuid(1) + `"}`), nil},
		{"subject elsewhere", composition(`"subject":{"reference":"Patient/1"}`), missing(in + "subject.reference")},
		{"author on another server", composition(`"author":[{"reference":"https://a.example/fhir/Practitioner/1"}]`), missing(in + "author[0].reference")},
		{"entry of a section in a section elsewhere", composition(`"section":[{"section":[{"entry":[{"reference":"Condition/1"}]}]}]`),
			missing(in + "section[0].section[0].entry[0].reference")},
		{"attester elsewhere", composition(`"attester":[{"mode":"legal","party":{"reference":"Practitioner/1"}}]`), missing(in + "attester[0].party.reference")},
		{"custodian by identifier", composition(`"custodian":{"identifier":{"value":"x"}}`), nil},
		{"another document", composition(`"relatesTo":[{"code":"replaces","targetReference":{"reference":"Composition/1"}}]`), nil},
		{"an extension", composition(`"extension":[{"url":"urn:x","valueReference":{"reference":"Patient/1"}}]`), nil},
		{"an extension of a section", composition(`"section":[{"extension":[{"url":"urn:x","valueReference":{"reference":"Patient/1"}}]}]`), nil},
		{"no document", of("collection", about("Composition", "subject", "Patient/1")), nil},
		{"no head", of("document", `{"resourceType":"Composition"}`, about("Composition", "subject", "Patient/1")), nil},
		{"focus in the message", of("message", `{"resourceType":"MessageHeader","focus":[{"reference":"`+uuid(1)+`"}]}`, `{"resourceType":"Task"}`), nil},
		{"focus elsewhere", of("message", `{"resourceType":"MessageHeader","focus":[{"reference":"Task/1"}]}`),
			[]string{"error not-found " + in + "focus[0].reference message-complete"}},
		{"sender elsewhere", of("message", about("MessageHeader", "sender", "Organization/1")), nil},
	} {
		tt.run(t)
	}
}

func TestRequests(t *testing.T) {
	entry := func(method, url, resource string) string {
		if resource != "" {
			resource = `,"resource":` + resource
		}
		return `{"request":{"method":"` + method + `","url":"` + url + `"}` + resource + `}`
	}
	const patient = `{"resourceType":"Patient","id":"p"}`
	at := func(what, code, rule string) []string {
		return []string{"error " + code + " Bundle.entry[0]." + what + " " + rule}
	}
	url := at("request.url", "value", "request-url")
	none := at("request.url", "business-rule", "request-url")
	other := at("request.url", "invalid", "request-match")
	for _, tt := range []struct {
		name, method, url, resource string
		want                        []string
	}{
		{"create", "POST", "Patient", patient, nil},
		{"create with a slash", "POST", "/Patient", patient, nil},
		{"create of another type", "POST", "Group", patient, other},
		{"create at an id", "POST", "Patient/p", patient, url},
		{"create of nothing", "POST", "Patient", "", at("resource", "required", "request-resource")},
		{"operation", "POST", "Patient/$match", "", nil},
		{"search", "POST", "Patient/_search", "", nil},
		{"upwards", "POST", "../admin", patient, url},
		{"upwards in between", "GET", "Patient/../admin", "", url},
		{"another server", "POST", "https://other.example/fhir/Patient", patient, url},
		{"another server without a scheme", "GET", "//other.example/fhir/Patient", "", url},
		{"encoded", "GET", "Patient/%2e%2e/admin", "", url},
		{"no type", "GET", "admin", "", url},
		{"update", "PUT", "Patient/p", patient, nil},
		{"update by criteria", "PUT", "Patient?identifier=x", patient, nil},
		{"update of none", "PUT", "Patient", patient, none},
		{"update of another id", "PUT", "Patient/q", patient, other},
		{"update without an id", "PUT", "Patient/p", `{"resourceType":"Patient"}`, other},
		{"update of another type", "PUT", "Group/p", patient, other},
		{"patch", "PATCH", "Patient/p", `{"resourceType":"Binary","contentType":"application/json-patch+json"}`, nil},
		{"patch with a resource", "PATCH", "Patient/p", patient, at("resource", "value", "request-resource")},
		{"delete", "DELETE", "Patient/p", "", nil},
		{"update of an id by criteria", "PUT", "Patient/p?identifier=x", patient, url},
		{"update of a version", "PUT", "Patient/p/_history/1", patient, url},
		{"delete of none", "DELETE", "Patient", "", none},
		{"delete with a resource", "DELETE", "Patient/p", patient, at("resource", "structure", "request-resource")},
		{"read of a version", "GET", "Patient/p/_history/1", "", nil},
		{"read", "GET", "Patient/p", "", nil},
		{"search by GET", "GET", "Patient?name=https://a.example/..", "", nil},
		{"capabilities", "GET", "metadata", "", nil},
	} {
		ruleTest{tt.name, whole("transaction", entry(tt.method, tt.url, tt.resource)), tt.want}.run(t)
	}
	twice := whole("transaction", entry("PUT", "Patient/p", patient), entry("DELETE", "Patient/p", ""))
	ruleTest{"one identity twice", twice, []string{"error business-rule Bundle.entry[1].request.url request-identity"}}.run(t)
	slash := whole("transaction", entry("PATCH", "/Patient/p", `{"resourceType":"Binary"}`), entry("DELETE", "Patient/p", ""))
	ruleTest{"one identity twice, with a slash", slash, []string{"error business-rule Bundle.entry[1].request.url request-identity"}}.run(t)
	ruleTest{"criteria twice", whole("transaction", entry("DELETE", "Patient?identifier=x", ""), entry("DELETE", "Patient?identifier=x", "")),
		[]string{"error business-rule Bundle.entry[1].request.url request-identity"}}.run(t)
	ruleTest{"one identity twice in a batch", whole("batch", entry("PUT", "Patient/p", patient), entry("DELETE", "Patient/p", "")), nil}.run(t)
	ruleTest{"two creates", whole("transaction", entry("POST", "Patient", patient), entry("POST", "Patient", patient)), nil}.run(t)
}

// TestPreconditions: what a request depends on stands where its method has it.
func TestPreconditions(t *testing.T) {
	for method, has := range map[string]string{
		"POST": "ifNoneExist", "PUT": "ifMatch ifNoneMatch", "PATCH": "ifMatch", "DELETE": "ifMatch",
		"GET": "ifNoneMatch ifModifiedSince", "HEAD": "ifNoneMatch ifModifiedSince",
	} {
		for _, name := range []string{"ifNoneExist", "ifMatch", "ifNoneMatch", "ifModifiedSince"} {
			resource, url := `,"resource":{"resourceType":"Patient","id":"p"}`, "Patient/p"
			switch method {
			case "POST":
				url = "Patient"
			case "PATCH":
				resource = `,"resource":{"resourceType":"Binary"}`
			case "DELETE", "GET", "HEAD":
				resource = ""
			}
			want := []string{"error not-supported Bundle.entry[0].request." + name + " request-condition"}
			if strings.Contains(has, name) {
				want = nil
			}
			ruleTest{method + " " + name, whole("transaction", `{"request":{"method":"`+method+`","url":"`+url+`","`+name+`":"x"}`+resource+`}`), want}.run(t)
		}
	}
}
