package referral_test

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

func keys(t testing.TB, kd, km byte) *referral.Keys {
	t.Helper()
	k, err := referral.NewKeys(bytes.Repeat([]byte{kd}, 32), bytes.Repeat([]byte{km}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

var accepted = time.Date(2026, 11, 22, 1, 2, 3, 456e6, time.UTC)

func TestMintVerify(t *testing.T) {
	k := keys(t, 1, 2)
	want := referral.Submission{Org: "8003621566684455", AcceptedAt: accepted, Digest: referral.Digest{1, 2, 3}}
	id := k.Mint(want)
	if !regexp.MustCompile(`^[a-z2-7]{58}$`).MatchString(id) {
		t.Errorf("got id %q, want 58 characters of lower-case base32", id)
	}
	got, err := k.Verify(want.Org, id)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Verify(Mint) (-want +got):\n%s", diff)
	}
}

func TestVerifyRefusesWhatWasNotMinted(t *testing.T) {
	k := keys(t, 1, 2)
	org := "8003621566684455"
	id := k.Mint(referral.Submission{Org: org, AcceptedAt: accepted})
	if _, err := k.Verify("8003624900041689", id); err == nil {
		t.Error("accepted an id of another organisation")
	}
	if _, err := keys(t, 1, 3).Verify(org, id); err == nil {
		t.Error("accepted an id signed with another key")
	}
	alphabet := "abcdefghijklmnopqrstuvwxyz234567ABZ0189-_= "
	for i := range id {
		for _, c := range alphabet {
			mutant := id[:i] + string(c) + id[i+1:]
			if mutant == id {
				continue
			}
			if _, err := k.Verify(org, mutant); err == nil {
				t.Errorf("accepted %q, one character from a genuine id", mutant)
			}
		}
	}
	for _, other := range []string{"", id[:57], id + "a", strings.ToUpper(id), " " + id, id + "\n"} {
		if _, err := k.Verify(org, other); err == nil {
			t.Errorf("accepted %q", other)
		}
	}
}

func TestDigestDependsOnEveryPart(t *testing.T) {
	k := keys(t, 1, 2)
	base := referral.Request{Org: "a", KeyKind: referral.KeyHeader, Key: "b", Method: "POST", URL: "/fhir", ContentType: "application/fhir+json"}
	want := k.Digest(base)
	if got := keys(t, 1, 9).Digest(base); got != want {
		t.Error("the digest depends on Km, which may rotate")
	}
	change := func(f func(*referral.Request)) referral.Request { r := base; f(&r); return r }
	for name, other := range map[string]referral.Request{
		"org":          change(func(r *referral.Request) { r.Org = "c" }),
		"kind":         change(func(r *referral.Request) { r.KeyKind = referral.KeyIdentifier }),
		"key":          change(func(r *referral.Request) { r.Key = "c" }),
		"shifted":      change(func(r *referral.Request) { r.Org, r.Key = "ab", "" }),
		"method":       change(func(r *referral.Request) { r.Method = "PUT" }),
		"URL":          change(func(r *referral.Request) { r.URL = "/fhir/Patient" }),
		"condition":    change(func(r *referral.Request) { r.Conditions[0] = `W/"1"` }),
		"condition 2":  change(func(r *referral.Request) { r.Conditions[1] = `W/"1"` }),
		"content type": change(func(r *referral.Request) { r.ContentType = "application/json" }),
		"body":         change(func(r *referral.Request) { r.SHA256[31] = 1 }),
	} {
		if k.Digest(other) == want {
			t.Errorf("another %s makes the same digest", name)
		}
	}
}

func TestResourceIDsAreUUIDv7(t *testing.T) {
	k := keys(t, 1, 2)
	id := k.ResourceID("a", referral.Digest{1}, accepted, 3)
	if id[6]>>4 != 7 || id[8]>>6 != 2 {
		t.Errorf("got %x, want version 7 and variant 2", id)
	}
	var ms int64
	for _, b := range id[:6] {
		ms = ms<<8 | int64(b)
	}
	if got := time.UnixMilli(ms).UTC(); !got.Equal(accepted) {
		t.Errorf("got time %v, want %v", got, accepted)
	}
	if again := k.ResourceID("a", referral.Digest{1}, accepted, 3); again != id {
		t.Error("a second delivery makes another id")
	}
	for name, other := range map[string]referral.UUID{
		"entry":        k.ResourceID("a", referral.Digest{1}, accepted, 4),
		"submission":   k.ResourceID("a", referral.Digest{2}, accepted, 3),
		"organisation": k.ResourceID("b", referral.Digest{1}, accepted, 3),
	} {
		if other == id {
			t.Errorf("another %s makes the same id", name)
		}
	}
}
