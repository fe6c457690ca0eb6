package queue

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"regexp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// skippable begins a frame that decoders of zstd pass over (RFC 8878 §3.1.2). Behind it stand the length of what it
// holds, in four bytes, and that. So whoever knows bodies alone reads an object that has an envelope in front.
const skippable = 0x184d2a50

const skippableHeader = 8

// CheckIn takes the body out of the message and returns the object that has to be kept, with its key: of the
// organisation, the submission and the content's hash, so that the same request has one object. The object holds the
// message as it will be sent, too: what the queue has lost can be sent again.
func (m *Message) CheckIn() (key string, object []byte) {
	digest, _ := referral.Claim(m.ID) // zero for an id that ingest has not made
	m.Claim = m.Request.Org + "/" + hex.EncodeToString(digest[:]) + "/" + hex.EncodeToString(m.Request.SHA256[:])
	body := m.Body
	m.Body = nil
	text, err := m.Encode()
	if err != nil {
		return m.Claim, body // it cannot be sent either, and whoever tries is told
	}
	object = binary.LittleEndian.AppendUint32(make([]byte, 0, skippableHeader+len(text)+len(body)), skippable)
	object = binary.LittleEndian.AppendUint32(object, uint32(len(text)))
	return m.Claim, append(append(object, text...), body...)
}

// CheckOut puts the body that an object holds back into the message.
func (m *Message) CheckOut(object []byte) { _, m.Body = splitObject(object) }

// Claimed returns the message that an object was kept for, as it was sent, or "" for an object of an earlier release,
// which holds a body alone.
func Claimed(object []byte) string {
	text, _ := splitObject(object)
	return text
}

func splitObject(object []byte) (text string, body []byte) {
	if len(object) < skippableHeader || binary.LittleEndian.Uint32(object) != skippable {
		return "", object
	}
	end := skippableHeader + uint64(binary.LittleEndian.Uint32(object[4:]))
	if end > uint64(len(object)) {
		return "", object
	}
	return string(object[skippableHeader:end]), object[end:]
}

var claimKey = regexp.MustCompile(`^([^/]+)/(?:([0-9a-f]{32})/)?[0-9a-f]{64}$`)

// ParseClaim returns whose body an object of claims holds, by its key: the digest is zero in a key of an earlier release,
// which named no submission.
func ParseClaim(key string) (org string, digest referral.Digest, err error) {
	parts := claimKey.FindStringSubmatch(key)
	if parts == nil {
		return "", digest, fmt.Errorf("%w: not the key of a claimed body", ErrEnvelope)
	}
	_, err = hex.Decode(digest[:], []byte(parts[2]))
	return parts[1], digest, err
}
