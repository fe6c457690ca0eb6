package referral_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

func TestAddressees(t *testing.T) {
	const (
		system = `"system":"http://ns.electronichealth.net.au/id/hi/hpio/1.0"`
		valid  = "8003624900041689"
		org    = `{"fullUrl":"urn:uuid:org","resource":{"resourceType":"Organization","identifier":[{"system":"urn:x","value":"1"},{` + system + `,"value":"` + valid + `"}]}}`
	)
	request := func(performer string) string {
		return `{"resource":{"resourceType":"ServiceRequest","performer":[` + performer + `]}}`
	}
	for _, test := range []struct {
		name    string
		entries string
		want    []string // of the first entry
	}{
		{"by reference", request(`{"reference":"urn:uuid:org"}`) + "," + org, []string{valid}},
		{"by identifier", request(`{"identifier":{` + system + `,"value":"` + valid + `"}}`), []string{valid}},
		{"twice", request(`{"reference":"urn:uuid:org"},{"identifier":{`+system+`,"value":"`+valid+`"}}`) + "," + org, []string{valid}},
		{"a Task's owner", `{"resource":{"resourceType":"Task","owner":{"reference":"urn:uuid:org"}}},` + org, []string{valid}},
		{
			"by a role", request(`{"reference":"urn:uuid:role"}`) + `,{"fullUrl":"urn:uuid:role","resource":{"resourceType":"PractitionerRole","organization":{"reference":"urn:uuid:org"}}},` + org,
			[]string{valid},
		},
		{
			"by a service", request(`{"reference":"urn:uuid:s"}`) + `,{"fullUrl":"urn:uuid:s","resource":{"resourceType":"HealthcareService","providedBy":{"reference":"urn:uuid:org"}}},` + org,
			[]string{valid},
		},
		{
			"contained", `{"resource":{"resourceType":"ServiceRequest","contained":[{"resourceType":"Organization","id":"o","identifier":[{` + system + `,"value":"` + valid + `"}]}],"performer":[{"reference":"#o"}]}}`,
			[]string{valid},
		},
		{"wrong check digit", request(`{"identifier":{` + system + `,"value":"8003624900041680"}}`), nil},
		{"an HPI-I", request(`{"identifier":{` + system + `,"value":"8003619900015717"}}`), nil},
		{"another system", request(`{"identifier":{"system":"urn:x","value":"` + valid + `"}}`), nil},
		{"nowhere", request(`{"reference":"urn:uuid:none"},{"reference":"#none"},{"display":"Dr Example"}`), nil},
		{
			"roles in a circle", request(`{"reference":"urn:uuid:a"}`) + `,{"fullUrl":"urn:uuid:a","resource":{"resourceType":"PractitionerRole","organization":{"reference":"urn:uuid:a"}}}`,
			nil,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			v, err := fhir.Parse([]byte(`{"resourceType":"Bundle","type":"collection","entry":[`+test.entries+`]}`), "Bundle", fhir.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			bundle := fhir.AsBundle(v)
			got, err := referral.Addressees(bundle, bundle.Links(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got[0]); diff != "" {
				t.Errorf("addressees (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAddresseesAreLimited(t *testing.T) {
	for name, test := range map[string]struct {
		performers, requests int
		want                 bool
	}{
		"as many as may be":         {referral.MaxAddressees, 1, true},
		"one request, one too many": {referral.MaxAddressees + 1, 1, false},
		"the same ones often":       {referral.MaxAddressees, 20, true},
	} {
		performers := strings.TrimSuffix(strings.Repeat(`{"display":"x"},`, test.performers), ",")
		entry := `{"resource":{"resourceType":"ServiceRequest","performer":[` + performers + `]}},`
		v, err := fhir.Parse([]byte(`{"resourceType":"Bundle","type":"collection","entry":[`+strings.TrimSuffix(strings.Repeat(entry, test.requests), ",")+`]}`), "Bundle", fhir.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		bundle := fhir.AsBundle(v)
		if _, err := referral.Addressees(bundle, bundle.Links(), nil); (err == nil) != test.want {
			t.Errorf("%s: got error %v, want acceptance: %v", name, err, test.want)
		}
	}
}
