package referral_test

import (
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

func TestSignedRefusesWhatWasNotSigned(t *testing.T) {
	k := keys(t, 1, 2)
	s := k.Sign("page", "a", "b")
	if !k.Signed(s, "page", "a", "b") {
		t.Error("refused its own signature")
	}
	if !keys(t, 9, 2).Signed(s, "page", "a", "b") {
		t.Error("the signature depends on Kd, which is for identities")
	}
	altered := s
	altered[15]++
	for name, accepted := range map[string]bool{
		"altered signature": k.Signed(altered, "page", "a", "b"),
		"another key":       keys(t, 1, 3).Signed(s, "page", "a", "b"),
		"another purpose":   k.Signed(s, "pages", "a", "b"),
		"shifted parts":     k.Signed(s, "page", "ab", ""),
		"a part more":       k.Signed(s, "page", "a", "b", ""),
		"a part less":       k.Signed(s, "page", "a"),
	} {
		if accepted {
			t.Errorf("accepted %s", name)
		}
	}
}

func TestClaimIsWhatWasMinted(t *testing.T) {
	k := keys(t, 1, 2)
	want := referral.Submission{Org: "8003621566684455", AcceptedAt: accepted, Digest: referral.Digest{1, 2, 3}}
	id := k.Mint(want)
	got, err := referral.Claim(id)
	if err != nil || got != want.Digest {
		t.Errorf("got %x, %v, want %x", got, err, want.Digest)
	}
	for _, other := range []string{"", id[:57], id + "a", "A" + id[1:], id[:57] + "b"} {
		if _, err := referral.Claim(other); err == nil {
			t.Errorf("%q, which is no id: no error", other)
		}
	}
}

func TestParseUUID(t *testing.T) {
	want := keys(t, 1, 2).ResourceID("a", referral.Digest{1}, accepted, 3)
	got, err := referral.ParseUUID(want.String())
	if err != nil || got != want {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	for _, text := range []string{
		"", "x", want.String() + "0", "{" + want.String() + "}", "0199A2B3-c4d5-7e6f-8a9b-0c1d2e3f4a5b",
		"0199a2b3c4d57e6f8a9b0c1d2e3f4a5b", "0199a2b3-c4d5-7e6f-8a9b-0c1d2e3f4a5g", "0199a2b3--c4d57e6f-8a9b-0c1d2e3f4a5b",
	} {
		if _, err := referral.ParseUUID(text); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
}
