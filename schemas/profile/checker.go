package profile

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/element"
	"github.com/ausbizconsulting/referral-fhir-server/schemas/invariant"
	"github.com/ausbizconsulting/referral-fhir-server/schemas/terminology"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// The keys of rules that profiles state by their structure, as issues name them; those of invariants are the
// profile's own.
const (
	RuleCardinality = "cardinality"
	RuleType        = "type"
	RuleSlice       = "slice"
	RuleFixed       = "fixed"
	RulePattern     = "pattern"
	RuleMaxLength   = "max-length"
	RuleBinding     = "binding"
	RuleTarget      = "target"
	RuleProfile     = "profile"
	RuleContext     = "extension-context"
)

// maxWork is how many elements and slices are looked at for one document. A Bundle of 1,000 resources that each
// claim a profile takes a tenth of it; only a document made to be hard takes more.
const maxWork = 1_000_000

// Checker holds elements against rules. It is safe for concurrent use; a Session is not.
type Checker struct {
	library *Library
	sets    *terminology.Sets
}

// NewChecker returns a Checker that knows the profiles of library and the codes of sets.
func NewChecker(library *Library, sets *terminology.Sets) *Checker {
	return &Checker{library: library, sets: sets}
}

// Session is the check of one document. What it found is in Issues, in the order in which it was looked for.
type Session struct {
	Issues []fhir.Issue

	checker  *Checker
	document *element.Document
	at       func() string  // FHIRPath of where the path begins
	path     []element.Step // from there to the element being checked
	conforms map[claim]bool // resources against profiles, as far as that was asked
	told     map[string]bool
	muted    int  // above 0: only whether something fails is asked, not what
	failed   bool // something failed while muted
	lenient  bool // errors are warnings
	work     int
}

// claim is a resource that may conform to a profile.
type claim struct {
	resource *fhir.Value
	profile  *Profile
}

// Session returns a check of document.
func (c *Checker) Session(document *element.Document) *Session {
	return &Session{checker: c, document: document}
}

// Resource holds a resource against the profile p. at gives its FHIRPath. In a lenient check errors are warnings.
func (s *Session) Resource(scope element.Scope, resource *fhir.Value, at func() string, p *Profile, lenient bool) {
	s.at, s.path, s.lenient = at, s.path[:0], lenient
	if p.Type != resource.ResourceType() {
		s.report(issue{fhir.SeverityError, fhir.CodeStructure, RuleProfile, p.URL},
			"This resource claims "+p.Name+", which is a profile of "+p.Type)
	} else {
		s.rules(p.rules(), scope, element.Of(resource), "")
	}
	s.lenient = false
}

// Element holds one element against rules. typ is its type where it is a choice, as its property spells it
// (Quantity), else "".
func (s *Session) Element(scope element.Scope, e element.Element, typ string, at func() string, r *Rules) {
	s.at, s.path = at, s.path[:0]
	s.rules(r, scope, e, typ)
}

// Extension holds an extension against its definition, if that is known. contexts are the names of what it stands
// on: types and paths, such as Patient, DomainResource, Address.line and string; for an extension within another, its
// url.
func (s *Session) Extension(scope element.Scope, extension *fhir.Value, at func() string, contexts ...string) (known bool) {
	p := s.checker.library.Profile(extension.Get("url").Text())
	if p == nil || p.Type != "Extension" {
		return false
	}
	s.at, s.path = at, s.path[:0]
	s.rules(p.rules(), scope, element.Of(extension), "")
	if len(p.Contexts) > 0 && !slices.ContainsFunc(contexts, func(c string) bool { return slices.Contains(p.Contexts, c) }) {
		s.report(issue{fhir.SeverityError, fhir.CodeExtension, RuleContext, p.URL},
			"The extension "+p.Name+" does not belong here, but on "+alternatives(p.Contexts))
	}
	return true
}

// spent tells that the document has taken all the work that one may, and says so once.
func (s *Session) spent() bool {
	s.work++
	if s.work == maxWork {
		muted, path := s.muted, s.path
		s.muted, s.path = 0, nil
		s.report(issue{fhir.SeverityError, fhir.CodeTooCostly, "", ""}, "The document takes too much work to check against its profiles")
		s.muted, s.path = muted, path
	}
	return s.work >= maxWork
}

// issue is what kind of issue is reported, and whose rule it comes from.
type issue struct {
	severity     fhir.Severity
	code         fhir.Code
	rule, source string
}

// report adds an issue about the current element, or about its child called by the one name.
func (s *Session) report(i issue, details string, child ...string) {
	if s.muted > 0 {
		s.failed = s.failed || i.severity == fhir.SeverityError
		return
	}
	if s.lenient && i.severity == fhir.SeverityError {
		i.severity = fhir.SeverityWarning
	}
	s.Issues = append(s.Issues, fhir.Issue{
		Severity: i.severity, Code: i.code, Details: details, Expression: s.expression(child...), Rule: i.rule, Source: i.source,
	})
}

func (s *Session) expression(child ...string) string {
	var b strings.Builder
	b.WriteString(s.at())
	for _, step := range s.path {
		b.WriteString("." + step.Name)
		if step.Index >= 0 {
			b.WriteString("[" + strconv.Itoa(step.Index) + "]")
		}
	}
	for _, name := range child {
		b.WriteString("." + name)
	}
	return b.String()
}

// once tells the first time that key is named for the document.
func (s *Session) once(key string) bool {
	if s.muted > 0 || s.told[key] {
		return false
	}
	if s.told == nil {
		s.told = map[string]bool{}
	}
	s.told[key] = true
	return true
}

// fails tells whether check finds an error, without reporting it.
func (s *Session) fails(check func()) bool {
	failed := s.failed
	s.failed = false
	s.muted++
	check()
	s.muted--
	found := s.failed
	s.failed = failed
	return found
}

// rules checks one element against all that r says about it.
func (s *Session) rules(r *Rules, scope element.Scope, e element.Element, typ string) {
	if s.spent() || s.muted > 0 && s.failed {
		return
	}
	if len(r.Types) > 0 && typ == "" {
		typ = e.Value.ResourceType()
	}
	if len(r.Types) > 0 && typ != "" && !r.hasType(typ) {
		s.report(issue{fhir.SeverityError, fhir.CodeStructure, RuleType, r.source},
			r.name()+" must be "+alternatives(r.Types)+" in "+r.of)
		return
	}
	if r.fixed != nil || r.pattern != nil || r.MaxLength > 0 {
		s.value(r, e)
	}
	if len(r.Profiles) > 0 {
		s.profiles(r, scope, e)
	}
	if len(r.Targets) > 0 && (typ == "" || typ == "Reference") {
		s.target(r, scope, e)
	}
	if r.Binding != nil {
		s.binding(r, e)
	}
	for i := range r.invariants {
		s.invariant(&r.invariants[i], r, scope, e)
	}
	for _, child := range r.children {
		s.child(child, scope, e)
	}
}

// child checks the children of e that r is about: how many there are, their slices, and each of them.
func (s *Session) child(r *Rules, scope element.Scope, e element.Element) {
	if s.spent() {
		return
	}
	if r.choice {
		s.variant(r, scope, e)
		return
	}
	items := e.List(r.element)
	if r.element == "extension" {
		items = e.Extensions()
	}
	for i := range items.Len() {
		item := items.At(i)
		s.down(r.element, place(items, i))
		s.rules(r, s.inner(r, scope, item), item, "")
		s.up()
	}
	if r.Slicing != nil {
		s.sliced(r, scope, items, "")
	}
	if n := items.Len(); r.broken(n) {
		s.count(r, n, r.name())
	}
}

// place is the index of an element in its array, or -1 where it stands alone.
func place(items element.List, i int) int {
	if items.Repeats {
		return i
	}
	return -1
}

// variant checks what stands for a choice in e.
func (s *Session) variant(r *Rules, scope element.Scope, e element.Element) {
	item, typ := e.Choice(r.element)
	items := element.Single(item)
	if items.Len() > 0 {
		s.down(r.element, -1)
		s.rules(r, scope, item, typ)
		s.up()
	}
	s.sliced(r, scope, items, typ)
	if n := items.Len(); r.broken(n) {
		s.count(r, n, r.name())
	}
}

// inner is the scope of what stands in an element: a resource has its own.
func (s *Session) inner(r *Rules, scope element.Scope, item element.Element) element.Scope {
	switch {
	case r.element == "contained":
		return scope.Contained(item.Value)
	case r.element == "resource" && len(s.path) == 2 && scope == s.document.Root():
		return s.document.Entry(max(s.path[0].Index, 0))
	}
	return scope
}

func (s *Session) down(name string, index int) {
	s.path = append(s.path, element.Step{Name: name, Index: index})
}

func (s *Session) up() { s.path = s.path[:len(s.path)-1] }

// broken tells that there are not as many elements, or elements of a slice, as r allows.
func (r *Rules) broken(count int) bool { return count < r.Min || r.Max != nil && count > *r.Max }

// count reports that there are too few or too many of what.
func (s *Session) count(r *Rules, count int, what string) {
	if count < r.Min {
		details := what + " is required by " + r.of
		if r.Min > 1 {
			details = r.of + " requires at least " + strconv.Itoa(r.Min) + " of " + what
		}
		s.report(issue{fhir.SeverityError, fhir.CodeRequired, RuleCardinality, r.source}, details, r.element)
		return
	}
	details := r.of + " allows at most " + strconv.Itoa(*r.Max) + " of " + what
	if *r.Max == 0 {
		details = r.of + " does not allow " + what
	}
	s.report(issue{fhir.SeverityError, fhir.CodeStructure, RuleCardinality, r.source}, details, r.element)
}

// profiles holds an element against the profiles of its type, of which one must hold. Extensions are held against
// their definitions wherever they stand, not here.
func (s *Session) profiles(r *Rules, scope element.Scope, e element.Element) {
	var known []*Profile
	for _, url := range r.Profiles {
		p := s.checker.library.Profile(url)
		if p == nil || p.Type == "Extension" {
			return // one that is not held may be the one that holds
		}
		known = append(known, p)
	}
	if len(known) == 1 {
		p := known[0]
		if t := e.Value.ResourceType(); t != "" && t != p.Type {
			s.report(issue{fhir.SeverityError, fhir.CodeStructure, RuleProfile, r.source}, r.name()+" must be a "+p.Type+" in "+r.of)
			return
		}
		s.rules(p.rules(), scope, e, "")
		return
	}
	for _, p := range known {
		if t := e.Value.ResourceType(); t != "" && t != p.Type {
			continue
		}
		if !s.fails(func() { s.rules(p.rules(), scope, e, "") }) {
			return
		}
	}
	names := make([]string, len(known))
	for i, p := range known {
		names[i] = p.Name
	}
	s.report(issue{fhir.SeverityError, fhir.CodeValue, RuleProfile, r.source}, r.name()+" must conform to "+alternatives(names))
}

// target holds a reference against what it may lead to.
func (s *Session) target(r *Rules, scope element.Scope, e element.Element) {
	reference := e.Get("reference").Text()
	resource, at := scope.Resolve(reference)
	typ := cmp.Or(resource.ResourceType(), e.Get("type").Text(), element.TypeOf(reference))
	if typ == "" {
		return
	}
	var candidates []*Profile
	for _, target := range r.Targets {
		if target == typ {
			return
		}
		if p := s.checker.library.Profile(target); p != nil && p.Type == typ {
			candidates = append(candidates, p)
		} else if p == nil && strings.Contains(target, "/") {
			return // a profile that is not held may be the one that holds
		}
	}
	if len(candidates) == 0 {
		s.report(issue{fhir.SeverityError, fhir.CodeValue, RuleTarget, r.source},
			r.name()+" must refer to "+alternatives(s.targetNames(r.Targets))+" in "+r.of)
		return
	}
	if resource == nil {
		return
	}
	for _, p := range candidates {
		if claims(resource, p) || s.conform(at, resource, p) {
			return
		}
	}
	s.report(issue{fhir.SeverityError, fhir.CodeValue, RuleTarget, r.source},
		"What "+r.name()+" refers to must conform to "+alternatives(s.targetNames(r.Targets)))
}

// targetNames are the names of targets for people.
func (s *Session) targetNames(targets []string) []string {
	names := make([]string, len(targets))
	for i, t := range targets {
		names[i] = t
		if p := s.checker.library.Profile(t); p != nil {
			names[i] = p.Name
		}
	}
	return names
}

// claims tells whether a resource claims a profile; then its own check tells its faults.
func claims(resource *fhir.Value, p *Profile) bool {
	profiles := resource.At("meta", "profile").Items()
	for i := range profiles {
		if url, _, _ := strings.Cut(profiles[i].Text(), "|"); url == p.URL {
			return true
		}
	}
	return false
}

// conform tells whether a resource conforms to a profile. One that is being asked about already does, as far as that
// goes: resources refer to each other in circles.
func (s *Session) conform(scope element.Scope, resource *fhir.Value, p *Profile) bool {
	if p.Type != resource.ResourceType() {
		return false
	}
	key := claim{resource, p}
	if known, found := s.conforms[key]; found {
		return known
	}
	if s.conforms == nil {
		s.conforms = map[claim]bool{}
	}
	s.conforms[key] = true
	path := s.path
	s.path = nil
	s.conforms[key] = !s.fails(func() { s.rules(p.rules(), scope, element.Of(resource), "") })
	s.path = path
	return s.conforms[key]
}

// invariant holds an element against a rule in FHIRPath.
func (s *Session) invariant(i *boundInvariant, r *Rules, scope element.Scope, e element.Element) {
	severity := fhir.SeverityError
	if i.Severity == "warning" {
		severity = fhir.SeverityWarning
	}
	if s.muted > 0 && severity != fhir.SeverityError {
		return
	}
	verdict := invariant.Unknown
	if i.check != nil {
		verdict = i.check(invariant.Env{Scope: scope, ValueSets: s.checker.sets}, e)
	}
	switch verdict {
	case invariant.Fails:
		s.report(issue{severity, fhir.CodeInvariant, i.Key, r.source}, i.Human)
	case invariant.Unknown:
		if s.once(r.source + "#" + i.Key) {
			s.report(issue{fhir.SeverityInformation, fhir.CodeInformational, i.Key, r.source}, "Not checked here: "+i.Human)
		}
	}
}

// alternatives lists names for a sentence: a, b or c.
func alternatives(names []string) string {
	if len(names) <= 1 {
		return strings.Join(names, "")
	}
	const most = 12
	if len(names) > most {
		return strings.Join(names[:most], ", ") + " or one of " + strconv.Itoa(len(names)-most) + " others"
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}
