package conformance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"
)

// atOnce sends what gets in each other's way, all at the same time.
func (s stack) atOnce(t *testing.T) {
	t.Run("conditional creates", s.conditionalCreates)
	t.Run("version aware updates", s.versionAwareUpdates)
	t.Run("crossing transactions", s.crossingTransactions)
}

// conditionalCreates: of many conditional creates of one patient one creates it, and every answer names it
// (http.html#ccreate: to avoid the risk of two clients creating duplicates).
func (s stack) conditionalCreates(t *testing.T) {
	const value = "conditional-creates"
	answers := s.each(t, 64, func(int) request {
		return request{http.MethodPost, "/fhir/Patient", [][2]string{{"If-None-Exist", "identifier=https://example.org/cases|" + value}}, patient("", value)}
	})
	locations, statuses := map[string]int{}, map[int]int{}
	for _, a := range answers {
		locations[a.header.Get("Location")]++
		statuses[a.status]++
	}
	if len(locations) != 1 || statuses[http.StatusCreated] != 1 || statuses[http.StatusOK] != len(answers)-1 {
		t.Errorf("got statuses %v and locations %v; want one 201, else 200, and one location", statuses, locations)
	}
}

// versionAwareUpdates: of many updates of one version one is done (http.html#concurrency).
func (s stack) versionAwareUpdates(t *testing.T) {
	id := s.create(t, "version-aware-updates")
	statuses := map[int]int{}
	for _, a := range s.each(t, 16, func(i int) request {
		return request{http.MethodPut, "/fhir/Patient/" + id, [][2]string{{"If-Match", `W/"1"`}}, patient(id, fmt.Sprint("version-aware-", i))}
	}) {
		statuses[a.status]++
	}
	if statuses[http.StatusOK] != 1 || statuses[http.StatusPreconditionFailed]+statuses[http.StatusConflict] != 15 {
		t.Errorf("got statuses %v, want one 200, else 412 or 409", statuses)
	}
	if got := s.version(t, id); got != "2" {
		t.Errorf("got version %s, want 2", got)
	}
}

// crossingTransactions: transactions that update the same two resources, in either order, all end; each is done or
// superseded by one that was accepted later, and both resources tell of the same ones.
func (s stack) crossingTransactions(t *testing.T) {
	a, b := s.create(t, "crossing-a"), s.create(t, "crossing-b")
	done := 0
	for _, answer := range s.each(t, 24, func(i int) request {
		first, second := a, b
		if i%2 == 1 {
			first, second = b, a
		}
		entry := func(id string) string {
			return `{"resource":` + patient(id, fmt.Sprint("crossing-", i)) + `,"request":{"method":"PUT","url":"Patient/` + id + `"}}`
		}
		return request{http.MethodPost, "/fhir", nil, `{"resourceType":"Bundle","type":"transaction","entry":[` + entry(first) + `,` + entry(second) + `]}`}
	}) {
		switch answer.status {
		case http.StatusOK:
			done++
		case http.StatusConflict:
		default:
			t.Errorf("got %d %s, want 200 or 409", answer.status, answer.body)
		}
	}
	if want := fmt.Sprint(done + 1); done == 0 || s.version(t, a) != want || s.version(t, b) != want {
		t.Errorf("got versions %s and %s after %d updates, want %s", s.version(t, a), s.version(t, b), done, want)
	}
}

type request struct {
	method, target string
	header         [][2]string
	body           string
}

// each sends n requests at the same time.
func (s stack) each(t *testing.T, n int, of func(i int) request) []answer {
	t.Helper()
	answers := make([]answer, n)
	var sending sync.WaitGroup
	for i := range answers {
		sending.Go(func() {
			r := of(i)
			a, err := s.send(t.Context(), r.method, r.target, r.header, r.body)
			if err != nil {
				t.Error(err)
			}
			answers[i] = a
		})
	}
	sending.Wait()
	for i, a := range answers {
		s.bodies.add(fmt.Sprintf("%s, answer %d", t.Name(), i), a)
	}
	return answers
}

// patient returns a Patient, with an id or without.
func patient(id, value string) string {
	member := ""
	if id != "" {
		member = `"id":"` + id + `",`
	}
	return fmt.Sprintf(`{"resourceType":"Patient",%s"identifier":[{"system":"https://example.org/cases","value":"%s"}],"active":true}`, member, value)
}

// create creates a Patient and returns its id.
func (s stack) create(t *testing.T, value string) string {
	t.Helper()
	return s.resource(t, http.MethodPost, "/fhir/Patient", patient("", value), http.StatusCreated).ID
}

// version returns the current version of a Patient.
func (s stack) version(t *testing.T, id string) string {
	t.Helper()
	return s.resource(t, http.MethodGet, "/fhir/Patient/"+id, "", http.StatusOK).Meta.VersionID
}

type identity struct {
	ID   string
	Meta struct {
		VersionID string `json:"versionId"`
	}
}

func (s stack) resource(t *testing.T, method, target, body string, want int) (r identity) {
	t.Helper()
	a, err := s.send(t.Context(), method, target, nil, body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(a.body, &r); err != nil || a.status != want {
		t.Fatalf("%s %s: got %d %s, want %d", method, target, a.status, a.body, want)
	}
	return r
}
