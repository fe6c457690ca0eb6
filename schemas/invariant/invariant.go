// Package invariant holds elements against the rules that FHIR and its profiles state in FHIRPath, each written by
// hand in Go beside its key and its expression. A rule is looked up by its expression, since keys are unique only
// within a profile; of an expression that nobody wrote down here, an engine decides.
//
// It promises the meaning of FHIRPath: empty is neither true nor false, and a rule whose result is empty fails, as it
// does for HL7's validator. Where the expression of FHIR R4 contradicts the sentence beside it, the sentence counts;
// a comment at each such rule says so, and the test that compares all rules with the engine lists them. What would
// take a terminology server, a unit conversion or a resource outside the document to know is Unknown, never Fails.
//
// It leaves to others where a rule applies and what to say when it fails.
package invariant

import (
	"github.com/ausbizconsulting/referral-fhir-server/schemas/element"
	"github.com/ausbizconsulting/referral-fhir-server/schemas/terminology"
)

// Verdict is whether an element obeys a rule.
type Verdict int

// The verdicts. Unknown is the zero value: a value set or a resource outside the document would have to be known.
const (
	Unknown Verdict = iota
	Holds
	Fails
)

// String names the verdict.
func (v Verdict) String() string { return [...]string{"unknown", "holds", "fails"}[v] }

// ValueSets answers memberOf(). *terminology.Sets does.
type ValueSets interface {
	Contains(valueSet, system, code string) terminology.Verdict
}

// Env is what a rule sees beside the element itself.
type Env struct {
	element.Scope
	ValueSets ValueSets // nil knows no value set
}

// Func decides whether e obeys a rule. It never changes anything and is safe for concurrent use.
type Func func(env Env, e element.Element) Verdict

// rule is one invariant: its keys as published (of several when profiles share the expression), its FHIRPath, and the
// same in Go.
type rule struct {
	keys, expression string
	test             predicate
}

// check is the rule as others call it.
func (r rule) check(env Env, e element.Element) Verdict {
	switch r.test(env, e) {
	case yes:
		return Holds
	case unknown:
		return Unknown
	default:
		return Fails
	}
}
