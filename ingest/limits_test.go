package ingest_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// answered is the status and body that a request gets.
func answered(t *testing.T, r *http.Request) (int, string) {
	t.Helper()
	c, w := newConfig(t, &outbox{}), httptest.NewRecorder()
	c.MaxEntries, c.MaxBody = 1000, 4<<20
	newHandler(c).ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// TestSearchCriteriaAreBounded: a Bundle that asks for more than the processor looks for is refused at once, however the
// criteria are spread; what stands there twice is looked for once.
func TestSearchCriteriaAreBounded(t *testing.T) {
	bundle := func(kind string, entries ...string) string {
		return `{"resourceType":"Bundle","type":"` + kind + `","entry":[` + strings.Join(entries, ",") + `]}`
	}
	criteria := func(n int) string { return "identifier=x" + strings.Repeat(",x", n-1) }
	create := func(n int) string {
		return `{"resource":{"resourceType":"Patient","active":true},"request":{"method":"POST","url":"Patient","ifNoneExist":"` + criteria(n) + `"}}`
	}
	search := `{"request":{"method":"GET","url":"Patient?` + criteria(1) + `"}}`
	references := func(n, different int) string {
		all := make([]string, n)
		for i := range all {
			all[i] = fmt.Sprintf(`{"reference":"Patient?identifier=x%d"}`, i%different)
		}
		return `{"resource":{"resourceType":"Observation","status":"final","code":{"text":"x"},"focus":[` + strings.Join(all, ",") + `]},"request":{"method":"POST","url":"Observation"}}`
	}
	hundred := make([]string, 100)
	for i := range hundred {
		hundred[i] = create(100)
	}
	for name, test := range map[string]struct {
		body string
		want int
	}{
		"as many as may be":       {bundle("transaction", hundred...), 202},
		"a search more":           {bundle("transaction", append([]string{search}, hundred...)...), 422},
		"a search more, batch":    {bundle("batch", append([]string{search}, hundred...)...), 422},
		"references":              {bundle("transaction", references(10_000, 10_000)), 202},
		"a reference more":        {bundle("transaction", references(10_001, 10_001)), 422},
		"the same ones often":     {bundle("transaction", references(20_000, 5)), 202},
		"references and a search": {bundle("transaction", references(10_000, 10_000), search), 422},
	} {
		if status, body := answered(t, post(t, test.body)); status != test.want || status == 422 && !strings.Contains(body, `"criteria-limit"`) {
			t.Errorf("%s: got %d %.300s, want %d", name, status, body, test.want)
		}
	}
}

// TestTooManyPerformers refuse a transaction, and of a batch fail the entry when it settles.
func TestTooManyPerformers(t *testing.T) {
	entry := func(performers int) string {
		return `{"resource":{"resourceType":"ServiceRequest","status":"active","intent":"order","subject":{"display":"x"},"performer":[` +
			strings.TrimSuffix(strings.Repeat(`{"display":"x"},`, performers), ",") + `]},"request":{"method":"POST","url":"ServiceRequest"}}`
	}
	for kind, want := range map[string]int{"transaction": 422, "batch": 202} {
		body := `{"resourceType":"Bundle","type":"` + kind + `","entry":[` + entry(1) + `,` + entry(referral.MaxAddressees+1) + `]}`
		status, answer := answered(t, post(t, body))
		if status != want || !strings.Contains(answer, `"Bundle.entry[1].resource"`) {
			t.Errorf("%s: got %d %s, want %d and a word about the second entry", kind, status, answer, want)
		}
	}
}

// TestPatchWithAConditionalReference is refused: only what is sent whole, in a transaction, has them resolved.
func TestPatchWithAConditionalReference(t *testing.T) {
	const reference = `"Patient?identifier=urn:x|1"`
	for name, test := range map[string]struct {
		changes string
		want    int
	}{
		"the reference itself": {`[{"op":"replace","path":"/subject/reference","value":` + reference + `}]`, 422},
		"what holds it":        {`[{"op":"add","path":"/subject","value":{"reference":` + reference + `}}]`, 422},
		"in an array":          {`[{"op":"add","path":"/focus","value":[{"reference":` + reference + `}]}]`, 422},
		"another text":         {`[{"op":"add","path":"/code/text","value":` + reference + `}]`, 202},
		"another reference":    {`[{"op":"add","path":"/subject","value":{"reference":"Patient/1"}}]`, 202},
	} {
		status, body := answered(t, request(t, "PATCH", "/fhir/Observation/"+knownID, test.changes))
		if status != test.want {
			t.Errorf("%s: got %d %s, want %d", name, status, body, test.want)
		}
		binary := `{"resourceType":"Binary","contentType":"application/json-patch+json","data":"` + base64.StdEncoding.EncodeToString([]byte(test.changes)) + `"}`
		bundle := `{"resourceType":"Bundle","type":"transaction","entry":[{"resource":` + binary + `,"request":{"method":"PATCH","url":"Observation/` + knownID + `"}}]}`
		if status, body := answered(t, post(t, bundle)); status != test.want {
			t.Errorf("%s, in a transaction: got %d %s, want %d", name, status, body, test.want)
		}
	}
}
