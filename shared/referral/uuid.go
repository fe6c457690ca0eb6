package referral

import (
	"encoding/hex"
	"errors"
	"time"
)

// ParseUUID reads the canonical form of RFC 9562 §4 and no other spelling: a FHIR id is case-sensitive.
func ParseUUID(text string) (UUID, error) {
	var id UUID
	if len(text) == 36 {
		if _, err := hex.Decode(id[:], []byte(text[:8]+text[9:13]+text[14:18]+text[19:23]+text[24:])); err == nil && id.String() == text {
			return id, nil
		}
	}
	return UUID{}, errors.New("not a UUID in its canonical form")
}

// Time is that of a UUIDv7 (RFC 9562 §5.7), to the millisecond; of another UUID it says nothing.
func (u UUID) Time() time.Time {
	var ms int64
	for _, b := range u[:6] {
		ms = ms<<8 | int64(b)
	}
	return time.UnixMilli(ms).UTC()
}
