package tenancy

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
)

// TestAnothersIsAsIfAbsent: whatever A asks about C's things is answered by the same bytes below the same headers as when
// there are no such things.
func TestAnothersIsAsIfAbsent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newStack(t, options{url: pgtest.New(t)}))
	about := func(id, submission, value string) {
		w.values["id"], w.values["submission"], w.values["value"] = w.values[id], w.values[submission], w.values[value]
	}
	w.values["none"] = "9999"
	about("c.Patient", "c", "c.value")
	w.do(t.Context(), "A", row{asked: "POST /fhir/Basic <refers>"}.request(t, w)) // for chains, if A may refer to it at all
	for _, asked := range []string{
		"GET /fhir/Patient/{id}",
		`GET /fhir/Patient/{id} If-None-Match: W/"1"`,
		"GET /fhir/Patient/{id}/_history",
		"GET /fhir/Patient/{id}/_history?_since=2026-01-01",
		"GET /fhir/Patient/{id}/_history/1",
		"GET /fhir/Patient/{id}/_history/2",
		"GET /fhir/Patient?_id={id}",
		"GET /fhir/Patient?_id={id}&_total=accurate",
		"GET /fhir/Patient?identifier=https://example.org/tenancy%7C{value}",
		"GET /fhir/Patient?identifier={value}",
		"GET /fhir/ServiceRequest?patient={id}",
		"GET /fhir/ServiceRequest?patient=Patient/{id}&_include=ServiceRequest:subject",
		"GET /fhir/Basic?patient.identifier=https://example.org/tenancy%7C{value}",
		"GET /fhir/Basic?subject:Patient.identifier={value}&_include=Basic:subject",
		"GET /fhir/Patient?_has:ServiceRequest:patient:identifier={value}",
		"GET /referrals/{submission}",
		"GET /referrals/{submission}/bundle",
		"GET /fhir/_status/{submission}",
		"GET /fhir/_status/{submission} Prefer: wait=1",
		"DELETE /fhir/_status/{submission}",
		"PUT /fhir/Patient/{id} <patient>",
		`PUT /fhir/Patient/{id} If-Match: W/"1" <patient>`,
		`PUT /fhir/Patient/{id} If-Match: W/"2" <patient>`,
		"PUT /fhir/Patient/{id} If-None-Match: * <patient>",
		"PATCH /fhir/Patient/{id} <patch>",
		`PATCH /fhir/Patient/{id} If-Match: W/"2" <patch>`,
		"PATCH /fhir/Patient?identifier=https://example.org/tenancy%7C{value} <patch>",
		"DELETE /fhir/Patient/{id}",
		`DELETE /fhir/Patient/{id} If-Match: W/"2"`,
		"DELETE /fhir/Patient?identifier=https://example.org/tenancy%7C{value}",
		"POST /fhir/Patient If-None-Exist: identifier=https://example.org/tenancy%7C{value} <patient>",
		"PUT /fhir/Patient?identifier=https://example.org/tenancy%7C{value} <patient>",
		"POST /fhir/Basic <refers>",
		"POST /fhir <batch>",
	} {
		about("absent", "invented", "none")
		absent := w.told(w.do(t.Context(), "A", row{asked: asked}.request(t, w)))
		about("c.Patient", "c", "c.value")
		present := w.told(w.do(t.Context(), "A", row{asked: asked}.request(t, w)))
		if diff := cmp.Diff(absent, present); diff != "" {
			t.Errorf("%s (-absent +another's):\n%s", asked, diff)
		}
	}
	if w.changed(t, "c", "Patient") {
		t.Error("C's Patient has changed")
	}
}

// TestOrganisationsDoNotMeet: what names something within one organisation names another thing in another.
func TestOrganisationsDoNotMeet(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newStack(t, options{url: pgtest.New(t)}))
	const update = "PUT /fhir/Patient?identifier=https://example.org/tenancy%7Cmeet <meet>"
	for _, asked := range []string{
		"POST /fhir/Patient Idempotency-Key: meet <patient>",
		"POST /fhir Idempotency-Key: meet-too <transaction>",
		"POST /fhir <transaction>",
		"POST /fhir/Bundle <identified>",
		"POST /fhir/$process-message <message>",
		"POST /fhir/Patient If-None-Exist: identifier=https://example.org/tenancy%7Cmeet <meet>",
		update, update,
	} {
		q := row{asked: asked}.request(t, w)
		a, c := w.do(t.Context(), "A", q), w.do(t.Context(), "C", q)
		if a.Code >= http.StatusBadRequest {
			t.Errorf("%s: got %d %s", asked, a.Code, a.Body)
		}
		ids := idPattern.FindAllString(fmt.Sprint(a.Header(), a.Body), -1)
		for _, id := range idPattern.FindAllString(fmt.Sprint(c.Header(), c.Body), -1) {
			if slices.Contains(ids, id) {
				t.Errorf("%s: A and C are told of the same %s", asked, id)
			}
		}
		if diff := cmp.Diff(w.told(a), w.told(c)); diff != "" {
			t.Errorf("%s (-to A, who came first, +to C):\n%s", asked, diff)
		}
	}
	w.do(t.Context(), "A", row{asked: "POST /fhir/Patient Idempotency-Key: other <patient>"}.request(t, w))
	if c := w.do(t.Context(), "C", row{asked: "POST /fhir/Task Idempotency-Key: other <task>"}.request(t, w)); c.Code != http.StatusCreated {
		t.Errorf("another request under the same key: got %d %s, want 201", c.Code, c.Body)
	}
}

// TestTotalsCountWhatIsSeen: a reader's history begins with the version that was shared, and lists count what is theirs.
func TestTotalsCountWhatIsSeen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newStack(t, options{url: pgtest.New(t)}))
	for _, asked := range []string{"PUT /fhir/Patient/{p.Patient} <patient>", "POST /fhir <shares>"} {
		if a := w.do(t.Context(), "A", row{asked: asked}.request(t, w)); a.Code != http.StatusOK {
			t.Fatalf("%s: got %d %s", asked, a.Code, a.Body)
		}
	}
	for _, test := range []struct{ name, asked, want string }{
		{"A", "GET /fhir/Patient/{p.Patient}/_history", `"total":2`},
		{"B", "GET /fhir/Patient/{p.Patient}/_history", `"total":1`},
		{"B", "GET /fhir/Patient/{p.Patient}/_history/2", `"versionId":"2"`},
		{"B", "GET /fhir/Patient/{p.Patient}/_history/1", `"not-found"`},
		{"C", "GET /fhir/Patient/{p.Patient}/_history", `"not-found"`},
		{"A", "GET /referrals", `"total":4,`},
		{"B", "GET /referrals", `"total":2,`},
		{"C", "GET /referrals", `"total":1,`},
		{"C", "GET /referrals?to=" + orgB, `"total":0,`},
		{"C", "GET /referrals?from=" + orgA, `"total":0,`},
		{"B", "GET /referrals?to=" + orgC, `"total":0,`},
	} {
		if a := w.do(t.Context(), test.name, row{asked: test.asked}.request(t, w)); !strings.Contains(a.Body.String(), test.want) {
			t.Errorf("%s as %s: got %d %s, want %s", test.asked, test.name, a.Code, a.Body, test.want)
		}
	}
}

// TestPagesAreTheCallers: the link to another caller's page is worth as much as an invented one.
func TestPagesAreTheCallers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newStack(t, options{url: pgtest.New(t)}))
	w.do(t.Context(), "A", row{asked: "PATCH /fhir/Patient/{s.Patient} <patch>"}.request(t, w))
	w.make(t, "s")
	w.make(t, "c")
	w.do(t.Context(), "A", row{asked: "PATCH /fhir/Patient/{s.Patient} <patch>"}.request(t, w))
	for _, asked := range []string{
		"GET /fhir/Patient?_count=1", "GET /fhir/Patient?identifier=https://example.org/tenancy%7Cshared&_count=1",
		"GET /fhir/Patient/{s.Patient}/_history?_count=1", "GET /referrals?_count=1",
	} {
		a := w.do(t.Context(), "A", row{asked: asked}.request(t, w))
		link := pagePattern.FindString(a.Body.String())
		if link == "" {
			t.Fatalf("%s: got no link to a further page: %s", asked, a.Body)
		}
		u, err := url.Parse(link)
		if err != nil {
			t.Fatal(err)
		}
		own := u.RequestURI()
		invented := own[:len(own)-8] + strings.Repeat("A", 8)
		if a := w.do(t.Context(), "A", request{method: http.MethodGet, target: own}); a.Code != http.StatusOK {
			t.Errorf("%s: got %d, want 200", own, a.Code)
		}
		for _, name := range []string{"B", "C"} {
			got, want := w.do(t.Context(), name, request{method: http.MethodGet, target: own}), w.do(t.Context(), name, request{method: http.MethodGet, target: invented})
			if diff := cmp.Diff(w.told(want), w.told(got)); diff != "" || got.Code != http.StatusBadRequest {
				t.Errorf("%s as %s: got %d, want 400 (-invented +another's):\n%s", own, name, got.Code, diff)
			}
		}
	}
}

var (
	pagePattern    = regexp.MustCompile(`https://[^"]*[?&]_page=[^"]*`)
	idPattern      = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}|\bae[a-z2-7]{50,60}\b`) // of resources and submissions
	instantPattern = regexp.MustCompile(`20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)
	datePattern    = regexp.MustCompile(`[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT`)
)

// told is an answer as text, without what has to differ: ids, the value that was asked for, and time.
func (w *world) told(a *httptest.ResponseRecorder) string {
	lines := []string{fmt.Sprint(a.Code)}
	for _, name := range slices.Sorted(maps.Keys(a.Header())) {
		lines = append(lines, name+": "+strings.Join(a.Header()[name], ", "))
	}
	text := strings.Join(append(lines, a.Body.String()), "\n")
	if value := w.values["value"]; value != "" {
		text = strings.NewReplacer("="+value, "=(value)", "%7C"+value, "%7C(value)").Replace(text)
	}
	for _, p := range []*regexp.Regexp{idPattern, instantPattern, datePattern} {
		text = p.ReplaceAllString(text, "(new)")
	}
	return text
}

// BenchmarkNotFound is for who wants to know whether time tells what is another's from what is absent: in nanoseconds an
// answer, run with -count=10 and compared with benchstat.
func BenchmarkNotFound(b *testing.B) {
	w := newWorld(b, newStack(b, options{url: pgtest.New(b)}))
	for _, id := range []string{"absent", "c.Patient"} {
		b.Run(id, func(b *testing.B) {
			q := request{method: http.MethodGet, target: "/fhir/Patient/" + w.values[id]}
			for b.Loop() {
				if a := w.do(b.Context(), "A", q); a.Code != http.StatusNotFound {
					b.Fatalf("got %d, want 404", a.Code)
				}
			}
		})
	}
}
