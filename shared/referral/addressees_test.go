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
			got, err := referral.NewAddressees(bundle, bundle.Links(), nil).Of(0)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("addressees (-want +got):\n%s", diff)
			}
		})
	}
}

// TestAddresseesAreLimited: what is one too many does not count, so that the entries after it may still fit.
func TestAddresseesAreLimited(t *testing.T) {
	request := func(performers int) string {
		return `{"resource":{"resourceType":"ServiceRequest","performer":[` + strings.TrimSuffix(strings.Repeat(`{"display":"x"},`, performers), ",") + `]}}`
	}
	v, err := fhir.Parse([]byte(`{"resourceType":"Bundle","type":"batch","entry":[`+request(referral.MaxAddressees)+","+request(referral.MaxAddressees+1)+","+request(1)+`]}`), "Bundle", fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	bundle := fhir.AsBundle(v)
	addressees := referral.NewAddressees(bundle, bundle.Links(), nil)
	for i, want := range []bool{true, false, true} {
		if _, err := addressees.Of(i); (err == nil) != want {
			t.Errorf("entry %d: got error %v, want acceptance: %v", i, err, want)
		}
	}
}
