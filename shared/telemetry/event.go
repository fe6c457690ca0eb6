package telemetry

import "time"

// Request is one answered HTTP request.
type Request struct {
	Event
	Route  string // its template, such as "POST /fhir"
	Status int
	Issue  string // the code of the OperationOutcome's first issue, of what was refused; else empty
	// AcceptedAfter is the time until the queue had what was sent; 0: nothing was accepted.
	AcceptedAfter time.Duration
}

// Delivery is one message that was delivered to the processor.
type Delivery struct {
	Event
	ReceiveCount int
	Age          time.Duration // since it was accepted; 0: nobody knows
	QueueAge     time.Duration // how long it had been in the queue when it was received; 0: nobody knows
	Class        string        // of the failure, one of four words; empty: it did not fail
	Code         string        // an SQLSTATE or a word
	Settled      bool          // whether this delivery is what settled its submission
}

// Event is what both have. Each of its strings may be empty.
type Event struct {
	ID           string // of this event alone: of a delivery SQS's of the message and which delivery it is
	Type         string // what was done: an interaction or operation of FHIR, or Bundle.type of what was sent
	Outcome      string // see README.md
	ResourceType string // of the one resource that it is about
	ResourceID   string // one of this server's own
	Org          string // HPI-O
	Client       string // by its name in the registry
	RequestID    string // X-Request-ID
	Submission   string // the submission's id
	Trace        string // the trace's id, where it is traced
	Duration     time.Duration
	Error        string // for operators only
}

// What became of a request. Other outcomes are states of a submission.
const (
	Accepted = "accepted" // it is on the queue for good
	Answered = "answered"
	Refused  = "refused" // the caller has to change something, or to wait
	Failed   = "failed"  // the server could not
	Known    = "known"   // an earlier delivery has settled the submission

	Quarantined = "quarantined" // as the state
)

// Kind is what a request is for, as metrics and spans tell them apart.
type Kind string

// The kinds of requests.
const (
	Accept Kind = "accept" // what is sent to be settled
	Poll   Kind = "poll"   // how a submission stands
	Read   Kind = "read"   // of patient data
	Other  Kind = "other"
)

// RouteOf returns what a request to a route is for, and the type of its event, before more is known of it. What is no
// route of this product is "other".
func RouteOf(route string) (Kind, string) {
	if r, ok := routes[route]; ok {
		return r.kind, r.eventType
	}
	return Other, "other"
}

// routes are those of ingest and query, with the names that FHIR has for what they do (FHIR R4
// valueset-type-restful-interaction.html), and names of our own where it has none. HEAD is GET.
var routes = map[string]struct {
	kind      Kind
	eventType string
}{
	"POST /fhir":                  {Accept, "submit"},
	"POST /fhir/$process-message": {Accept, "process-message"},
	"POST /fhir/Bundle":           {Accept, "create"},
	"POST /fhir/{type}":           {Accept, "create"},
	"PUT /fhir/{type}":            {Accept, "update"},
	"PUT /fhir/{type}/{id}":       {Accept, "update"},
	"PATCH /fhir/{type}":          {Accept, "patch"},
	"PATCH /fhir/{type}/{id}":     {Accept, "patch"},
	"DELETE /fhir/{type}":         {Accept, "delete"},
	"DELETE /fhir/{type}/{id}":    {Accept, "delete"},
	"POST /fhir/$validate":        {Other, "validate"},

	"GET /openapi.yaml":                        {Other, "openapi"},
	"GET /fhir/metadata":                       {Other, "capabilities"},
	"GET /fhir/_status/{id}":                   {Poll, "status"},
	"DELETE /fhir/_status/{id}":                {Other, "cancel"},
	"GET /fhir/_history":                       {Read, "history-system"},
	"GET /fhir/{type}/{id}":                    {Read, "read"},
	"GET /fhir/{type}/{id}/_history":           {Read, "history-instance"},
	"GET /fhir/{type}/{id}/_history/{version}": {Read, "vread"},
	"GET /fhir/{type}":                         {Read, "search-type"},
	"POST /fhir/{type}/_search":                {Read, "search-type"},
	"GET /fhir/AuditEvent":                     {Read, "search-type"},
	"GET /fhir/AuditEvent/{id}":                {Read, "read"},
	"GET /fhir/Patient/{id}/$everything":       {Read, "everything"},
	"POST /fhir/Patient/{id}/$everything":      {Read, "everything"},

	"GET /fhir/ServiceRequest/{id}/$everything":  {Read, "everything"},
	"POST /fhir/ServiceRequest/{id}/$everything": {Read, "everything"},

	"GET /referrals":             {Read, "referrals"},
	"GET /referrals/{id}":        {Read, "referral"},
	"GET /referrals/{id}/bundle": {Read, "referral-bundle"},
}
