package profile_test

import (
	"os"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// BenchmarkClaims measures the walk over a pathology request whose every resource claims a profile of AU eRequesting.
func BenchmarkClaims(b *testing.B) {
	data, err := os.ReadFile("../../testdata/referrals/pathology-request.json")
	if err != nil {
		b.Fatal(err)
	}
	root, err := fhir.Parse(data, "Bundle", fhir.Limits{})
	if err != nil {
		b.Fatal(err)
	}
	checker, library := published(b)
	checkAll(checker, library, root)
	b.ReportAllocs()
	for b.Loop() {
		for _, i := range checkAll(checker, library, root) {
			if i.Fails() {
				b.Fatal(i)
			}
		}
	}
}
