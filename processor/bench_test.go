package processor_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// BenchmarkSettle settles the cardiology referral of 18 entries, each time another, one after the other.
func BenchmarkSettle(b *testing.B) {
	f := newFixture(b)
	body := referralBody(b, "cardiology-referral")
	messages := make([]*queue.Message, 2000)
	for i := range messages {
		messages[i] = f.message(referral.KeyRequest, "", strings.Replace(body, `"birthDate"`, fmt.Sprintf(`"language":"x-%d","birthDate"`, i), 1))
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if _, err := f.Settle(b.Context(), messages[i%len(messages)], 1); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSearchCriteria settles as many search criteria as one submission may have, each of which looks for what all
// the others write.
func BenchmarkSearchCriteria(b *testing.B) {
	f := newFixture(b)
	identifiers, alternatives := make([]string, 90), make([]string, 10)
	for i := range identifiers {
		identifiers[i] = fmt.Sprintf(`{"value":"x%d"}`, i)
	}
	for i := range alternatives {
		alternatives[i] = fmt.Sprintf("x%d", i)
	}
	body := `{"resourceType":"Patient","identifier":[` + strings.Join(identifiers, ",") + `]}`
	query := "identifier=" + strings.Join(alternatives, ",") + "&_id=0197a000-0000-7000-8000-000000000000"
	entries := make([]string, 900)
	for i := range entries {
		entries[i] = entry("POST", "Patient", "", body, `,"ifNoneExist":"`+query+`"`)
	}
	for n := 1; b.Loop(); n++ {
		if state, err := f.Settle(b.Context(), f.transaction(n, "transaction", entries...), 1); err != nil || state != referral.Completed {
			b.Fatal(state, err)
		}
	}
}
