package invariant_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/element"
	"github.com/ausbizconsulting/referral-fhir-server/schemas/invariant"
	"github.com/ausbizconsulting/referral-fhir-server/schemas/profile"
	"github.com/ausbizconsulting/referral-fhir-server/schemas/terminology"
)

// TestRules holds for each rule one instance that obeys and one that does not. The tables say what the rule is and
// where in the instance it applies.
func TestRules(t *testing.T) {
	tables := readTables(t)
	for _, test := range ruleCases() {
		t.Run(test.keys, func(t *testing.T) {
			for _, key := range strings.Fields(test.keys) {
				if got := judge(t, tables, key, test.typ, test.holds); got != invariant.Holds {
					t.Errorf("%s: got %v for %s", key, got, test.holds)
				}
				if got := judge(t, tables, key, test.typ, test.fails); got != invariant.Fails {
					t.Errorf("%s: got %v for %s", key, got, test.fails)
				}
			}
		})
	}
}

func ruleCases() []ruleCase {
	return slices.Concat(auIdentifierCases(), auCases, clinicalCases, datatypeCases, bundleCases, otherCases)
}

// ruleCase is an instance of a type that obeys a rule and one that does not. Of several keys each is tried.
type ruleCase struct{ keys, typ, holds, fails string }

// judge returns the worst verdict of the rules called key where they apply in an instance of typ.
func judge(t *testing.T, tables *tables, key, typ, instance string) invariant.Verdict {
	t.Helper()
	v := parse(t, instance)
	root := node{element.Of(v), typ, element.NewDocument(v).Root()}
	worst, found := invariant.Holds, false
	tables.walk(root, func(n node) {
		for _, r := range tables.placed[n.typ] {
			if r.Key != key {
				continue
			}
			for _, target := range tables.follow(n, r.at) {
				found = true
				got := invariant.Lookup(r.Expression)(invariant.Env{Scope: target.scope, ValueSets: shapes{}}, target.Element)
				if got == invariant.Fails || worst == invariant.Holds {
					worst = got
				}
			}
		}
	})
	if !found {
		t.Fatalf("%s applies nowhere in %s", key, instance)
	}
	return worst
}

// shapes is a ValueSets in which all value sets have the codes round and square.
type shapes struct{}

func (shapes) Contains(_, _, code string) terminology.Verdict {
	if code == "round" || code == "square" {
		return terminology.In
	}
	return terminology.Out
}

// TestEveryAustralianRuleHasACase also covers FHIR's own profiles, which they build upon.
func TestEveryAustralianRuleHasACase(t *testing.T) {
	tried := map[string]bool{}
	for _, test := range slices.Concat(auIdentifierCases(), auCases, clinicalCases) {
		for _, key := range strings.Fields(test.keys) {
			tried[key] = true
		}
	}
	stated := map[string]bool{}
	var collect func(e *profile.Element)
	collect = func(e *profile.Element) {
		for _, i := range e.Invariants {
			stated[i.Key] = true
		}
		for _, below := range slices.Concat(e.Slices, e.Children) {
			collect(&below)
		}
	}
	for _, name := range files(t, "../profiles/*.profile.json") {
		var p profile.Profile
		decode(t, name, &p)
		collect(&p.Root)
	}
	for _, key := range slices.Sorted(maps.Keys(stated)) {
		if !tried[key] {
			t.Errorf("%s has no case", key)
		}
	}
}
