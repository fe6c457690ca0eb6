package referral

import (
	"crypto/hmac"
	"crypto/sha256"
)

// Signature proves that this server signed something.
type Signature [16]byte

// Sign returns the signature under the current Km of what is signed for purpose, a name of the user's own, so that what
// was signed for one purpose proves nothing for another. Each of the parts counts, in its place.
func (k *Keys) Sign(purpose string, signed ...string) Signature {
	ring := k.ring()
	return sign(ring.keys[ring.current], purpose, signed)
}

// Signed tells, in constant time for a ring, whether s is the signature of the rest under any Km of it.
func (k *Keys) Signed(s Signature, purpose string, signed ...string) bool {
	found := false
	for _, km := range k.ring().keys {
		want := sign(km, purpose, signed)
		found = hmac.Equal(s[:], want[:]) || found
	}
	return found
}

func sign(km []byte, purpose string, signed []string) Signature {
	mac := hmac.New(sha256.New, km)
	parts(mac, "referral-sign-v1", purpose)
	parts(mac, signed...)
	return Signature(mac.Sum(nil)[:len(Signature{})])
}
