package processor

import (
	"bytes"
	"maps"
	"net/http"
	"slices"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// isOpen tells a Task of another organisation without an owner, of which this one may become the owner: the store finds
// such Tasks for nobody but a sender with the scope fill.
func (t *transaction) isOpen(s *state) bool { return s != nil && s.stored != nil && s.stored.Open }

// takes tells that entry i names this organisation, and no other, as the owner of its Task. A write of an open Task that
// does not is answered as if there were no Task.
func (t *transaction) takes(i int) bool {
	owner := t.bundle.Entries[i].Resource.At("owner", "reference").Text()
	if index, conditional := t.references[owner]; conditional { // the others are resolved once all is written
		if found := t.memory.Find(t.conditions[index]); len(found) == 1 {
			t.names[owner] = found[0].name()
		}
	}
	owners, err := t.addressed.Of(i)
	return err == nil && slices.Equal(owners, []string{t.settlement.Org})
}

// keepsOwner holds that the sender of a Task which somebody has taken up does not give it to others, or to nobody, unawares.
func (t *transaction) keepsOwner(i int, r *request, s *state) error {
	if !s.live || t.isOwned(s) || !s.stored.Claimed || s.stored.Owner == "" || r.ifMatch != "" {
		return nil
	}
	if owners, err := t.addressed.Of(i); err != nil || slices.Equal(owners, []string{s.stored.Owner}) {
		return err
	}
	return refusal(http.StatusConflict, "task-taken", "Another organisation has become the owner of the Task: name it, or take the Task from it with If-Match")
}

// missed returns what the sender of r is told when there is nothing that it may write: that another organisation has
// become the owner of the Task, if that is why, else err.
func (t *transaction) missed(r *request, err error) error {
	if id, e := referral.ParseUUID(r.target.ID); e == nil && r.target.Type == "Task" && t.found.Taken[id] {
		return refusal(http.StatusConflict, "task-taken", "Another organisation has become the owner of the Task")
	}
	return err
}

// claims returns what this organisation comes to read because it becomes the owner of Tasks: all that they reach, as far
// as it is their sender's own. The error is errUnderWay while some of that may still come.
func (t *transaction) claims() (claims []postgres.Claim, err error) {
	tasks := map[string][]referral.UUID{}
	for _, s := range t.writes {
		if t.isOpen(s) {
			tasks[s.stored.Org] = append(tasks[s.stored.Org], s.id)
		}
	}
	for _, org := range slices.Sorted(maps.Keys(tasks)) {
		behind := t.found.Behind[org].Reached
		claim := postgres.Claim{Org: org}
		for _, id := range reached(tasks[org], func(id referral.UUID) []referral.UUID {
			if !behind[id].Own {
				return nil
			}
			return behind[id].Links
		}) {
			r, known := behind[id]
			if !known {
				if err := t.underWay(id); err != nil {
					return nil, err
				}
			}
			s := t.states[id]
			if written := s != nil && s.writer >= 0; r.Own && !written && !slices.Contains(r.Readers, t.settlement.Org) {
				claim.Reached = append(claim.Reached, id)
			}
		}
		slices.SortFunc(claim.Reached, func(a, b referral.UUID) int { return bytes.Compare(a[:], b[:]) })
		claims = append(claims, claim)
	}
	return claims, nil
}
