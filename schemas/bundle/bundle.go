// Package bundle holds a whole document against the rules that no single element can break: that references lead
// somewhere, that the entries of a Bundle agree with their URLs and requests, that a referral is about one patient;
// and against those of datatypes that may stand anywhere: attachments and identifiers of Australian systems.
//
// It promises one issue for one fault, in time linear in the document, to fetch nothing, and to repeat nothing of the
// document but names that FHIR R4 has. It expects a document that passed fhir.Parse, and works on any: what is of
// another shape than FHIR's is left to the schema layer. It leaves the invariants of the base (bdl-*, dom-*, ref-1) to package invariant but for where the standard's prose
// asks for more, the types that a reference may lead to to the schemas and profiles, and what this server can do at
// present to ingest.
package bundle

import (
	"strconv"
	"strings"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/element"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// Options are what rules need to know beside the document. The zero value works.
type Options struct {
	// Path is the FHIRPath by which issues name the document, such as Parameters.parameter[0].resource; "" is its
	// resource type.
	Path string
	// Base is the URL of this server, such as https://referrals.example/fhir; "" is unknown, and any http or https
	// URL may then be its.
	Base string
	// Now is the time that a date in the future is later than; the zero value leaves the rule out.
	Now time.Time
}

// maxIssues bounds the work on a document that is wrong throughout; nobody reads as many.
const maxIssues = 500

// Check returns what is wrong with document by the rules of this package, at most 500 issues: those of single
// elements in the document's order, then those of the referral as a whole. Safe for concurrent use.
func Check(document *element.Document, o Options) []fhir.Issue {
	root := document.Root().Resource
	w := &walk{Options: o}
	if w.Path == "" {
		w.Path = "Resource"
		if fhir.IsName(root.ResourceType()) {
			w.Path = root.ResourceType()
		}
	}
	w.Base = strings.TrimSuffix(o.Base, "/")
	w.resource(root, document)
	return w.issues
}

// walk checks one document.
type walk struct {
	Options
	issues []fhir.Issue
	path   []step // from the document to the current value

	bundles   []place                // the entries that the current value is in, the innermost last
	root      *fhir.Value            // the resource that the current value is in; not a contained one
	contained map[string]*fhir.Value // what root contains, by id
	complete  bool                   // whether references here must lead to an entry: the document or message is built of them
}

// place is an entry of a Bundle.
type place struct {
	kind  string // Bundle.type
	entry int
	scope element.Scope
	urls  map[string]bool // of a batch: the fullUrls, to which nothing may refer
}

// step is one member of an object, or with name "" one element of an array.
type step struct {
	name  string
	index int
}

func (w *walk) full() bool { return len(w.issues) >= maxIssues }

func (w *walk) down(name string) { w.path = append(w.path, step{name: name}) }
func (w *walk) item(index int)   { w.path = append(w.path, step{index: index}) }
func (w *walk) up()              { w.path = w.path[:len(w.path)-1] }

// at runs check where the members called names lead from the current value.
func (w *walk) at(check func(), names ...string) {
	before := len(w.path)
	for _, name := range names {
		w.down(name)
	}
	check()
	w.path = w.path[:before]
}

// rule names a rule that an issue is about.
type rule struct{ key, source string }

// own is a rule that no published definition has a key for: FHIR's prose states it, or this server does.
func own(key string) rule { return rule{key, fhir.OwnRules} }

// base is an invariant of a type of FHIR R4.
func base(typ, key string) rule { return rule{key, "http://hl7.org/fhir/StructureDefinition/" + typ} }

// fail reports an error about the current value, or about its child called name.
func (w *walk) fail(r rule, code fhir.Code, name, details string) {
	w.report(fhir.SeverityError, r, code, name, details)
}

// warn reports a warning about the current value, or about its child called name.
func (w *walk) warn(r rule, code fhir.Code, name, details string) {
	w.report(fhir.SeverityWarning, r, code, name, details)
}

func (w *walk) report(severity fhir.Severity, r rule, code fhir.Code, name, details string) {
	if w.full() {
		return
	}
	w.issues = append(w.issues, fhir.Issue{
		Severity: severity, Code: code, Details: details, Expression: w.expression(name), Rule: r.key, Source: r.source,
	})
}

// expression is the FHIRPath of the current value, or of its child called name. It ends before a name that FHIR does
// not know.
func (w *walk) expression(name string) string {
	var b strings.Builder
	b.WriteString(w.Path)
	resourceType := w.root.ResourceType()
	for _, s := range w.path {
		property := strings.TrimPrefix(s.name, "_")
		switch {
		case s.name == "":
			b.WriteString("[" + strconv.Itoa(s.index) + "]")
		case fhir.IsName(property):
			b.WriteString("." + elementName(resourceType, property))
		default:
			return b.String()
		}
	}
	if name != "" {
		b.WriteString("." + name)
	}
	return b.String()
}
