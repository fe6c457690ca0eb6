package processor

import (
	"bytes"
	"errors"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// state is a resource as the transaction has left it so far.
type state struct {
	id       referral.UUID
	typ      string
	stored   *postgres.Stored // what the store has, a tombstone perhaps; nil: nothing
	live     bool
	number   int         // version
	writer   int         // the entry that writes it; -1: none
	before   *fhir.Value // the content of stored; nil: not looked at yet
	resource *fhir.Value // what is written; nil: nothing is, or it is deleted
}

// state returns the state of a resource that this organisation sent, a deleted one among them, or nil.
func (t *transaction) state(id referral.UUID) *state {
	s, ok := t.states[id]
	if !ok {
		stored, ok := t.found.Own[id]
		if !ok {
			return nil
		}
		s = &state{id: id, typ: stored.Type, stored: &stored}
		s.reset()
		t.states[id] = s
	}
	return s
}

// reset makes the state what the store has.
func (s *state) reset() {
	s.live, s.number, s.writer, s.resource = false, 0, -1, nil
	if s.stored != nil {
		s.live, s.number = !s.stored.Deleted, s.stored.Number
	}
}

// errUnderWay says that a resource is not there, and may be soon: its id is young, and what creates it may not have
// been delivered yet.
var errUnderWay = errors.New("the resource that is referred to may still be under way")

// named returns the resource that the request names by its id. It is nil when there is none and none can be under way.
func (t *transaction) named(target fhir.Target) (*state, error) {
	id, err := referral.ParseUUID(target.ID)
	if err != nil {
		return nil, nil //nolint:nilerr // what is no id of this server is nobody's
	}
	if s := t.state(id); s != nil && s.typ == target.Type {
		return s, nil
	}
	return nil, t.underWay(id)
}

// underWay returns errUnderWay while a resource with this id may still come: what is there, of whatever type and
// whosever, does not.
func (t *transaction) underWay(id referral.UUID) error {
	if _, known := t.found.Reached[id]; known || t.state(id) != nil {
		return nil
	}
	age := t.processor.Now().Sub(id.Time())
	if id[6]>>4 == 7 && age > -t.processor.CreationWindow && age < t.processor.CreationWindow {
		return errUnderWay
	}
	return nil
}

// supersedes tells that a version was accepted later than this submission. Of two accepted in the same millisecond
// the one with the greater digest is the later, in whatever order they are delivered.
func (t *transaction) supersedes(v *postgres.Stored) bool {
	if v.AcceptedAt.Equal(t.settlement.AcceptedAt) {
		return bytes.Compare(v.Digest[:], t.settlement.Digest[:]) > 0
	}
	return v.AcceptedAt.After(t.settlement.AcceptedAt)
}

// answer is one with the version of s, as the transaction leaves it so far.
func (t *transaction) answer(status int, s *state) referral.Answer {
	a := referral.Answer{Status: status, Version: s.version()}
	if s.writer < 0 {
		a.LastModified = lastModified(s.stored.LastUpdated)
	}
	return a
}

func lastModified(at time.Time) *time.Time {
	at = at.UTC()
	return &at
}

func (s *state) name() string { return s.typ + "/" + s.id.String() }

func (s *state) version() string {
	return postgres.Resource{ID: s.id, Type: s.typ, Version: s.number}.Name()
}

// content returns the resource, which is live.
func (s *state) content() (*fhir.Value, error) {
	if s.writer >= 0 {
		return s.resource, nil
	}
	return s.replaced()
}

// replaced returns the content of the stored version, which is live.
func (s *state) replaced() (*fhir.Value, error) {
	if s.before == nil {
		var err error
		if s.before, err = parseStored(s.stored.Version); err != nil {
			return nil, err
		}
	}
	return s.before, nil
}

// parseStored is fhir.Parse of what is stored. That it fails is nothing that the sender could mend.
func parseStored(v postgres.Version) (*fhir.Value, error) {
	resource, err := fhir.Parse(v.JSON(), v.Type, fhir.Limits{})
	if err != nil {
		return nil, errors.New("a stored resource does not pass the gate")
	}
	return resource, nil
}
