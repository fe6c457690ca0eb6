package profile

import (
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

// maxIssues is how many errors are told of one document, and how many other issues; nobody reads as many.
const maxIssues = 500

// Checker holds elements against rules. It is safe for concurrent use; a Session is not.
type Checker struct {
	library *Library
	sets    *terminology.Sets
}

// NewChecker returns a Checker that knows the profiles of library and the codes of sets.
func NewChecker(library *Library, sets *terminology.Sets) *Checker {
	return &Checker{library: library, sets: sets}
}

// Session is the check of one document. What it found is in Issues, in the order in which it was looked for: at most
// 500 errors and 500 other issues, and one that the document is too-costly.
type Session struct {
	Issues []fhir.Issue

	checker  *Checker
	document *element.Document
	at       func() string  // FHIRPath of where the path begins
	path     []element.Step // from there to the element being checked
	tallies  []tally        // of the slices of the elements above
	verdicts map[claim]judgement
	entries  map[*fhir.Value]int // by their resources; nil before it is asked for
	told     map[string]bool
	muted    int    // above 0: only whether something fails is asked, not what
	failure  string // the first failure while muted
	lenient  bool   // errors are warnings
	errors   int    // reported so far
	others   int
	work     int
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
			p.Name+" is a profile of "+p.Type+", and this resource is of another type")
	} else {
		s.rules(p.rules(), scope, item{Element: element.Of(resource)})
	}
	s.lenient = false
}

// Element holds one element against rules. typ is its type where it is a choice, as its property spells it
// (Quantity), else "".
func (s *Session) Element(scope element.Scope, e element.Element, typ string, at func() string, r *Rules) {
	s.at, s.path = at, s.path[:0]
	s.rules(r, scope, item{e, typ})
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
	s.rules(p.rules(), scope, item{Element: element.Of(extension)})
	if len(p.Contexts) > 0 && !slices.ContainsFunc(contexts, func(c string) bool { return slices.Contains(p.Contexts, c) }) {
		s.report(issue{fhir.SeverityError, fhir.CodeExtension, RuleContext, p.URL},
			"The extension "+p.Name+" does not belong here, but on "+alternatives(p.Contexts))
	}
	return true
}

// spent takes steps from the work that one document may take. It tells that there is none left, and says so once.
func (s *Session) spent(steps int) bool {
	if s.work > maxWork {
		return true
	}
	if s.work += steps; s.work <= maxWork {
		return false
	}
	muted, lenient, path := s.muted, s.lenient, s.path
	s.muted, s.lenient, s.path = 0, false, nil
	s.report(issue{fhir.SeverityError, fhir.CodeTooCostly, "", ""},
		"The document takes too long to check against its profiles; send it in smaller parts")
	s.muted, s.lenient, s.path = muted, lenient, path
	return true
}

// answered tells that nothing more needs to be found out: something failed and only that was asked, enough errors were
// told, or there is no work left.
func (s *Session) answered() bool {
	return s.muted > 0 && s.failure != "" || s.errors > maxIssues || s.work > maxWork
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
		if s.failure == "" && i.severity == fhir.SeverityError {
			s.failure = details
		}
		return
	}
	if s.lenient && i.severity == fhir.SeverityError {
		i.severity = fhir.SeverityWarning
	}
	kind := &s.others
	if i.severity == fhir.SeverityError {
		kind = &s.errors
	}
	if *kind++; *kind > maxIssues {
		return
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

// fault returns the first error that check finds, which it does not report, or "".
func (s *Session) fault(check func()) string {
	outer := s.failure
	s.failure = ""
	s.muted++
	check()
	s.muted--
	found := s.failure
	s.failure = outer
	return found
}

// rules checks one element against all that r says about it.
func (s *Session) rules(r *Rules, scope element.Scope, it item) {
	if s.spent(1) || s.answered() {
		return
	}
	if typ := it.goesBy(); r.variants != nil && typ != "" && !slices.Contains(r.variants, typ) {
		s.report(issue{fhir.SeverityError, fhir.CodeStructure, RuleType, r.source},
			r.name()+" must be "+alternatives(r.Types)+" in "+r.of)
		return
	}
	if r.fixed != nil || r.pattern != nil || r.MaxLength > 0 {
		s.value(r, it.Element)
	}
	if len(r.Profiles) > 0 || len(r.Targets) > 0 {
		s.leading(r.link(s.checker.library), r, scope, it)
	}
	if r.Binding != nil && codable(it.typ, r.Types) {
		s.binding(r, it.Element)
	}
	for i := range r.invariants {
		s.invariant(&r.invariants[i], r, scope, it.Element)
	}
	for _, child := range r.children {
		if s.answered() {
			return
		}
		s.child(child, scope, it.Element)
	}
}

// leading checks what leads to other profiles.
func (s *Session) leading(l *linked, r *Rules, scope element.Scope, it item) {
	if len(l.profiles) > 0 {
		s.profiles(r, scope, it)
	}
	if len(l.targets) > 0 && (it.typ == "" || it.typ == "Reference") {
		s.target(r, scope, it.Element)
	}
}

// child checks the children of parent that r is about: each of them, its slice, and how many there are.
func (s *Session) child(r *Rules, scope element.Scope, parent element.Element) {
	if s.spent(1) {
		return
	}
	children, typ := items(parent, r.element, r.choice)
	base := len(s.tallies)
	if r.Slicing != nil {
		r.link(s.checker.library)
		s.tallies = slices.Grow(s.tallies, r.places)[:base+r.places]
		clear(s.tallies[base:])
	}
	var seq sequence
	count := 0
	for i := range children.Len() {
		it := item{children.At(i), typ}
		if !it.Exists() {
			continue
		}
		if satisfies(it.Element) {
			count++
		}
		index := -1
		if children.Repeats {
			index = i
		}
		s.path = append(s.path, element.Step{Name: r.element, Index: index})
		inner := s.inner(r.element, scope, it)
		s.rules(r, inner, it)
		if r.Slicing != nil && !s.answered() {
			s.assign(r, base, inner, it, &seq)
		}
		s.path = s.path[:len(s.path)-1]
	}
	if !s.answered() {
		if count > 0 || !r.slicesTell() {
			s.count(r, count, false)
		}
		if r.Slicing != nil {
			s.sliceCounts(r, base)
		}
	}
	s.tallies = s.tallies[:base]
}

// count holds how many elements there are, or of a slice how many are in it, against what r allows.
func (s *Session) count(r *Rules, count int, isSlice bool) {
	if count >= r.Min && (r.Max == nil || count <= *r.Max) {
		return
	}
	what := r.name()
	if isSlice {
		what = s.sliceName(r)
	}
	code := fhir.CodeStructure
	var details string
	switch {
	case count < r.Min && r.Min == 1:
		code, details = fhir.CodeRequired, what+" is required by "+r.of
	case count < r.Min:
		code, details = fhir.CodeRequired, r.of+" requires at least "+strconv.Itoa(r.Min)+" of "+what
	case *r.Max == 0:
		details = r.of + " does not allow " + what
	default:
		details = r.of + " allows at most " + strconv.Itoa(*r.Max) + " of " + what
	}
	s.report(issue{fhir.SeverityError, code, RuleCardinality, r.source}, details, r.element)
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
	if s.spent(invariantWork) {
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
	case invariant.Holds:
	}
}

// invariantWork is what a rule in FHIRPath takes of the work that a document may take: most look at a few elements.
const invariantWork = 8

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
