package answer

import (
	"net/http"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// reply is the answer to the request itself. A message that was rejected is answered as a message, too: that the
// exchange went well is HTTP's to say, and how the message fared is the response's (FHIR R4 messaging.html).
func (v *view) reply() (*fhirhttp.Reply, error) {
	a := v.whole()
	switch {
	case v.response != nil:
		return &fhirhttp.Reply{Status: http.StatusOK, Header: http.Header{}, Body: v.response}, nil
	case a.Status >= http.StatusBadRequest:
		r := &fhirhttp.Reply{Status: a.Status, Header: http.Header{}, Body: failed(a)}
		if a.Status == http.StatusMethodNotAllowed { // RFC 9110 §15.5.6
			r.Header.Set("Allow", v.allowed())
		}
		return r, nil
	case single(v.Submission):
		return v.singleReply(a), nil
	}
	b, err := v.entries(v.CanonicalID(v.Submission))
	if err != nil {
		return nil, err
	}
	body, err := encode(b)
	if err != nil {
		return nil, err
	}
	return &fhirhttp.Reply{Status: http.StatusOK, Header: http.Header{}, Body: body}, nil
}

// allowed are the methods that the request's address takes, of which an update of what is not there is none.
func (v *view) allowed() string {
	if single(v.Submission) {
		return http.MethodGet + ", " + http.MethodHead
	}
	return http.MethodPost
}

// singleReply is the answer to a write of one resource that succeeded (FHIR R4 http.html#create, #update, #patch and
// #delete). Its Location is there for an update, too: a conditional one does not know what it has updated.
func (v *view) singleReply(a referral.Answer) *fhirhttp.Reply {
	r := &fhirhttp.Reply{Status: a.Status, Header: http.Header{}}
	if a.Version != "" {
		r.Header.Set("ETag", etag(a.Version))
		r.Header.Set("Last-Modified", v.lastModified(a).UTC().Format(http.TimeFormat))
		if a.Status != http.StatusNoContent {
			r.Header.Set("Location", v.address(a.Version))
		}
	}
	version, ok := v.versions[a.Version]
	switch {
	case v.prefer == referral.ReturnOutcome:
		if r.Status == http.StatusNoContent {
			r.Status = http.StatusOK // FHIR R4 http.html#delete: 204 is for an answer without content
		}
		r.Body = told(a)
	case v.showsResource(a) && ok:
		r.Body = version.JSON()
	}
	return r
}
