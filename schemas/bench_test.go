package schemas_test

import (
	"os"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/schemas"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// BenchmarkCheck measures a clinical referral of 15 entries.
func BenchmarkCheck(b *testing.B) {
	doc := referral(b)
	v := schemas.New(schemas.Config{})
	v.Check(doc, "")
	b.ReportAllocs()
	for b.Loop() {
		if issues := failing(v.Check(doc, "")); len(issues) > 0 {
			b.Fatal(issues)
		}
	}
}

// BenchmarkFirstUse measures what the first document after start pays for reading the schemas of its types.
func BenchmarkFirstUse(b *testing.B) {
	doc := referral(b)
	b.ReportAllocs()
	for b.Loop() {
		schemas.New(schemas.Config{}).Check(doc, "")
	}
}

func referral(tb testing.TB) *fhir.Value {
	tb.Helper()
	data, err := os.ReadFile("../testdata/referrals/cardiology-referral.json")
	if err != nil {
		tb.Fatal(err)
	}
	doc, err := fhir.Parse(data, "Bundle", fhir.Limits{})
	if err != nil {
		tb.Fatal(err)
	}
	return doc
}
