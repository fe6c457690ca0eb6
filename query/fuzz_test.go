package query

import (
	"bytes"
	"errors"
	"net/url"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// FuzzParseQuery holds that a search is refused with a 4xx or bounded, and that what was understood of it is understood
// again, as the same.
func FuzzParseQuery(f *testing.F) {
	for _, seed := range []string{
		"identifier=a%7Cb", "_count=1000000000", "_count=-1", "_include=*", "_include:iterate=ServiceRequest:patient", "_revinclude=Task:focus",
		"_has:Task:focus:status=requested", "patient.name:exact=x", "_sort=-authored,_id", "_total=accurate", "_id=x&_page=zqx", "_filter=x", "a=%", "authored=ge0000",
	} {
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, text string, lenient bool) {
		values, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		q, err := parseQuery("ServiceRequest", "https://referrals.example/fhir/", values, lenient)
		if err != nil {
			if e, ok := errors.AsType[*fhir.Error](err); !ok || fhirhttp.Status(e)/100 != 4 {
				t.Errorf("got %v, want an *fhir.Error with a status of 4xx", err)
			}
			return
		}
		if q.count < 0 || q.count > maxCount || len(q.criteria)+len(q.chains) > maxCriteria {
			t.Errorf("%q: got %d results and %d criteria", text, q.count, len(q.criteria)+len(q.chains))
		}
		again, err := parseQuery("ServiceRequest", "https://referrals.example/fhir/", q.understood, false)
		if err != nil || again.understood.Encode() != q.understood.Encode() {
			t.Errorf("%q is understood as %q, and that as %q, error %v", text, q.understood.Encode(), again.understood.Encode(), err)
		}
	})
}

// FuzzPlace holds that no text is a page token but one that was made for the caller and the search.
func FuzzPlace(f *testing.F) {
	keys, err := referral.NewKeys(bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32))
	if err != nil {
		f.Fatal(err)
	}
	s := &Server{Config: Config{Keys: keys}}
	made := s.pageToken("a", query{resourceType: "Task"}, place{1, 2})
	for _, seed := range []string{made, made[1:], made + "A", made + "=", "zqx", made[:3] + "\n" + made[3:]} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		p, err := s.place("a", query{resourceType: "Task", page: token})
		if token != "" && (err == nil) != (token == made) || err == nil && token != "" && p != (place{1, 2}) {
			t.Errorf("%q: got %v, error %v", token, p, err)
		}
		if _, err := s.place("b", query{resourceType: "Task", page: token}); err == nil && token != "" {
			t.Errorf("%q is a token of another caller", token)
		}
	})
}
