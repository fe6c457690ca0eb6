package referral

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"time"
)

// Keys are the secrets behind identities. Kd makes digests and resource ids and is kept for ever: another Kd would
// make every repeated request a new submission. Km signs submission ids.
type Keys struct {
	kd, km []byte
}

// minKeyBytes is the strength of SHA-256's HMAC.
const minKeyBytes = 32

// NewKeys returns Keys of the two secrets, each at least 32 bytes.
func NewKeys(kd, km []byte) (*Keys, error) {
	if len(kd) < minKeyBytes || len(km) < minKeyBytes {
		return nil, fmt.Errorf("the keys Kd and Km need %d bytes each", minKeyBytes)
	}
	return &Keys{kd: kd, km: km}, nil
}

// An id is base32(version | key id | accepted-at, unix ms | D | tag) in lower case: 58 characters, a legal FHIR id
// (FHIR R4 datatypes.html#id).
const (
	idVersion = 1
	keyID     = 1
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

// Mint returns the id of s, bound to s.Org.
func (k *Keys) Mint(s Submission) string {
	var raw [rawBytes + tagBytes]byte
	raw[0], raw[1] = idVersion, keyID
	ms := uint64(s.AcceptedAt.UnixMilli())
	for i := range 6 {
		raw[2+i] = byte(ms >> (40 - 8*i))
	}
	copy(raw[8:], s.Digest[:])
	tag := k.tag(s.Org, raw[:rawBytes])
	copy(raw[rawBytes:], tag[:])
	return encoding.EncodeToString(raw[:])
}

// Verify returns what id proves to org, or ErrNotGenuine: for an invented id, a changed one, another spelling of a
// genuine one, and one of another organisation alike.
func (k *Keys) Verify(org, id string) (Submission, error) {
	raw, err := encoding.DecodeString(id)
	if err != nil || len(id) != idLength || encoding.EncodeToString(raw) != id {
		return Submission{}, ErrNotGenuine
	}
	tag := k.tag(org, raw[:rawBytes])
	if !hmac.Equal(tag[:], raw[rawBytes:]) || raw[0] != idVersion || raw[1] != keyID {
		return Submission{}, ErrNotGenuine
	}
	var ms int64
	for _, b := range raw[2:8] {
		ms = ms<<8 | int64(b)
	}
	return Submission{Org: org, AcceptedAt: time.UnixMilli(ms).UTC(), Digest: Digest(raw[8:rawBytes])}, nil
}

func (k *Keys) tag(org string, raw []byte) [tagBytes]byte {
	mac := hmac.New(sha256.New, k.km)
	parts(mac, "referral-id-v1", org, string(raw))
	return [tagBytes]byte(mac.Sum(nil)[:tagBytes])
}
