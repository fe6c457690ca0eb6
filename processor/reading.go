package processor

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

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
			return gone()
		}
		answer.Version, number = s.version(), s.number
	} else {
		stored, ok := t.found.Reached[id]
		if s := t.state(id); !ok && s != nil && s.typ == r.target.Type && !s.live {
			return gone()
		}
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

func gone() error { return fhir.NewError(fhir.CodeDeleted, "", "The resource is deleted") }

// readable finds what searches may: what the transaction has written first, then what is stored, newest first.
type readable struct {
	memory   *search.Memory[referral.UUID]
	versions map[referral.UUID]string // their names
}

// newReadable reads all that searches lead to, once nothing more is written.
func (t *transaction) newReadable() (*readable, error) {
	r := &readable{search.NewMemory[referral.UUID](t.searches...), map[referral.UUID]string{}}
	for _, s := range t.writes {
		if s != nil && s.live {
			r.memory.Put(s.id, s.id.String(), s.resource)
			r.versions[s.id] = s.version()
		}
	}
	stored := slices.Concat(t.found.Results...)
	slices.SortStableFunc(stored, func(a, b postgres.Version) int { return cmp.Compare(b.VID, a.VID) })
	for _, v := range stored {
		id, err := referral.ParseUUID(v.ID)
		if err != nil {
			return nil, err
		}
		if s, ok := t.states[id]; ok && s.writer >= 0 || r.versions[id] != "" {
			continue // told above, if it is still there
		}
		resource, err := parseStored(v)
		if err != nil {
			return nil, err
		}
		r.memory.Put(id, v.ID, resource)
		r.versions[id] = postgres.Resource{ID: id, Type: v.Type, Version: v.Number}.Name()
	}
	return r, nil
}

// search answers a GET with criteria.
func (t *transaction) search(i int, r *request) error {
	if t.readable == nil {
		var err error
		if t.readable, err = t.newReadable(); err != nil {
			return err
		}
	}
	answer := referral.Answer{Status: http.StatusOK, Matches: []string{}}
	for _, id := range t.readable.memory.Find(*r.condition) {
		answer.Matches = append(answer.Matches, t.readable.versions[id])
	}
	if t.matches += len(answer.Matches); t.matches > postgres.MaxMatches {
		return fhir.NewError(fhir.CodeTooCostly, "", "The searches of the request find far too many resources").
			WithStatus(http.StatusUnprocessableEntity)
	}
	t.places[i].answer = answer
	return nil
}
