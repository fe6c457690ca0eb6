package bundle

import (
	"net/http"
	"strings"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/element"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// referral checks a Bundle that carries a new ServiceRequest: whom it is about, what it is part of and when it was
// made. These rules are this server's, so that no referral is lost or reaches the wrong patient's record.
func (w *walk) referral(b fhir.Bundle, document *element.Document) {
	r := referral{walk: w, kind: b.Type, matched: map[*fhir.Value]bool{}}
	for i, entry := range b.Entries {
		if IsNewRequest(b.Type, entry) {
			r.requests = append(r.requests, i)
		}
		request := entry.Get("request")
		if request.Get("ifNoneExist") != nil || strings.Contains(request.Get("url").Text(), "?") {
			r.matched[entry.Resource] = true
		}
	}
	if len(r.requests) == 0 {
		return
	}
	w.down("entry")
	defer w.up()
	r.statuses(b)
	for i, entry := range b.Entries {
		if entry.Resource == nil {
			continue
		}
		w.item(i)
		w.down("resource")
		r.entry, r.scope = i, document.Entry(i)
		r.resource(entry.Resource)
		w.up()
		w.up()
	}
	if b.Type != "batch" {
		r.onePatient()
	}
}

// referral is what is learnt of one.
type referral struct {
	*walk
	kind     string               // Bundle.type
	matched  map[*fhir.Value]bool // resources that search criteria may have on the server already
	requests []int                // the entries with a new ServiceRequest
	subjects []subject
	group    *fhir.Value // the first group identifier

	entry     int // the current one
	inside    int // what it contains that is current, or -1
	scope     element.Scope
	contained map[string]*fhir.Value // what the entry's resource contains, by id
}

// IsNewRequest tells whether entry, of a Bundle of the type kind, carries a ServiceRequest that is not an update of
// another. A Bundle that has one is a referral.
func IsNewRequest(kind string, entry fhir.Entry) bool {
	return entry.Resource.ResourceType() == "ServiceRequest" && IsNew(kind, entry)
}

// IsNew tells whether what entry carries, in a Bundle of the type kind, is stored as a resource of its own.
func IsNew(kind string, entry fhir.Entry) bool {
	switch kind {
	case "transaction", "batch":
		return entry.Value.At("request", "method").Text() == http.MethodPost
	case "document", "message", "collection":
		return true
	default:
		return false
	}
}

// statuses holds that a new referral asks for something. A message may also take back, hold or end an earlier one,
// and a document tell of one.
func (r *referral) statuses(b fhir.Bundle) {
	active := false
	for _, i := range r.requests {
		active = active || b.Entries[i].Resource.Get("status").Text() == "active"
	}
	for _, i := range r.requests {
		r.item(i)
		r.at(func() { r.status(b.Entries[i].Resource.Get("status").Text(), active) }, "resource")
		r.up()
	}
}

func (r *referral) status(status string, anotherIsActive bool) {
	rule := own("referral-status")
	const notActive = "A new referral has the status active: nobody acts on one that is "
	switch r.kind {
	case "transaction", "batch":
		switch status {
		case "draft", "revoked", "entered-in-error":
			r.fail(rule, fhir.CodeBusinessRule, "status", notActive+status)
		case "on-hold", "completed", "unknown":
			r.warn(rule, fhir.CodeBusinessRule, "status", notActive+status)
		}
	case "message":
		if status == "draft" {
			r.fail(rule, fhir.CodeBusinessRule, "status", notActive+status)
		}
	default:
		if !anotherIsActive && status != "" {
			r.warn(rule, fhir.CodeBusinessRule, "status", "No ServiceRequest of this Bundle is active: it asks nothing of anybody")
		}
	}
}

// resource learns from and checks one resource of the referral, and what it contains.
func (r *referral) resource(v *fhir.Value) {
	r.contained, r.inside = containedBy(v, func(int) {}), -1
	r.alone(v)
	items := v.Get("contained").Items()
	r.down("contained")
	for i := range items {
		r.item(i)
		r.inside = i
		r.alone(&items[i])
		r.up()
	}
	r.up()
}

// alone learns from and checks a resource without what it contains.
func (r *referral) alone(v *fhir.Value) {
	resourceType := v.ResourceType()
	switch resourceType {
	case "Patient":
		r.notFuture(v, "birthDate", 14*time.Hour) // tomorrow's date is today's in the east
	case "ServiceRequest":
		r.notFuture(v, "authoredOn", 24*time.Hour)
		r.groupNumber(v, "requisition")
		r.ours(v, "subject", "requester")
		r.named(v)
	case "Task":
		r.groupNumber(v, "groupIdentifier")
		r.ours(v, "for", "requester", "focus")
	case "CommunicationRequest":
		r.groupNumber(v, "groupIdentifier")
		r.ours(v, "subject", "requester")
	}
	if !fhir.IsName(resourceType) {
		return
	}
	items := v.Items()
	for i := range items {
		switch items[i].Name() {
		case "subject", "patient", "beneficiary", "for":
			r.subject(resourceType, &items[i])
		}
	}
}

// named holds that a ServiceRequest's patient can be found by more than a name.
func (r *referral) named(v *fhir.Value) {
	subject := v.Get("subject")
	if subject.Kind() == fhir.Object && subject.Get("reference") == nil && subject.Get("identifier") == nil {
		r.warn(own("referral-patient"), fhir.CodeBusinessRule, "subject",
			"The patient is named in words only: no system can tell whom this referral is for")
	}
}

// ours holds that what settling has to follow is an entry, on this server or known by its identifier.
func (r *referral) ours(v *fhir.Value, names ...string) {
	for _, name := range names {
		text := v.At(name, "reference").Text()
		if kindOf(text) != absolute {
			continue
		}
		if target, _ := r.scope.Resolve(text); target != nil {
			continue
		}
		switch scheme := schemeOf(text); {
		case scheme != "http" && scheme != "https":
		case r.Base == "":
			continue
		default:
			if rest, found := strings.CutPrefix(text, r.Base+"/"); found && kindOf(rest) == relative {
				continue
			}
		}
		r.at(func() {
			r.fail(own("own-server"), fhir.CodeValue, "reference",
				"Whom and what a referral is about is an entry of the Bundle or on this server; no other server is asked")
		}, name)
	}
}

// groupNumber holds that all requests of a Bundle have one Placer Group Number (AU eRequesting general guidance).
func (r *referral) groupNumber(v *fhir.Value, name string) {
	number := v.Get(name)
	if number.Get("value") == nil {
		return
	}
	if r.group == nil {
		r.group = number
		return
	}
	if number.Get("value").Text() != r.group.Get("value").Text() || number.Get("system").Text() != r.group.Get("system").Text() {
		r.warn(own("placer-group-number"), fhir.CodeBusinessRule, name,
			"The Placer Group Number is not that of the other requests in this Bundle; whoever fills them will not find them as one group")
	}
}

// notFuture holds that a date or dateTime has come, give or take what clocks and time zones differ.
func (r *referral) notFuture(v *fhir.Value, name string, tolerance time.Duration) {
	if r.Now.IsZero() {
		return
	}
	text := v.Get(name).Text()
	for _, layout := range []string{time.RFC3339, "2006-01-02", "2006-01", "2006"} {
		if t, err := time.Parse(layout, text); err == nil {
			if t.After(r.Now.Add(tolerance)) {
				r.fail(own("future-date"), fhir.CodeBusinessRule, name, name+" is in the future")
			}
			return
		}
	}
}
