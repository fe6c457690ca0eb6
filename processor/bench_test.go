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
