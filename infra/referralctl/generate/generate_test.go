package generate_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/generate"
	"github.com/ausbizconsulting/referral-fhir-server/schemas"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
)

// validator is shared, since reading schemas takes most of a test's time.
var validator = schemas.New(schemas.Config{})

// parse returns b as a Bundle that saw the gate.
func parse(t testing.TB, b []byte) fhir.Bundle {
	t.Helper()
	v, err := fhir.Parse(b, "Bundle", fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return fhir.AsBundle(v)
}

// variety calls check with referrals of every specialty, of sizes from the least to the most.
func variety(t *testing.T, check func(t *testing.T, o generate.Options, b []byte)) {
	g := generate.New(7)
	for _, name := range generate.Specialties() {
		t.Run(name, func(t *testing.T) {
			for entries := generate.MinEntries; entries <= 24; entries++ {
				for _, size := range []int{0, 1_000} {
					o := generate.Options{Entries: entries, AttachmentBytes: size, Specialty: name}
					check(t, o, g.Bundle(o))
				}
			}
		})
	}
}

func TestBundlesAreValid(t *testing.T) {
	if got, least := len(generate.Specialties()), 8; got < least {
		t.Errorf("got %d specialties, want at least %d", got, least)
	}
	variety(t, func(t *testing.T, o generate.Options, b []byte) {
		bundle := parse(t, b)
		if got := len(bundle.Entries); got != o.Entries {
			t.Errorf("%+v: got %d entries", o, got)
		}
		for _, issue := range faults(bundle) {
			t.Errorf("%+v: %s %s: %s", o, issue.Code, issue.Expression, issue.Details)
		}
		if bytes.ContainsRune(b, '\n') {
			t.Errorf("%+v: the Bundle is on several lines", o)
		}
	})
}

// faults are the errors and warnings about a Bundle, but for the one that a resource should have a narrative: systems
// that make referrals out of their records have none.
func faults(bundle fhir.Bundle) []fhir.Issue {
	return slices.DeleteFunc(validator.Check(bundle.Value, "Bundle"), func(i fhir.Issue) bool {
		return i.Severity == fhir.SeverityInformation || i.Rule == "dom-6"
	})
}

var uuid = regexp.MustCompile(`^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// TestReferencesResolve: each link leads to an entry, and each entry but the Task, which begins the work, is reached.
func TestReferencesResolve(t *testing.T) {
	variety(t, func(t *testing.T, o generate.Options, b []byte) {
		bundle := parse(t, b)
		reached := map[string]bool{}
		for i, entry := range bundle.Entries {
			if _, seen := reached[entry.FullURL]; seen || !uuid.MatchString(entry.FullURL) {
				t.Errorf("%+v: %s is no new urn:uuid of version 4", o, bundle.Expression(i, "fullUrl"))
			}
			reached[entry.FullURL] = false
		}
		for i, entry := range bundle.Entries {
			entry.Resource.Walk(bundle.Expression(i, "resource"), func(name, path string, s *fhir.Value) {
				if name != "reference" {
					return
				}
				if _, known := reached[s.Text()]; !known {
					t.Errorf("%+v: %s leads nowhere", o, path)
				}
				reached[s.Text()] = true
			})
		}
		for i, entry := range bundle.Entries {
			if kind := entry.Resource.ResourceType(); !reached[entry.FullURL] && kind != "Task" && kind != "ServiceRequest" {
				t.Errorf("%+v: nothing refers to the %s in %s", o, kind, bundle.Expression(i))
			}
		}
	})
}

func TestSameSeedMakesSameBundles(t *testing.T) {
	bundles := func(seed uint64) (all []string) {
		g := generate.New(seed)
		for _, size := range []int{0, 2_000, 50_000} {
			all = append(all, string(g.Bundle(generate.Options{AttachmentBytes: size})))
		}
		return all
	}
	first, again, other := bundles(1), bundles(1), bundles(2)
	for i := range first {
		if first[i] != again[i] {
			t.Errorf("Bundle %d: the same seed makes another one", i)
		}
		if first[i] == other[i] {
			t.Errorf("Bundle %d: another seed makes the same one", i)
		}
	}
	g := generate.New(1)
	if a, b := g.Bundle(generate.Options{}), g.Bundle(generate.Options{}); bytes.Equal(a, b) {
		t.Error("a Generator makes the same Bundle twice")
	}
}

// TestOrganisationsAreTheDevelopmentClients: what dev-sender sends by default is its own and addressed to dev-recipient.
func TestOrganisationsAreTheDevelopmentClients(t *testing.T) {
	for client, want := range map[string]string{"dev-sender": generate.DevSender, "dev-recipient": generate.DevRecipient} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("X-Api-Key", client)
		p, err := principal.Development().Authenticate(r)
		if err != nil || p.Org != want {
			t.Errorf("%s: got %s, %v, want %s", client, p.Org, err, want)
		}
		if !strings.Contains(string(generate.New(1).Bundle(generate.Options{})), `"value":"`+want+`"`) {
			t.Errorf("the HPI-O of %s is not in the Bundle", client)
		}
	}
	const other = "8003629900040359"
	b := string(generate.New(1).Bundle(generate.Options{Sender: other, Recipient: generate.DevSender}))
	if !strings.Contains(b, other) || strings.Contains(b, generate.DevRecipient) {
		t.Error("the options Sender and Recipient do not count")
	}
}

func TestOptionsAreValidated(t *testing.T) {
	for name, o := range map[string]generate.Options{
		"few entries":     {Entries: generate.MinEntries - 1},
		"many entries":    {Entries: generate.MaxEntries + 1},
		"negative size":   {AttachmentBytes: -1},
		"large size":      {AttachmentBytes: generate.MaxAttachment + 1},
		"other specialty": {Specialty: "astrology"},
		"check digit":     {Sender: "8003621566684456"},
		"IHI as HPI-O":    {Recipient: "8003608833357361"},
		"short HPI-O":     {Recipient: "800362156668445"},
	} {
		if o.Validate() == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := (generate.Options{}).Validate(); err != nil {
		t.Errorf("zero value: %v", err)
	}
}

func BenchmarkBundle(b *testing.B) {
	for name, o := range map[string]generate.Options{
		"5 entries": {Entries: 5}, "15 entries": {}, "200 entries": {Entries: 200}, "3 MB": {AttachmentBytes: 3_000_000},
	} {
		b.Run(name, func(b *testing.B) {
			g := generate.New(1)
			for b.Loop() {
				b.SetBytes(int64(len(g.Bundle(o))))
			}
		})
	}
}
