package referral_test

import (
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// FuzzVerify holds that no text is an id but one that was minted, and that what an id proves mints the same id again.
func FuzzVerify(f *testing.F) {
	const org = "8003621566684455"
	k := keys(f, 1, 2)
	id := k.Mint(referral.Submission{Org: org, AcceptedAt: accepted, Digest: referral.Digest{1, 2, 3}})
	for _, seed := range []string{id, id[:57], id + "a", "", "aeaqdiqjpbwzwjwbwcgzgtgm22crbwyy33ypoaeu5rqo46d3ozhqdkm4y4"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := k.Verify(org, text)
		if err == nil && k.Mint(s) != text {
			t.Errorf("%q is taken for the id of %+v", text, s)
		}
		if (err == nil) != (text == id) {
			t.Errorf("%q: got error %v", text, err)
		}
		if _, err := k.Verify("8003624900041689", text); err == nil {
			t.Errorf("%q is an id of another organisation", text)
		}
	})
}
