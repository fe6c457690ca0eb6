// Package narrative checks the XHTML of Narrative.div by allow-list (FHIR R4 narrative.html#rules).
//
// It promises that a div without problems is one well-formed element in the XHTML namespace with content for a
// person (txt-2), that every element and attribute in it is basic formatting (txt-1), and that showing it runs
// nothing and fetches nothing from elsewhere: no scripts, event handlers, forms or frames, no styles that load or
// execute, links only to places a person may follow, images only from the referral and its server or inline. A parser
// of XML and one of HTML find the same tags in it: there is no DTD, no entity but XML's five, no processing
// instruction and no CDATA. Check takes time linear in the div, at a bounded depth, and never expands an entity or
// fetches anything.
//
// Every problem is an error, worth a 422 (RELIABILITY D01 to D05). It checks and never cleans: what is accepted is
// stored as it came. Whoever shows a narrative still owes it a Content-Security-Policy of its own. It leaves to
// others which narratives must exist (dom-6) and whether a link inside the document leads anywhere.
package narrative

import (
	"slices"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// maxProblems is how many different problems of one div are told. One fault is often repeated all over it.
const maxProblems = 8

// Problem is one thing that is wrong with a div.
type Problem struct {
	// Key is the invariant of FHIR R4, txt-1 or txt-2; empty where this server goes further than the standard, which
	// warns of such links and images but has no rule.
	Key string
	// Code is invalid for what must not be there, invariant for what is not well-formed, in another namespace or
	// empty, security for what would be fetched, too-costly for what is nested too deep.
	Code fhir.Code
	// Sentence says what is wrong to a person at a clinic. It names elements and attributes that HTML has, and
	// nothing else of the div.
	Sentence string
	// Offset is where the problem, or the first of its kind, begins: bytes from the start of the div.
	Offset int
}

// Check returns the problems of a Narrative.div, none for a good one: at most 8, each kind once, in the order in
// which they stand. What follows a place that is not well-formed is not looked at.
func Check(div string) []Problem {
	p := parser{div: div, open: make([]string, 0, 16), attributes: make([]attribute, 0, 8), scratch: make([]byte, 0, enough)}
	if p.document() && !p.content {
		p.report(0, "txt-2", fhir.CodeInvariant, "The narrative is empty: it must have some text, or an image")
	}
	return p.problems
}

// report adds a problem unless its kind is known.
func (p *parser) report(offset int, key string, code fhir.Code, sentence string) {
	known := slices.ContainsFunc(p.problems, func(q Problem) bool { return q.Sentence == sentence })
	if !known && len(p.problems) < maxProblems {
		p.problems = append(p.problems, Problem{key, code, sentence, offset})
	}
}

// start checks what a start tag says. at is the offset of its name.
func (p *parser) start(name string, at int) {
	switch {
	case len(p.open) == 0 && name != "div":
		p.report(at, "txt-1", fhir.CodeInvariant, "The narrative must be one div element")
	case elementAllowed(name):
	case active(name):
		p.report(at, "txt-1", fhir.CodeInvalid, "The narrative must not have "+name+" elements, only text and its formatting")
	default:
		p.report(at, "txt-1", fhir.CodeInvalid, "The narrative has an element that is not basic HTML formatting")
	}
	if len(p.open) == 0 && !p.hasNamespace() {
		p.report(at, "txt-1", fhir.CodeInvariant, "The div of the narrative must say xmlns=\""+namespace+"\"")
	}
	for _, a := range p.attributes {
		p.attribute(name, a)
	}
}

const namespace = "http://www.w3.org/1999/xhtml"

func (p *parser) hasNamespace() bool {
	return slices.ContainsFunc(p.attributes, func(a attribute) bool { return a.name == "xmlns" })
}

// attribute checks one attribute of an element.
func (p *parser) attribute(element string, a attribute) {
	switch a.name {
	case "xmlns":
		if a.value != namespace {
			p.report(a.at, "txt-1", fhir.CodeInvariant, "The narrative must be XHTML throughout, in the namespace "+namespace)
		}
	case "style":
		p.style(a)
	case "src":
		p.source(a, p.plain(a.value))
		p.content = p.content || element == "img"
	case "href", "cite", "longdesc":
		p.link(a)
	default:
		if attributeAllowed(a.name) {
			return
		}
		if strings.HasPrefix(strings.ToLower(a.name), "on") {
			p.report(a.at, "txt-1", fhir.CodeInvalid, "The narrative must not have event handlers, such as onclick")
			return
		}
		p.report(a.at, "txt-1", fhir.CodeInvalid, "The narrative has an attribute that is not basic HTML formatting")
	}
}
