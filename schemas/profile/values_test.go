package profile

import (
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

func TestEqualAndContains(t *testing.T) {
	for _, c := range []struct {
		name, want, got string
		equal, contains bool
	}{
		{"texts", `"a"`, `"a"`, true, true},
		{"case counts", `"a"`, `"A"`, false, false},
		{"a text is no number", `"1"`, `1`, false, false},
		{"numbers", `1.50`, `15e-1`, true, true},
		{"zeros", `0`, `-0.00`, true, true},
		{"large numbers", `1e200`, `10e199`, true, true},
		{"other numbers", `150`, `15`, false, false},
		{"signs", `-1`, `1`, false, false},
		{"members in any order", `{"a": 1, "b": true}`, `{"b": true, "a": 1}`, true, true},
		{"further members", `{"a": 1}`, `{"a": 1, "b": 2}`, false, true},
		{"fewer members", `{"a": 1, "b": 2}`, `{"a": 1}`, false, false},
		{"elements in another order", `["a", "b"]`, `["b", "a"]`, false, true},
		{"further elements", `[{"c": "a"}]`, `[{"c": "b"}, {"c": "a", "d": "x"}]`, false, true},
		{"fewer elements", `["a", "b"]`, `["a"]`, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := parseValue([]byte(c.got))
			if equal(parseValue([]byte(c.want)), got) != c.equal {
				t.Errorf("equal: got %v, want %v", !c.equal, c.equal)
			}
			if contains(parseValue([]byte(c.want)), got) != c.contains {
				t.Errorf("contains: got %v, want %v", !c.contains, c.contains)
			}
		})
	}
}

func TestCompareWithNothing(t *testing.T) {
	var nothing *fhir.Value
	if equal(parseValue([]byte(`"a"`)), nothing) || contains(parseValue([]byte(`{"a": "b"}`)), nothing) {
		t.Error("what is absent has no value")
	}
}
