package processor

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

// complete fills in the settlement with what the requests have come to.
func (t *transaction) complete(ctx context.Context) error {
	if !t.isBatch() { // all references are resolved before any leads to an addressee
		for _, step := range []func(int) error{t.resolve, t.address} {
			for i := range t.places {
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := step(i); err != nil {
					return err
				}
			}
		}
	}
	l := t.newLinks()
	readers, err := t.readers(t.addressees)
	if err != nil {
		return err
	}
	s := t.settlement
	s.begin()
	for i, w := range t.writes {
		if err := ctx.Err(); err != nil {
			return err
		}
		if w == nil {
			continue
		}
		r, err := t.build(i, w, l)
		if err != nil {
			return err
		}
		r.Readers = readers[w.id]
		if w.typ == "Task" && w.live {
			r.Owner = t.owner(w, t.addressees[i])
		}
		if t.isOwned(w) {
			s.Readers = append(s.Readers, w.stored.Org) // who asked is told how it stands
		}
		s.Resources = append(s.Resources, r)
		if w.live && w.typ == "ServiceRequest" && w.stored == nil {
			s.RepeatedKeys = append(s.RepeatedKeys, search.Identifiers(w.resource)...)
		}
		s.Readers = append(s.Readers, r.Readers...)
		delete(readers, w.id)
	}
	s.Shares = t.shares(readers)
	if s.Claims, err = t.claims(); err != nil {
		return err
	}
	slices.Sort(s.Readers)
	s.Readers = slices.Compact(s.Readers)
	if len(s.RepeatedKeys) > 0 {
		s.Repeated = repeated
	}
	s.summarize(t.bundle, l)
	if !slices.ContainsFunc(t.requests, func(r *request) bool { return r == nil || !r.isPlain() }) && !t.anyFailed() {
		return nil
	}
	for _, place := range t.places {
		s.Answers = append(s.Answers, place.answer)
	}
	return nil
}

// repeated says of a submission that another one had asked for the same: two senders' systems may mean it, and who
// follows the status is to know.
var repeated = string(fhir.Outcome([]fhir.Issue{{
	Severity: fhir.SeverityWarning, Code: fhir.CodeDuplicate, Rule: "service-request-repeated", Source: fhir.OwnRules,
	Details: "An earlier submission of this organisation has a ServiceRequest with the same identifier; both are kept. Say replaces where one takes the other's place",
}}))

func (t *transaction) anyFailed() bool {
	return slices.ContainsFunc(t.places, func(p placeOf) bool { return p.failed })
}

// address notes whom what entry i writes is addressed to.
func (t *transaction) address(i int) (err error) {
	if s := t.writes[i]; s != nil && s.live {
		t.addressees[i], err = t.addressed.Of(i)
	}
	return at(t.expression(i, "resource"), err)
}

// owner returns the organisation that may update a Task beside its sender, or "". addressees are those of the Task.
func (t *transaction) owner(s *state, addressees []string) string {
	switch {
	case t.isOpen(s):
		return t.settlement.Org
	case t.isOwned(s):
		return s.stored.Owner
	case len(addressees) == 1:
		return addressees[0]
	}
	return ""
}

// build returns the version that entry i writes.
func (t *transaction) build(i int, s *state, l *links) (postgres.Resource, error) {
	r := postgres.Resource{ID: s.id, Type: s.typ, Version: s.number, Deleted: !s.live}
	if s.stored != nil && !s.stored.Deleted {
		before, err := s.replaced()
		if err != nil {
			return r, err
		}
		asStored := func(reference string) string { return reference }
		r.Replaces = &postgres.Replaced{VID: s.stored.VID, Keys: search.Index(before, asStored)}
	}
	if s.live {
		rename := func(text string) string { return l.rename(i, text) }
		linked := func(text string) string {
			name, _ := l.linked(i, text)
			return name
		}
		replace := func(name, text string) (string, bool) {
			if name == "reference" {
				renamed := rename(text)
				return renamed, renamed != text
			}
			return replaceLink(name, text, linked)
		}
		r.Meta = s.resource.Get("meta").Members(replace, "versionId", "_versionId", "lastUpdated", "_lastUpdated")
		r.Content = s.resource.Members(replace, "resourceType", "id", "_id", "meta")
		r.Keys = search.Index(s.resource, rename)
	}
	return r, nil
}

// resolve finds what the conditional references of entry i lead to, and that what a request must not lack is there.
func (t *transaction) resolve(i int) (err error) {
	s := t.writes[i]
	if s == nil || !s.live {
		return nil
	}
	if len(t.references) > 0 {
		s.resource.Walk(t.expression(i, "resource"), func(name, path string, v *fhir.Value) {
			index, conditional := t.references[v.Text()]
			if _, known := t.names[v.Text()]; err != nil || name != "reference" || !conditional || known {
				return
			}
			found := t.memory.Find(t.conditions[index])
			if len(found) != 1 {
				err = fhir.NewError(fhir.CodeMultiple, path, "A conditional reference finds exactly one resource; this one finds "+strconv.Itoa(len(found)))
				return
			}
			t.names[v.Text()] = found[0].name()
		})
	}
	if err != nil {
		return err
	}
	return t.checkReferences(i, s.resource)
}

// needed are the references of a request that a referral cannot do without.
var needed = map[string][]string{
	"ServiceRequest":       {"subject", "requester", "performer", "replaces"},
	"Task":                 {"for", "focus", "owner", "requester"},
	"CommunicationRequest": {"subject", "requester", "recipient"},
}

// checkReferences holds that what a request names by its place on this server is there. What a document, message or
// collection refers to outside of itself is where that came from.
func (t *transaction) checkReferences(i int, resource *fhir.Value) error {
	if t.bundle.Type != "transaction" && t.bundle.Type != "batch" {
		return nil
	}
	for _, element := range needed[resource.ResourceType()] {
		if element != "owner" && t.isOpen(t.writes[i]) {
			continue // kept as its sender wrote it, who reads what it leads to
		}
		v := resource.Get(element)
		references := []*fhir.Value{v}
		if v.Kind() == fhir.Array {
			references = nil
			for j := range v.Items() {
				references = append(references, &v.Items()[j])
			}
		}
		for j, reference := range references {
			text := reference.Get("reference").Text()
			if _, ok := t.links.Entry(i, text); ok || reference.Get("identifier") != nil || t.isHere(text) {
				continue
			}
			if id, ok := t.here(text); ok {
				if err := t.underWay(id); err != nil {
					return err
				}
			}
			place := element
			if v.Kind() == fhir.Array {
				place += "[" + strconv.Itoa(j) + "]"
			}
			return (&fhir.Error{Issues: []fhir.Issue{{
				Severity: fhir.SeverityError, Code: fhir.CodeNotFound, Rule: "reference-here", Source: fhir.OwnRules,
				Expression: t.expression(i, "resource", place),
				Details:    "The reference leads to nothing in this submission or on this server that this client may read",
			}}})
		}
	}
	return nil
}

// isHere tells that a reference does not name a resource of this server, or one that is there.
func (t *transaction) isHere(reference string) bool {
	target, ok := fhir.ParseTarget(t.processor.local(reference))
	if !ok || target.ID == "" {
		return true
	}
	id, err := referral.ParseUUID(target.ID)
	if err != nil {
		return false
	}
	if s, ok := t.states[id]; ok && s.writer >= 0 {
		return s.live && s.typ == target.Type
	}
	return t.found.Reached[id].Type == target.Type
}

// stored returns the resource of this server with a name Type/id as far as it leads to an organisation, or nil.
func (t *transaction) stored(name string) *fhir.Value {
	if found, ok := t.names[name]; ok {
		name = found
	}
	id, ok := t.here(name)
	if !ok {
		return nil
	}
	if s, ok := t.states[id]; ok && s.writer >= 0 {
		return s.resource
	}
	resource, parsed := t.reached[id]
	if r := t.found.Reached[id]; !parsed && r.Content != "" {
		resource, _ = parseStored(postgres.Version{Type: r.Type, ID: id.String(), Content: r.Content}) // if it cannot be read, it leads nowhere
		t.reached[id] = resource
	}
	return resource
}

// replaceLink gives a string of a stored resource: a link to an entry of the Bundle becomes one to the resource
// that it became (FHIR R4 http.html#trules), in every element that may link and in the attributes of a narrative. A
// canonical keeps the version behind its bar.
func replaceLink(name, text string, rename func(string) string) (string, bool) {
	renamed := text
	switch {
	case name == "div":
		renamed = narrativeLink.ReplaceAllStringFunc(text, func(attribute string) string {
			i := strings.IndexAny(attribute, `"'`)
			return attribute[:i+1] + rename(attribute[i+1:len(attribute)-1]) + attribute[len(attribute)-1:]
		})
	case fhir.MayLink(name):
		renamed = rename(text)
		if _, id, ok := strings.Cut(renamed, "/"); ok && renamed != text && strings.HasSuffix(name, "Uuid") {
			renamed = "urn:uuid:" + id // as the type asks for
		}
	}
	return renamed, renamed != text
}

// narrativeLink matches href="…" and src='…'.
var narrativeLink = regexp.MustCompile(`\b(?:href|src)\s*=\s*(?:"[^"]*"|'[^']*')`)
