package search_test

import (
	"fmt"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

// A caller writes the UUIDs that it refers to, and with them the high bits of a reference's key.
func TestNoReferenceHasTheKeyOfAListOrToken(t *testing.T) {
	list := search.ListHash("8003624900041689")
	token := search.TokenHash("Patient", "identifier", "http://example.org/mrn", "A1")
	for name, target := range map[string]int64{"list": list, "token": token} {
		high := fmt.Sprintf("%010x", uint64(target)>>24)
		reference := search.ReferenceHash("ServiceRequest", "patient", "Patient/"+high[:8]+"-"+high[8:]+"00-7000-8000-000000000000")
		if uint64(reference)>>24 == uint64(target)>>24 {
			t.Errorf("a reference shares its high bits with a %s: one in 16 million is its equal", name)
		}
	}
}

func TestKindsOfKeysDoNotOverlap(t *testing.T) {
	for i := range 1000 {
		value := fmt.Sprint(i)
		kinds := map[int64]bool{
			search.TokenHash("Patient", "identifier", value, value) >> 62:   true,
			search.ListHash(value) >> 62:                                    true,
			search.ReferenceHash("Task", "patient", "Patient/"+value) >> 62: true,
		}
		uuid := search.ReferenceHash("Task", "patient", fmt.Sprintf("Patient/%02xffffff-ffff-7000-8000-000000000000", i%256)) >> 62
		if len(kinds) != 3 || uuid != search.ReferenceHash("Task", "patient", "Patient/1")>>62 {
			t.Fatalf("%d: got kinds %v and %d for another reference, want three and one of them", i, kinds, uuid)
		}
	}
}
