package referral

import (
	"crypto/hmac"
	"crypto/sha256"
)

// Signature proves that this server signed something.
type Signature [16]byte

// Sign returns the signature under Km of what is signed for purpose, a name of the user's own, so that what was signed
// for one purpose proves nothing for another. Each of the parts counts, in its place.
func (k *Keys) Sign(purpose string, signed ...string) Signature {
	mac := hmac.New(sha256.New, k.km)
	parts(mac, "referral-sign-v1", purpose)
	parts(mac, signed...)
	return Signature(mac.Sum(nil)[:len(Signature{})])
}

// Signed tells, in constant time, whether s is the signature of the rest.
func (k *Keys) Signed(s Signature, purpose string, signed ...string) bool {
	want := k.Sign(purpose, signed...)
	return hmac.Equal(s[:], want[:])
}
