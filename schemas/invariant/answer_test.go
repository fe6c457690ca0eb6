package invariant

import (
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/element"
)

// TestLogic holds the operators against FHIRPath's tables of three-valued logic, and beyond them what is unknown.
func TestLogic(t *testing.T) {
	answers := []answer{yes, no, empty, unknown}
	fixed := func(a answer) predicate { return func(Env, element.Element) answer { return a } }
	names := map[answer]string{yes: "true", no: "false", empty: "empty", unknown: "unknown"}
	for _, test := range []struct {
		name     string
		operator func(p, q predicate) predicate
		want     [4][4]answer // by the left and the right operand
	}{
		{"and", func(p, q predicate) predicate { return and(p, q) }, [4][4]answer{
			{yes, no, empty, unknown}, {no, no, no, no}, {empty, no, empty, empty}, {unknown, no, empty, unknown}}},
		{"or", func(p, q predicate) predicate { return or(p, q) }, [4][4]answer{
			{yes, yes, yes, yes}, {yes, no, empty, unknown}, {yes, empty, empty, unknown}, {yes, unknown, unknown, unknown}}},
		{"xor", xor, [4][4]answer{
			{no, yes, empty, unknown}, {yes, no, empty, unknown}, {empty, empty, empty, empty}, {unknown, unknown, empty, unknown}}},
		{"implies", implies, [4][4]answer{
			{yes, no, empty, unknown}, {yes, yes, yes, yes}, {yes, empty, empty, unknown}, {yes, unknown, unknown, unknown}}},
	} {
		for i, left := range answers {
			for j, right := range answers {
				if got := test.operator(fixed(left), fixed(right))(Env{}, element.Element{}); got != test.want[i][j] {
					t.Errorf("%s %s %s: got %s, want %s", names[left], test.name, names[right], names[got], names[test.want[i][j]])
				}
			}
		}
	}
}

func TestLookupIgnoresWhiteSpace(t *testing.T) {
	for expression, known := range map[string]bool{
		"data.empty() or contentType.exists()":       true,
		" data.empty()\n\tor  contentType.exists() ": true,
		"data.empty()  or contentType.empty()":       false,
		"matches('^[0-9] {4}$')":                     false,
		"":                                           false,
	} {
		if got := Lookup(expression) != nil; got != known {
			t.Errorf("Lookup(%q): got %v, want %v", expression, got, known)
		}
	}
}

func TestCompareDecimals(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
		ok   bool
	}{
		{"1.0", "1", 0, true}, {"1e2", "99.9", 1, true}, {"-0.1", "0", -1, true}, {"1e-400", "0", 1, true},
		{"0.1", "0.10000000000000000001", -1, true}, {"", "0", 0, false}, {"x", "0", 0, false},
	} {
		if got, ok := compareDecimals(test.a, test.b); got != test.want || ok != test.ok {
			t.Errorf("compareDecimals(%s, %s) = %d, %v; want %d, %v", test.a, test.b, got, ok, test.want, test.ok)
		}
	}
}
