package processor

import (
	"net/http"
	"slices"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

// meeting returns the resources that meet the condition at index, as the transaction has left them.
func (t *transaction) meeting(index int, condition *search.Condition) ([]*state, error) {
	var meet []*state
	check := func(s *state) error {
		if s == nil || !s.live || slices.Contains(meet, s) {
			return nil
		}
		resource, err := t.content(s)
		if err == nil && condition.Match(s.id.String(), resource) {
			meet = append(meet, s)
		}
		return err
	}
	for _, id := range t.found.Matches[index] {
		if err := check(t.at(id, condition.Type)); err != nil {
			return nil, err
		}
	}
	for _, s := range t.states {
		if s.writer >= 0 && s.typ == condition.Type {
			if err := check(s); err != nil {
				return nil, err
			}
		}
	}
	return meet, nil
}

// read answers a GET: what it finds is as the transaction has left it (FHIR R4 http.html#trules).
func (t *transaction) read(i int, r *request) error {
	switch {
	case r.condition != nil:
		return t.search(i, r)
	case r.target.Version != "":
		name := r.target.Type + "/" + r.target.ID + "/_history/" + r.target.Version
		updated, ok := t.found.History[name]
		switch {
		case !ok:
			return nothingHere()
		case updated.IsZero():
			return fhir.NewError(fhir.CodeDeleted, "", "This version says that the resource was deleted")
		}
		t.places[i].answer = referral.Answer{Status: http.StatusOK, Version: name, LastModified: lastModified(updated), Read: r.method == http.MethodGet}
		return nil
	}
	id, err := referral.ParseUUID(r.target.ID)
	if err != nil {
		return nothingHere()
	}
	var number int
	answer := referral.Answer{Status: http.StatusOK, Read: r.method == http.MethodGet}
	if s, ok := t.states[id]; ok && s.writer >= 0 {
		if s.typ != r.target.Type {
			return nothingHere()
		}
		if !s.live {
			return fhir.NewError(fhir.CodeDeleted, "", "The resource is deleted")
		}
		answer.Version, number = s.version(), s.number
	} else {
		stored, ok := t.found.Reached[id]
		if !ok || stored.Type != r.target.Type {
			return nothingHere()
		}
		answer.Version, number = postgres.Resource{ID: id, Type: stored.Type, Version: stored.Number}.Name(), stored.Number
		answer.LastModified = lastModified(stored.LastUpdated)
	}
	unchanged := r.ifNoneMatch != "" && etagMatches(r.ifNoneMatch, number)
	if r.ifNoneMatch == "" && !r.ifModifiedSince.IsZero() && answer.LastModified != nil { // RFC 9110 §13.1.3
		unchanged = !answer.LastModified.After(r.ifModifiedSince)
	}
	if unchanged {
		answer.Status, answer.Read = http.StatusNotModified, false
	}
	t.places[i].answer = answer
	return nil
}

func nothingHere() error {
	return fhir.NewError(fhir.CodeNotFound, "", "There is nothing here with this id that this client may read")
}

// search answers a GET with criteria: what the transaction wrote first, then what is stored, newest first.
func (t *transaction) search(i int, r *request) error {
	answer := referral.Answer{Status: http.StatusOK, Matches: []string{}}
	for j := range t.places {
		s := t.places[j].state
		if s == nil || s.writer != j || s.typ != r.condition.Type || !s.live {
			continue
		}
		if resource, err := t.content(s); err != nil {
			return err
		} else if r.condition.Match(s.id.String(), resource) {
			answer.Matches = append(answer.Matches, s.version())
		}
	}
	for _, v := range t.found.Results[t.conditionOf[i]] {
		id, err := referral.ParseUUID(v.ID)
		if err != nil {
			return err
		}
		if s, ok := t.states[id]; ok && s.writer >= 0 {
			continue // told above, if it is still there
		}
		resource, err := fhir.Parse(v.JSON(), v.Type, fhir.Limits{})
		if err != nil {
			return err
		}
		if r.condition.Match(v.ID, resource) {
			answer.Matches = append(answer.Matches, postgres.Resource{ID: id, Type: v.Type, Version: v.Number}.Name())
		}
	}
	t.places[i].answer = answer
	return nil
}
