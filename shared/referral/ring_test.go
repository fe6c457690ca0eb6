package referral_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// ring returns one of keys that each consist of 32 bytes.
func ring(t testing.TB, current byte, keys map[byte]byte) *referral.Ring {
	t.Helper()
	km := map[byte][]byte{}
	for id, b := range keys {
		km[id] = bytes.Repeat([]byte{b}, 32)
	}
	r, err := referral.NewRing(current, km)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var golden = referral.Submission{Org: "8003621566684455", AcceptedAt: accepted, Digest: referral.Digest{1, 2, 3}}

// What was minted and signed before keys could rotate, with Kd of ones and Km of twos.
const (
	goldenID        = "aeaqdiqayzcmaaicamaaaaaaaaaaaaaaaaaaaabrvd4ixs77zlzxlideai"
	goldenSignature = "25bac4e653e4cf08d42f5842f6e91480"
)

func TestGoldenID(t *testing.T) {
	var current atomic.Pointer[referral.Ring]
	current.Store(ring(t, 2, map[byte]byte{1: 2, 2: 7}))
	rotated, err := referral.NewRotatingKeys(bytes.Repeat([]byte{1}, 32), current.Load)
	if err != nil {
		t.Fatal(err)
	}
	plain := keys(t, 1, 2)
	if got := plain.Mint(golden); got != goldenID {
		t.Errorf("got id %s, want %s", got, goldenID)
	}
	signature := plain.Sign("page", "a", "b")
	if got := hex.EncodeToString(signature[:]); got != goldenSignature {
		t.Errorf("got signature %s, want %s", got, goldenSignature)
	}
	for name, k := range map[string]*referral.Keys{"one key": plain, "rotated": rotated} {
		got, err := k.Verify(golden.Org, goldenID)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(golden, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if !k.Signed(signature, "page", "a", "b") {
			t.Errorf("%s refuses the signature", name)
		}
	}
}

func TestKmRotates(t *testing.T) {
	var current atomic.Pointer[referral.Ring]
	k, err := referral.NewRotatingKeys(bytes.Repeat([]byte{1}, 32), current.Load)
	if err != nil {
		t.Fatal(err)
	}
	old := ring(t, 1, map[byte]byte{1: 2})
	both := ring(t, 1, map[byte]byte{1: 2, 2: 7})
	next := ring(t, 2, map[byte]byte{1: 2, 2: 7})
	without := ring(t, 2, map[byte]byte{2: 7})
	made := map[*referral.Ring]string{}
	signed := map[*referral.Ring]referral.Signature{}
	for _, r := range []*referral.Ring{old, both, next, without} {
		current.Store(r)
		made[r], signed[r] = k.Mint(golden), k.Sign("page", "a")
		if claim, err := referral.Claim(made[r]); err != nil || claim != golden.Digest {
			t.Errorf("Claim: got %x, %v, want %x", claim, err, golden.Digest)
		}
	}
	if made[both] != made[old] || made[without] != made[next] || made[next] == made[old] {
		t.Error("ids are not signed with the current key")
	}
	for _, test := range []struct {
		name     string
		in, from *referral.Ring
		want     bool
	}{
		{"of the retired key while it is there", next, old, true},
		{"of the key to come", both, next, true},
		{"of the current key", without, next, true},
		{"of a key that has left", without, old, false},
		{"of a key that was never there", old, next, false},
	} {
		current.Store(test.in)
		if _, err := k.Verify(golden.Org, made[test.from]); (err == nil) != test.want {
			t.Errorf("id %s: got %v, want accepted: %t", test.name, err, test.want)
		}
		if got := k.Signed(signed[test.from], "page", "a"); got != test.want {
			t.Errorf("signature %s: got %t, want %t", test.name, got, test.want)
		}
		if _, err := k.Verify("8003624900041689", made[test.from]); err == nil {
			t.Errorf("id %s was accepted of another organisation", test.name)
		}
	}
}

func TestNoKeyStandsInForAnother(t *testing.T) {
	id := keys(t, 1, 2).Mint(golden)
	swapped := ring(t, 1, map[byte]byte{1: 7, 2: 2}) // the key that signed is there under another id
	k, err := referral.NewRotatingKeys(bytes.Repeat([]byte{1}, 32), func() *referral.Ring { return swapped })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Verify(golden.Org, id); err == nil {
		t.Error("the key with another id was tried")
	}
}

func TestNewRingRefuses(t *testing.T) {
	good := bytes.Repeat([]byte{1}, 32)
	for name, test := range map[string]struct {
		current byte
		keys    map[byte][]byte
	}{
		"none":              {1, nil},
		"no current":        {2, map[byte][]byte{1: good}},
		"the id 0":          {0, map[byte][]byte{0: good}},
		"a short key":       {1, map[byte][]byte{1: good[:31]}},
		"another short key": {1, map[byte][]byte{1: good, 2: good[:31]}},
	} {
		if _, err := referral.NewRing(test.current, test.keys); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := referral.NewRotatingKeys(good[:31], func() *referral.Ring { return nil }); err == nil {
		t.Error("a short Kd: no error")
	}
	if _, err := referral.NewRotatingKeys(good, nil); err == nil {
		t.Error("no ring: no error")
	}
}

func TestKeysAreNotPrinted(t *testing.T) {
	secret := bytes.Repeat([]byte("zqx"), 11)
	k, err := referral.NewKeys(secret, secret)
	if err != nil {
		t.Fatal(err)
	}
	r, err := referral.NewRing(1, map[byte][]byte{1: secret})
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x"} {
		got := fmt.Sprintf(verb+" "+verb, k, r)
		for _, leak := range []string{"zqx", "122 113 120", hex.EncodeToString(secret), "0x7a, 0x71, 0x78"} {
			if strings.Contains(got, leak) {
				t.Errorf("%s prints a key", verb)
			}
		}
	}
}
