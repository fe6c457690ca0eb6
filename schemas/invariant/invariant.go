// Package invariant holds elements against the rules that FHIR and its profiles state in FHIRPath, each written by
// hand in Go beside its key and its expression. A rule is looked up by its expression, since keys are unique only
// within a profile; of an expression that nobody wrote down here, an engine decides.
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

// ValueSets answers memberOf(). *terminology.Sets does.
type ValueSets interface {
	Contains(valueSet, system, code string) terminology.Verdict
}

// Env is what a rule sees beside the element itself.
type Env struct {
	element.Scope
	ValueSets ValueSets
}

// Func decides whether e obeys a rule. It never changes anything and is safe for concurrent use.
type Func func(env Env, e element.Element) Verdict

// rule is one invariant: its key as published, its FHIRPath, and the same in Go.
type rule struct {
	key, expression string
	check           Func
}

// when is Holds where condition is met, else Fails.
func when(condition bool) Verdict {
	if condition {
		return Holds
	}
	return Fails
}
