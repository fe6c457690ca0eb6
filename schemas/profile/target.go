package profile

import (
	"cmp"
	"slices"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/element"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// target is what a Reference may lead to, or an element may be.
type target struct {
	typ     string   // "" where the profile is not held: it may be of any type
	profile *Profile // nil for a plain type
	name    string   // for people
}

// targets reads canonical URLs of profiles and names of plain types.
func (l *Library) targets(names []string) []target {
	all := make([]target, 0, len(names))
	for _, name := range names {
		switch p := l.Profile(name); {
		case p != nil:
			all = append(all, target{p.Type, p, p.Name})
		case strings.Contains(name, ":"):
			all = append(all, target{name: name[strings.LastIndexByte(name, '/')+1:]})
		default:
			all = append(all, target{typ: name, name: name})
		}
	}
	return all
}

func targetNames(targets []target) string {
	names := make([]string, len(targets))
	for i, t := range targets {
		names[i] = t.name
	}
	return alternatives(names)
}

// target holds a reference against what it may lead to. A resource in the document must conform to one of the
// profiles of its type; of others only the type may be known.
func (s *Session) target(r *Rules, scope element.Scope, e element.Element) {
	resource, at, typ := s.leadsTo(scope, e)
	if typ == "" {
		return
	}
	possible := 0
	var last *Profile
	for _, t := range r.linked.targets {
		switch {
		case t.typ == "" || t.typ == typ && t.profile == nil:
			return
		case t.typ == typ:
			possible++
			last = t.profile
		}
	}
	if possible == 0 {
		s.report(issue{fhir.SeverityError, fhir.CodeValue, RuleTarget, r.source},
			r.name()+" must refer to "+targetNames(r.linked.targets)+" in "+r.of)
		return
	}
	if resource == nil {
		return
	}
	for _, t := range r.linked.targets {
		if t.typ == typ && s.conforms(at, resource, t.profile) {
			return
		}
	}
	details := "What " + r.name() + " refers to must conform to " + targetNames(r.linked.targets)
	if possible == 1 {
		key := claim{resource, last}
		known := s.verdicts[key]
		if s.muted == 0 && !s.lenient {
			if known.told {
				return // of a patient without a name one fault is told, and not one for each reference to it
			}
			known.told = true
			s.verdicts[key] = known
		}
		details = "What " + r.name() + " refers to must conform to " + last.Name + ": " + known.fault
	}
	s.report(issue{fhir.SeverityError, fhir.CodeValue, RuleTarget, r.source}, details)
}

// leadsTo returns the resource that a Reference leads to, nil when it is not in the document, and its type as far as
// the document tells.
func (s *Session) leadsTo(scope element.Scope, reference element.Element) (*fhir.Value, element.Scope, string) {
	literal := reference.Value.Get("reference").Text()
	if strings.HasPrefix(literal, "#") && s.spent(len(scope.Root.Get("contained").Items())/containedPerWork) {
		return nil, scope, ""
	}
	resource, at := scope.Resolve(literal)
	if resource != nil {
		return resource, at, resource.ResourceType()
	}
	typ := reference.Value.Get("type").Text()
	return nil, scope, cmp.Or(typ[strings.LastIndexByte(typ, '/')+1:], element.TypeOf(literal))
}

// containedPerWork is how many contained resources can be looked through for an id in the time of one step.
const containedPerWork = 8

// claims tells whether a resource claims a profile, or one that derives from it; then its own check tells its faults.
func (s *Session) claims(resource *fhir.Value, p *Profile) bool {
	claimed := resource.Get("meta").Get("profile").Items()
	if s.spent(len(claimed)) {
		return true
	}
	for i := range claimed { // nearly always
		if url, _, _ := strings.Cut(claimed[i].Text(), "|"); url == p.URL {
			return true
		}
	}
	library := s.checker.library
	for i := range claimed {
		if held := library.Profile(claimed[i].Text()); held != nil && library.Derives(held, p) {
			return true
		}
	}
	return false
}

// claim is a resource that may conform to a profile.
type claim struct {
	resource *fhir.Value
	profile  *Profile
}

// judgement is whether a resource conforms to a profile, and if not, its first fault, and whether that was told.
type judgement struct {
	conforms bool
	fault    string
	told     bool
}

// maxPending bounds how many resources are held against profiles because one refers to the next. What is behind them
// counts as conforming.
const maxPending = 64

// conforms tells whether a resource conforms to a profile. One that is being asked about already does, as far as that
// goes: resources refer to each other in circles.
func (s *Session) conforms(scope element.Scope, resource *fhir.Value, p *Profile) bool {
	if p.Type != resource.ResourceType() {
		return false
	}
	key := claim{resource, p}
	if known, found := s.verdicts[key]; found {
		return known.conforms
	}
	if s.muted >= maxPending || s.claims(resource, p) {
		return true
	}
	if s.verdicts == nil {
		s.verdicts = map[claim]judgement{}
	}
	s.verdicts[key] = judgement{conforms: true}
	path := s.path
	s.path = nil
	fault := s.fault(func() { s.rules(p.rules(), scope, item{Element: element.Of(resource)}) })
	s.path = path
	s.verdicts[key] = judgement{conforms: fault == "", fault: fault}
	return fault == ""
}

// alternative is a profile that an element may conform to, with what it fixes, by which it can be told from others.
type alternative struct {
	*Profile
	telling test // nil where the element has one profile only
}

// alternatives are the profiles that an element must conform to one of; none where one of them is not held. Extensions
// are held against their definitions wherever they stand, not here.
func (l *Library) alternatives(e *Element) []alternative {
	var found []alternative
	for _, url := range e.Profiles {
		p := l.Profile(url)
		if p == nil || p.Type == "Extension" {
			return nil // one that is not held may be the one that holds
		}
		one := alternative{Profile: p}
		if len(e.Profiles) > 1 {
			one.telling = all(l.fixedTests(&p.Root))
		}
		found = append(found, one)
	}
	return found
}

// profiles holds an element against the profiles of its type, of which one must hold. The issues are those of the one
// that it can only be, by its type and by what that fixes.
func (s *Session) profiles(r *Rules, scope element.Scope, it item) {
	typ := it.goesBy()
	var nearest *Profile
	ofType, near := 0, 0
	for _, a := range r.linked.profiles {
		if typ != "" && variant(a.Type) != typ {
			continue
		}
		ofType++
		if len(r.linked.profiles) > 1 {
			if s.fault(func() { s.rules(a.rules(), scope, it) }) == "" {
				return
			}
			if a.telling(s, scope, it) != in {
				continue
			}
		}
		near++
		nearest = a.Profile
	}
	if ofType == 1 && nearest == nil {
		i := slices.IndexFunc(r.linked.profiles, func(a alternative) bool { return typ == "" || variant(a.Type) == typ })
		nearest, near = r.linked.profiles[i].Profile, 1
	}
	if near == 1 {
		s.rules(nearest.rules(), scope, it)
		return
	}
	names := make([]string, len(r.linked.profiles))
	for i, a := range r.linked.profiles {
		names[i] = a.Name
	}
	code := fhir.CodeValue
	if ofType == 0 {
		code = fhir.CodeStructure
	}
	s.report(issue{fhir.SeverityError, code, RuleProfile, r.source}, r.name()+" must conform to "+alternatives(names)+" in "+r.of)
}
