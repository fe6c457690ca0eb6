package referral

import (
	"encoding/hex"
	"errors"
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
