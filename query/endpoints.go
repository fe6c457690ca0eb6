package query

import "strings"

// endpoint is one thing that may be asked of the server, by whatever part it is served: what the CapabilityStatement and
// the OpenAPI description are made from.
type endpoint struct {
	route        string // as http.ServeMux takes it
	path         string // empty: that of the route
	summary      string
	interactions []string // FHIR R4 restful-interaction, as far as a CapabilityStatement lists them
	operation    string   // its definition: a canonical URL, or an id below this server
	parameters   []string // of the query, beside those of every FHIR answer
	takes        []string // media types of the body
	answers      string   // status and what it means
	media        string   // of the answer; empty: FHIR JSON
	open         bool     // to callers that nobody knows
}

// hl7Operation is where the definitions of R4's operations are.
const hl7Operation = "http://hl7.org/fhir/OperationDefinition/"

const (
	fhirJSON  = "application/fhir+json"
	plainJSON = "application/json"
	jsonPatch = "application/json-patch+json"
	urlForm   = "application/x-www-form-urlencoded"

	accepted202 = "202 Accepted: Content-Location is the status URL. 200, 201 or 204 with Prefer: wait=n, if it settles in that time"
	found200    = "200 The resource, or a Bundle of what was found. 304 when the caller has it already"
	plain200    = "200 JSON"
)

// endpoints are all of them. TestEndpointsAreTheRoutes compares them with what is registered.
func endpoints() []endpoint {
	history, everything := []string{"_count", "_since", "_page"}, []string{"_count", "_since", "_type", "_page"}
	json, anything := []string{fhirJSON}, []string{"_count", "_sort", "_total", "_include", "_revinclude", "_id", "_lastUpdated", "_page"}
	writes := []string{fhirJSON}
	return []endpoint{
		{route: "GET /fhir/metadata", summary: "What this server does: its CapabilityStatement.", answers: found200, open: true},
		{route: "GET /openapi.yaml", summary: "This description.", answers: "200 OpenAPI 3.1", media: "application/yaml", open: true},
		{route: "POST /fhir", summary: "Send a Bundle: transaction, batch, document, message or collection.",
			interactions: []string{"transaction", "batch"}, takes: json, answers: accepted202},
		{route: "POST /fhir/$process-message", summary: "Send a message.", operation: hl7Operation + "MessageHeader-process-message", takes: json, answers: accepted202},
		{route: "POST /fhir/Bundle", summary: "Send a document, message or collection.", takes: json, answers: accepted202},
		{route: "POST /fhir/$validate", summary: "Check a resource; nothing is kept.", operation: hl7Operation + "Resource-validate",
			parameters: []string{"profile"}, takes: json, answers: "200 An OperationOutcome"},
		{route: "POST /fhir/{type}/$validate", summary: "Check a resource of a type; nothing is kept.", operation: hl7Operation + "Resource-validate",
			parameters: []string{"profile"}, takes: json, answers: "200 An OperationOutcome"},
		{route: "GET /fhir/{type}/{id}", summary: "The current version of a resource. A Binary also as its own content, by Accept.",
			interactions: []string{"read"}, answers: found200},
		{route: "GET /fhir/{type}/{id}/_history/{version}", summary: "One version of a resource.", interactions: []string{"vread"}, answers: found200},
		{route: "PUT /fhir/{type}/{id}", summary: "Write the next version of a resource.", interactions: []string{"update"}, takes: writes, answers: accepted202},
		{route: "PUT /fhir/{type}", summary: "Write the next version of the resource that the criteria find, or a first one.", takes: writes, answers: accepted202},
		{route: "PATCH /fhir/{type}/{id}", summary: "Change a resource by a JSON Patch.", interactions: []string{"patch"}, takes: []string{jsonPatch}, answers: accepted202},
		{route: "PATCH /fhir/{type}", summary: "Change the resource that the criteria find by a JSON Patch.", takes: []string{jsonPatch}, answers: accepted202},
		{route: "DELETE /fhir/{type}/{id}", summary: "Delete a resource.", interactions: []string{"delete"}, answers: accepted202},
		{route: "DELETE /fhir/{type}", summary: "Delete the resource that the criteria find.", answers: accepted202},
		{route: "GET /fhir/{type}/{id}/_history", summary: "The versions of a resource, newest first.",
			interactions: []string{"history-instance"}, parameters: history, answers: found200},
		{route: "GET /fhir/{type}/{id}", path: "/fhir/{type}/_history", summary: "What the caller's submissions wrote of a type, newest first.",
			interactions: []string{"history-type"}, parameters: history, answers: found200},
		{route: "GET /fhir/_history", summary: "What the caller's submissions wrote, newest first.",
			interactions: []string{"history-system"}, parameters: history, answers: found200},
		{route: "POST /fhir/{type}", summary: "Create a resource; If-None-Exist makes it conditional.", interactions: []string{"create"}, takes: writes, answers: accepted202},
		{route: "GET /fhir/{type}", summary: "Search. The CapabilityStatement names the parameters of each type.",
			interactions: []string{"search-type"}, parameters: anything, answers: found200},
		{route: "POST /fhir/{type}/_search", summary: "Search with the parameters in the body, away from logs of URLs.", takes: []string{urlForm}, answers: found200},
		{route: "GET /fhir/Patient/{id}/$everything", summary: "All that the caller may read about a patient.",
			operation: hl7Operation + "Patient-everything", parameters: everything, answers: found200},
		{route: "POST /fhir/Patient/{id}/$everything", summary: "All that the caller may read about a patient.",
			takes: json, answers: found200},
		{route: "GET /fhir/ServiceRequest/{id}/$everything", summary: "A request, its Tasks, and all that these refer to.",
			operation: "ServiceRequest-everything", parameters: everything, answers: found200},
		{route: "POST /fhir/ServiceRequest/{id}/$everything", summary: "A request, its Tasks, and all that these refer to.",
			takes: json, answers: found200},
		{route: "GET /fhir/_status/{id}", summary: "How a submission stands.",
			answers: "200 It has settled: a batch-response of one entry. 202 with X-Progress and Retry-After: not yet"},
		{route: "DELETE /fhir/_status/{id}", summary: "Cancel what has not settled yet.", answers: "202 Cancelled. 409: it has settled"},
		{route: "GET /fhir/AuditEvent", summary: "With the scope audit: who was shown what, newest first; else a search like any.",
			parameters: []string{"patient", "date", "action", "subtype", "_count", "_page"}, answers: found200},
		{route: "GET /fhir/AuditEvent/{id}", summary: "With the scope audit: one record of an access; else a read like any.", answers: found200},
		{route: "GET /referrals", summary: "The caller's referrals, sent and received.",
			parameters: []string{"state", "from", "to", "since", "priority", "_count", "_page"}, answers: plain200, media: plainJSON},
		{route: "GET /referrals/{id}", summary: "One referral.", answers: plain200, media: plainJSON},
		{route: "GET /referrals/{id}/bundle", summary: "The body of a referral, byte for byte as it was received.", answers: "200 The bytes"},
	}
}

// split returns method and path.
func (e endpoint) split() (method, path string) {
	method, path, _ = strings.Cut(e.route, " ")
	if e.path != "" {
		path = e.path
	}
	return method, path
}

// level returns for which types e is: all of them, one, or the system when neither.
func (e endpoint) level() (all bool, one string) {
	_, path := e.split()
	part, _, _ := strings.Cut(strings.TrimPrefix(path, "/fhir/"), "/")
	return part == "{type}", part
}
