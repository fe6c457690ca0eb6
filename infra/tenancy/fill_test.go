package tenancy

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
)

// TestFill: who fills an order finds its Task and nothing besides, becomes the owner, and reads from then on what the Task
// reaches. The next one finds nothing, and is told that it comes too late.
func TestFill(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newStack(t, options{url: pgtest.New(t)}))
	for i, step := range []struct {
		name, asked string
		want        int
		seen        string
	}{
		{"C", "GET /fhir/Task?group-identifier=https://example.org/tenancy%7C{p.value}&_include=Task:focus", http.StatusOK, "p"},
		{"C", "GET /fhir/Task/{p.Task}", http.StatusNotFound, ""},
		{"C", "GET /fhir/ServiceRequest/{p.ServiceRequest}", http.StatusNotFound, ""},
		{"C", "GET /fhir/Task", http.StatusOK, "c"},
		{"C", "PATCH /fhir/Task/{p.Task} <takec>", http.StatusOK, "p"},
		{"C", "GET /fhir/Task/{p.Task}", http.StatusOK, "p"},
		{"C", "GET /fhir/Task/{p.Task}/_history/1", http.StatusNotFound, ""},
		{"C", "GET /fhir/ServiceRequest/{p.ServiceRequest}", http.StatusOK, "p"},
		{"C", "GET /fhir/Binary/{p.Binary}", http.StatusOK, "p"},
		{"C", "GET /fhir/Patient?_id={p.Patient}", http.StatusOK, "p"},
		{"C", "GET /fhir/Patient", http.StatusOK, "pc"},
		{"C", "PATCH /fhir/Task/{p.Task} <patch>", http.StatusOK, "p"},
		{"C", "PATCH /fhir/Patient/{p.Patient} <patch>", http.StatusNotFound, ""},
		{"B", "GET /fhir/Task?group-identifier=https://example.org/tenancy%7C{p.value}", http.StatusOK, ""},
		{"B", "PATCH /fhir/Task/{p.Task} <takeb>", http.StatusConflict, ""},
		{"B", "GET /fhir/ServiceRequest/{p.ServiceRequest}", http.StatusNotFound, ""},
		{"A", "GET /fhir/Task/{p.Task}", http.StatusOK, "p"},
		{"A", "GET /referrals", http.StatusOK, "sp"},
	} {
		a := w.do(t.Context(), step.name, row{asked: step.asked}.request(t, w))
		if got := seen(a.Body.String()); a.Code != step.want || got != step.seen {
			t.Fatalf("step %d, %s of %s: got %d and sees %q, want %d and %q: %s", i, step.asked, step.name, a.Code, got, step.want, step.seen, a.Body)
		}
	}
}

// TestClosedIsAsIfAbsent: what is not open, or not to who asks, is answered by the same bytes below the same headers as
// what is not there.
func TestClosedIsAsIfAbsent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newStack(t, options{url: pgtest.New(t)}))
	const group = "/fhir/Task?group-identifier=https://example.org/tenancy%7C{value}"
	about := func(id, value string) { w.values["id"], w.values["value"] = w.values[id], w.values[value] }
	w.values["none"] = "9999"
	w.make(t, "f")
	w.make(t, "g")
	for _, test := range []struct {
		name, letter string // s has an owner, p has none; f is asked of B, and g of no group
		asked        string
	}{
		{"C", "s", "GET " + group},
		{"C", "s", "GET " + group + "&_total=accurate&_include=Task:focus"},
		{"C", "s", "GET " + group + "&_summary=count"},
		{"C", "s", "PATCH /fhir/Task/{id} <takec>"},
		{"C", "s", `PATCH /fhir/Task/{id} If-Match: W/"2" <takec>`},
		{"C", "s", "PUT /fhir/Task/{id} <task>"},
		{"C", "s", "DELETE /fhir/Task/{id}"},
		{"C", "f", "GET " + group},
		{"C", "f", "GET " + group + "&_total=accurate&_include=Task:focus"},
		{"C", "f", "GET " + group + "&_summary=count"},
		{"C", "f", "PATCH /fhir/Task/{id} <takec>"},
		{"C", "f", `PATCH /fhir/Task/{id} If-Match: W/"2" <takec>`},
		{"B", "f", "GET " + group},
		{"B", "f", "PATCH /fhir/Task/{id} <takeb>"},
		{"C", "g", "GET " + group},
		{"C", "g", "PATCH /fhir/Task/{id} <takec>"},
		{"C", "g", `PATCH /fhir/Task/{id} If-Match: W/"2" <takec>`},
		{"tokenC", "p", "GET " + group},
		{"tokenC", "p", "GET " + group + "&_total=accurate"},
		{"tokenC", "p", "PATCH /fhir/Task/{id} <takec>"},
		{"tokenC", "p", "PUT /fhir/Task/{id} <task>"},
		{"C", "p", "GET /fhir/Task?group-identifier={value}&_total=accurate"},
		{"C", "p", "GET /fhir/Task?group-identifier=https://example.org/another%7C{value}&_total=accurate"},
		{"C", "p", "GET /fhir/Task/{id}"},
		{"C", "p", "GET /fhir/Task/{id}/_history"},
		{"C", "p", "GET /fhir/Task?_id={id}&_total=accurate"},
		{"C", "p", "PATCH /fhir/Task/{id} <takeb>"},
		{"C", "p", "PATCH /fhir/Task/{id} <patch>"},
		{"C", "p", "PATCH /fhir/Task?_id={id} <takec>"},
		{"C", "p", "PUT /fhir/Task/{id} <task>"},
		{"C", "p", `PUT /fhir/Task/{id} If-Match: W/"2" <task>`},
		{"C", "p", "DELETE /fhir/Task/{id}"},
	} {
		about("absent", "none")
		absent := w.told(w.do(t.Context(), test.name, row{asked: test.asked}.request(t, w)))
		about(test.letter+".Task", test.letter+".value")
		present := w.told(w.do(t.Context(), test.name, row{asked: test.asked}.request(t, w)))
		if diff := cmp.Diff(absent, present); diff != "" || !strings.Contains(absent, "\n") {
			t.Errorf("%s of %s about %s (-absent +closed):\n%s", test.asked, test.name, test.letter, diff)
		}
	}
	for _, letter := range []string{"s", "p", "f", "g"} {
		if w.changed(t, letter, "Task") {
			t.Errorf("the Task of %s has changed", letter)
		}
	}
}
