package processor

import (
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// isOwned tells a Task of another organisation that this one owns, and may therefore update: that closes the loop
// between who asks and who does.
func (t *transaction) isOwned(s *state) bool {
	return s.stored != nil && s.stored.Org != t.settlement.Org
}

// terms are the elements of a Task that say what was asked of whom. Its owner tells how it stands, and leaves them as they
// are: with another owner, or another focus, somebody would come to read what nobody has sent them.
var terms = []string{
	"identifier", "groupIdentifier", "basedOn", "partOf", "intent", "code", "focus", "for", "encounter", "requester", "owner", "contained",
}

// ended are what FHIR R4 valueset-task-status.html has for a Task of which nothing more comes.
var ended = []string{"cancelled", "completed", "entered-in-error", "failed", "rejected"}

// keepsTerms holds that an update by the owner of another's Task leaves its terms alone, and adds nothing that leads to
// what is not the owner's own: the sender's next update would share it with all who read the Task.
func (t *transaction) keepsTerms(i int, s *state, after *fhir.Value) error {
	if !t.isOwned(s) {
		return nil
	}
	before, err := s.replaced()
	if err != nil {
		return err
	}
	if t.isOpen(s) && slices.Contains(ended, before.Get("status").Text()) {
		return refusal(http.StatusConflict, "task-ended", "The Task has ended: nobody takes it up any more")
	}
	for _, name := range terms {
		if name == "owner" && t.isOpen(s) {
			continue
		}
		if !reflect.DeepEqual(t.localized(before.Get(name)), t.localized(after.Get(name))) {
			return fhir.NewError(fhir.CodeForbidden, t.expression(i, "resource", name),
				"The owner of a Task updates how it stands: what was asked of whom is its sender's to change")
		}
	}
	return t.addsOnlyOwn(i, before, after)
}

// addsOnlyOwn holds that what the owner adds links to is its own. What it may only read is not: others read the Task,
// too. What does not exist is not told from what it may not read.
func (t *transaction) addsOnlyOwn(i int, before, after *fhir.Value) (err error) {
	known := t.led(before)
	after.Walk(t.expression(i, "resource"), func(name, path string, v *fhir.Value) {
		id, ok := t.leadsTo(name, v.Text())
		if !ok || known[id] || err != nil {
			return
		}
		if _, inside := t.links.Entry(i, cutFragment(v.Text())); inside {
			return
		}
		if t.found.Reached[id].Own {
			return
		}
		if err = t.underWay(id); err == nil {
			err = fhir.NewError(fhir.CodeForbidden, path, "The owner of a Task adds references to what it has sent itself, and to nothing else on this server")
		}
	})
	return err
}

// addedOwn returns what the owner's update of a Task, by entry i, adds links to and is the owner's own. What the Task led
// to before is not among it: its sender may have written that.
func (t *transaction) addedOwn(i int, s *state) ([]referral.UUID, error) {
	before, err := s.replaced()
	if err != nil || !s.live {
		return nil, err
	}
	known := t.led(before)
	return slices.DeleteFunc(t.linksOf(i, s), func(id referral.UUID) bool {
		if written, ok := t.states[id]; ok {
			return known[id] || t.isOwned(written)
		}
		return known[id] || !t.found.Reached[id].Own
	}), nil
}

// led returns what a stored resource refers to.
func (t *transaction) led(stored *fhir.Value) map[referral.UUID]bool {
	ids := map[referral.UUID]bool{}
	stored.Strings(func(name string, v *fhir.Value) {
		if id, ok := t.leadsTo(name, v.Text()); ok {
			ids[id] = true
		}
	})
	return ids
}

// leadsTo returns the resource of this server that the store might take a string for a link to.
func (t *transaction) leadsTo(name, text string) (referral.UUID, bool) {
	if !isFollowed(name) {
		return referral.UUID{}, false
	}
	found := leading.FindStringSubmatch(t.processor.local(text))
	if found == nil {
		return referral.UUID{}, false
	}
	id, err := referral.ParseUUID(found[1])
	return id, err == nil
}

// leading is a reference to a resource of this server, whatever follows.
var leading = regexp.MustCompile(`^/?[A-Za-z]+/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})`)

// localized is a value in the form of encoding/json, references to this server's resources without its base.
func (t *transaction) localized(v *fhir.Value) any {
	switch v.Kind() {
	case fhir.Object:
		items, m := v.Items(), map[string]any{}
		for i := range items {
			m[items[i].Name()] = t.localized(&items[i])
		}
		return m
	case fhir.Array:
		items, a := v.Items(), []any{}
		for i := range items {
			a = append(a, t.localized(&items[i]))
		}
		return a
	case fhir.String:
		return t.processor.local(v.Text())
	case fhir.Null:
		return nil
	default:
		return strconv.Quote(v.Text()) // a number or boolean, told from a string of the same characters
	}
}
