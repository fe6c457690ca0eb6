package invariant

import (
	"fmt"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/identifier"
)

// auIdentifierRules are the rules of AU Base's identifiers (hl7.fhir.au.base, ADHA's number systems). Each is about
// one property of a number; package identifier says what is wrong with a number as a whole.
func auIdentifierRules() []rule {
	return []rule{
		{"inv-ihi-value-0 inv-hpii-0 inv-hpio-0 inv-csp-0 inv-paio-0 inv-paid-0 inv-caei-0", "value.matches('^([0-9]{16})$')", digits(16)},
		{"inv-ihi-value-1", "value.startsWith('800360')", startsWith("value", "800360")},
		{"inv-hpii-1", "value.startsWith('800361')", startsWith("value", "800361")},
		{"inv-hpio-1", "value.startsWith('800362')", startsWith("value", "800362")},
		{"inv-csp-1", "value.startsWith('800363')", startsWith("value", "800363")},
		{"inv-paio-1 inv-paid-1", "value.startsWith('800364')", startsWith("value", "800364")},
		{"inv-caei-1", "value.startsWith('900360')", startsWith("value", "900360")},
		{"inv-ihi-value-2 inv-hpii-2 inv-hpio-2 inv-csp-2 inv-paio-2 inv-paid-2 inv-caei-2", luhnExpression(), text("value", identifier.Luhn)},
		{"inv-npio-0", "value.length() = 33", text("value", func(s string) bool { return len([]rune(s)) == 33 })},
		{"inv-npio-1", "value.matches('^(800361)([0-9]{10})(@)(800362)([0-9]{10})$')",
			matches("value", `^(800361)([0-9]{10})(@)(800362)([0-9]{10})$`)},
		{"inv-ahpra-0", "value.matches('^[A-Z]{3}[0-9]{10}$')", matches("value", `^[A-Z]{3}[0-9]{10}$`)},
		{"inv-abn-0", "value.matches('^([0-9]{11})$')", digits(11)},
		{"inv-acn-0 inv-arbn-0", "value.matches('^([0-9]{9})$')", digits(9)},
		{"inv-dpid-0", "value.matches('^([0-9]{8})$')", digits(8)},
	}
}

func digits(n int) predicate {
	return text("value", func(s string) bool { return identifier.Digits(s, n) })
}

// luhnExpression is the sum that AU Base spells out digit by digit, every second one doubled.
func luhnExpression() string {
	terms := make([]string, 16)
	for i := range terms {
		digit := fmt.Sprintf("value.substring(%d,1).toInteger()", i)
		terms[i] = "(" + digit + ")"
		if i%2 == 0 {
			terms[i] = "(select(" + digit + ").select(iif($this<5, $this*2, (($this*2)-9))))"
		}
	}
	return "((" + strings.Join(terms, "+") + ")mod 10=0)"
}
