package fhir_test

import (
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// What is kept stands as it was written; what would be left empty stays whole.
func TestSubset(t *testing.T) {
	v, err := fhir.Parse([]byte(`{"resourceType":"A", "x":1.50, "_x":{"id":"i"}, "list":[{"k":"\u00e9","d":2},{"d":3}], "one":{"d":4}, "y":true}`), "A", fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	keep := func(owner, name string) (string, bool) {
		switch owner + "." + name {
		case "A.list", "A.one":
			return "Inside", true
		case "A.x", "Inside.k":
			return "", true
		}
		return "", false
	}
	want := `"x":1.50,"_x":{"id":"i"},"list":[{"k":"\u00e9"},{"d":3}],"one":{"d":4}`
	if got := v.Subset("A", keep); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := v.Get("x").Subset("A", keep); got != "" {
		t.Errorf("of a number: got %s", got)
	}
}
