package processor_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// TestHostileLinksEnd: each of these once kept a worker for minutes. A regression shows as a test that does not end.
func TestHostileLinksEnd(t *testing.T) {
	repeat := func(s string, n int) string { return strings.TrimSuffix(strings.Repeat(s, n), ",") }
	requests := `{"fullUrl":"%s","resource":{"resourceType":"ServiceRequest","performer":[%s],"note":[%s]},"request":{"method":"POST","url":"ServiceRequest"}}`
	longURL := "https://a.example/" + strings.Repeat("a/", 1<<18) + "fhir/ServiceRequest/1"
	for name, test := range map[string]struct {
		body string
		want referral.State
	}{
		"a long fullUrl": {
			`{"resourceType":"Bundle","type":"transaction","entry":[` + fmt.Sprintf(requests, longURL, `{"display":"x"}`, repeat(`{"authorReference":{"reference":"Patient/1"}},`, 20_000)) + `]}`,
			referral.Completed,
		},
		"many performers": {
			`{"resourceType":"Bundle","type":"transaction","entry":[` + fmt.Sprintf(requests, "urn:uuid:1", repeat(`{"display":"x"},`, 6_000), `{"text":"x"}`) + `]}`,
			referral.Rejected,
		},
		"everything refers to everything": {
			`{"resourceType":"Bundle","type":"transaction","entry":[` +
				repeat(fmt.Sprintf(requests, "urn:uuid:1", `{"display":"x"}`, repeat(`{"authorReference":{"reference":"urn:uuid:1"}},`, 50))+",", 900) + `]}`,
			referral.Completed,
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			if state, err := f.Settle(t.Context(), f.message(referral.KeyRandom, name, test.body), 1); err != nil || state != test.want {
				t.Errorf("got %q, error %v; want %s", state, err, test.want)
			}
		})
	}
}

// TestReadersReachAttachments: what is addressed to the clinic comes with the summary attached to it.
func TestReadersReachAttachments(t *testing.T) {
	f := newFixture(t)
	m := f.message(referral.KeyRequest, "", referralBody(t, "patient-summary-referral"))
	if state, err := f.Settle(t.Context(), m, 1); err != nil || state != referral.Completed {
		t.Fatalf("got %q, error %v; want completed", state, err)
	}
	if diff := cmp.Diff([]string{recipient}, value[[]string](t, f, `select readers from resource where type = 'Binary'`)); diff != "" {
		t.Errorf("readers of the Binary (-want +got):\n%s", diff)
	}
}

// TestLinksOfADocumentAreRewritten: relative references and narrative links, which go by the entries' fullUrls.
func TestLinksOfADocumentAreRewritten(t *testing.T) {
	f := newFixture(t)
	m := f.message(referral.KeyIdentifier, "urn:x|1", referralBody(t, "discharge-document"))
	if state, err := f.Settle(t.Context(), m, 1); err != nil || state != referral.Completed {
		t.Fatalf("got %q, error %v; want completed", state, err)
	}
	dangling := value[[]string](t, f, `
		select coalesce(array_agg(link[1]), '{}') from resource r,
			regexp_matches(r.content, '(?:"reference":"|href=\\")((?:Patient|Practitioner|Procedure|Encounter|Condition)/[^"\\]+)', 'g') link
		where not exists (select from resource t where t.type || '/' || t.id = link[1])`)
	if len(dangling) > 0 {
		t.Errorf("links lead nowhere: %v", dangling)
	}
	if got := value[int64](t, f, `select count(*) from resource where content like '%href=\\"Procedure/%'`); got == 0 {
		t.Error("the document has no narrative link any more; the test tests nothing")
	}
}

func TestCopiesOfAMessageAreLinked(t *testing.T) {
	f := newFixture(t)
	m := f.message(referral.KeyIdentifier, "urn:x|1", referralBody(t, "referral-message"))
	if state, err := f.Settle(t.Context(), m, 1); err != nil || state != referral.Completed {
		t.Fatalf("got %q, error %v; want completed", state, err)
	}
	got := value[string](t, f, `select ('{' || content || '}')::json#>>'{focus,0,reference}' from resource where type = 'MessageHeader'`)
	if want := value[string](t, f, `select 'ServiceRequest/' || id from resource where type = 'ServiceRequest'`); got != want {
		t.Errorf("MessageHeader.focus is %s, want %s", got, want)
	}
}
