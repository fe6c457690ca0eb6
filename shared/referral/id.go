package referral

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"time"
)

// An id is base32(version | key id | accepted-at, unix ms | D | tag) in lower case: 58 characters, a legal FHIR id
// (FHIR R4 datatypes.html#id).
const (
	idVersion = 1
	rawBytes  = 2 + 6 + 16
	tagBytes  = 12
	idLength  = ((rawBytes+tagBytes)*8 + 4) / 5
)

var encoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// ErrNotGenuine says that a text is not an id that this server minted for the organisation that shows it.
var ErrNotGenuine = errors.New("not a submission id of this organisation")

// Submission is what an id proves: that this server accepted D from the organisation at that time.
type Submission struct {
	Org        string
	AcceptedAt time.Time // UTC, whole milliseconds
	Digest     Digest
}

// Mint returns the id of s, bound to s.Org and signed with the current Km.
func (k *Keys) Mint(s Submission) string {
	ring := k.ring()
	var raw [rawBytes + tagBytes]byte
	raw[0], raw[1] = idVersion, ring.current
	ms := uint64(s.AcceptedAt.UnixMilli())
	for i := range 6 {
		raw[2+i] = byte(ms >> (40 - 8*i))
	}
	copy(raw[8:], s.Digest[:])
	tag := tag(ring.keys[ring.current], s.Org, raw[:rawBytes])
	copy(raw[rawBytes:], tag[:])
	return encoding.EncodeToString(raw[:])
}

// Verify returns what id proves to org, or ErrNotGenuine: for an invented id, a changed one, another spelling of a
// genuine one, one of another organisation, and one whose key has left the ring alike.
func (k *Keys) Verify(org, id string) (Submission, error) {
	raw, err := encoding.DecodeString(id)
	if err != nil || len(id) != idLength || encoding.EncodeToString(raw) != id {
		return Submission{}, ErrNotGenuine
	}
	km, known := k.ring().keys[raw[1]]
	tag := tag(km, org, raw[:rawBytes])
	if !known || !hmac.Equal(tag[:], raw[rawBytes:]) || raw[0] != idVersion {
		return Submission{}, ErrNotGenuine
	}
	var ms int64
	for _, b := range raw[2:8] {
		ms = ms<<8 | int64(b)
	}
	return Submission{Org: org, AcceptedAt: time.UnixMilli(ms).UTC(), Digest: Digest(raw[8:rawBytes])}, nil
}

func tag(km []byte, org string, raw []byte) [tagBytes]byte {
	mac := hmac.New(sha256.New, km)
	parts(mac, "referral-id-v1", org, string(raw))
	return [tagBytes]byte(mac.Sum(nil)[:tagBytes])
}
