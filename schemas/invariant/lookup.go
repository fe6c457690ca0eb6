package invariant

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Lookup returns the rule with this FHIRPath expression, whose white space does not matter, or nil when it is not
// among those written here. It is safe for concurrent use.
func Lookup(expression string) Func {
	if r, ok := rules()[normal(expression)]; ok {
		return r.check
	}
	return nil
}

// rules are all rules by their expression in its normal form.
var rules = sync.OnceValue(func() map[string]rule {
	all := map[string]rule{}
	for _, r := range written() {
		if expression := normal(r.expression); all[expression].test == nil {
			all[expression] = r
		} else {
			panic(fmt.Errorf("invariant: %s: %s has the same expression", r.keys, all[expression].keys))
		}
	}
	return all
})

// written are the rules of all files of this package.
func written() []rule {
	return slices.Concat(
		everywhereRules(), datatypeRules(), timingRules(), elementDefinitionRules(), bundleRules(),
		clinicalRules(), administrativeRules(), workflowRules(), questionnaireRules(), conformanceRules(),
		structureRules(), terminologyRules(), testingRules(), auIdentifierRules(), auBaseRules(), auCoreRules(),
		auRequestingRules(), ipsRules(),
	)
}

// normal returns an expression with each run of white space outside of string literals as one space.
func normal(expression string) string {
	var b strings.Builder
	quoted, space := false, false
	for i := range len(expression) {
		c := expression[i]
		if c == '\'' && (i == 0 || expression[i-1] != '\\') {
			quoted = !quoted
		}
		if !quoted && strings.IndexByte(" \t\r\n", c) >= 0 {
			space = b.Len() > 0
			continue
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		b.WriteByte(c)
	}
	return b.String()
}
