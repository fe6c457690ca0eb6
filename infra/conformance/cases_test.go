package conformance

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestCases runs every case of testdata/transactions, and what many do at once, with the queue and without it.
func TestCases(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			s := stack{base: launch(t, mode.variables...).base, prefer: mode.prefer, bodies: newBodies()}
			t.Run("cases", s.cases)
			t.Run("at once", s.atOnce)
			t.Run("searches", s.searches)
			s.bodies.validate(t, s)
		})
	}
}

func (s stack) cases(t *testing.T) {
	for _, c := range scenarios(t) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s.run(t, c)
		})
	}
}

// run sends the requests of c one after the other; an answer that is not as wanted ends it, since what follows builds
// on it.
func (s stack) run(t *testing.T, c scenario) {
	t.Helper()
	v := values{"{base}": s.base + "/fhir", "{case}": c.name}
	for i, st := range c.steps {
		a := s.ask(t, st, v)
		failures := append(always(a), v.check(st, a)...)
		s.bodies.add(c.name+" step "+strconv.Itoa(i+1), a)
		if len(failures) > 0 {
			t.Fatalf("%s\nstep %d, %s %s:\n  %s\nanswer: %d %s", c.sentence, i+1, st.method, st.target,
				strings.Join(failures, "\n  "), a.status, a.body)
		}
	}
}

// ask sends the request of st, if it asks for a status URL until that has settled.
func (s stack) ask(t *testing.T, st step, v values) answer {
	t.Helper()
	target, err := v.fill(st.target)
	if err != nil {
		t.Fatal(err)
	}
	body, err := v.fill(st.body)
	if err != nil {
		t.Fatal(err)
	}
	header := make([][2]string, len(st.header))
	for i, h := range st.header {
		value, err := v.fill(h[1])
		if err != nil {
			t.Fatal(err)
		}
		header[i] = [2]string{h[0], value}
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) { // as a client polls
		a, err := s.send(t.Context(), st.method, target, header, body)
		if err != nil {
			t.Fatal(err)
		}
		polls := st.method == http.MethodGet && strings.HasPrefix(target, "/fhir/_status/")
		if !polls || a.status != http.StatusAccepted || time.Now().After(deadline) {
			return a
		}
	}
}

// check returns where a is not as st wants.
func (v values) check(st step, a answer) (failures []string) {
	if got := strconv.Itoa(a.status); !slices.Contains(strings.Split(st.status, " or "), got) {
		return []string{"got status " + got + ", want " + st.status}
	}
	for _, h := range st.answerHeader {
		got := strings.Join(a.header.Values(h[0]), ", ")
		if !v.matchText(h[1], got) {
			failures = append(failures, "got "+h[0]+" "+strconv.Quote(got)+", want "+strconv.Quote(h[1]))
		}
	}
	switch st.answerBody {
	case "":
	case empty:
		if len(a.body) > 0 {
			failures = append(failures, "got a body, want none")
		}
	default:
		want, err := decode([]byte(st.answerBody))
		if err != nil {
			return append(failures, "the case's body is no JSON: "+err.Error())
		}
		got, err := decode(a.body)
		if err != nil {
			return append(failures, "the body is no JSON: "+err.Error())
		}
		failures = append(failures, v.match("", want, got)...)
	}
	return failures
}

// always returns where a breaks what holds for every answer: 204 and 304 have no body, a failure has an
// OperationOutcome (http.html#return), a body says that it is FHIR (#mime-type), and an ETag is the resource's version
// (#concurrency).
func always(a answer) (failures []string) {
	failures = protected(a.header)
	if len(a.body) == 0 {
		if a.status >= http.StatusBadRequest {
			failures = append(failures, "a failure without an OperationOutcome")
		}
		return failures
	}
	if a.status == http.StatusNoContent || a.status == http.StatusNotModified {
		failures = append(failures, "a body where none may be")
	}
	if got := a.header.Get("Content-Type"); !strings.HasPrefix(got, "application/fhir+json") {
		failures = append(failures, "got Content-Type "+got+", want application/fhir+json")
	}
	body, err := decode(a.body)
	if err != nil {
		return append(failures, "the body is no JSON: "+err.Error())
	}
	resource, _ := body.(map[string]any)
	if got := resource["resourceType"]; a.status >= http.StatusBadRequest && got != "OperationOutcome" {
		failures = append(failures, "a failure without an OperationOutcome")
	}
	meta, _ := resource["meta"].(map[string]any)
	version, _ := meta["versionId"].(string)
	if etag := a.header.Get("ETag"); etag != "" && version != "" && etag != `W/"`+version+`"` {
		failures = append(failures, "got ETag "+etag+" with meta.versionId "+version)
	}
	return failures
}
