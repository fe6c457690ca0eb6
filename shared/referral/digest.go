package referral

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"time"
)

// KeyKind says where the key of a submission comes from.
type KeyKind string

// The kinds of key, in the order in which they are looked for.
const (
	KeyHeader     KeyKind = "header"     // the Idempotency-Key header
	KeyIdentifier KeyKind = "identifier" // Bundle.identifier of a document, message or collection
	KeyRequest    KeyKind = "request"    // the request itself: a transaction or batch of creates only
	KeyRandom     KeyKind = "random"     // nothing identifies the request: each is its own submission
)

// Request is what identifies a submission: sending the same again is the same submission.
type Request struct {
	Org         string // HPI-O of the sender
	KeyKind     KeyKind
	Key         string
	Method      string
	URL         string    // path and query below the server's base, such as /fhir
	Conditions  [4]string // If-Match, If-None-Match, If-None-Exist, If-Modified-Since
	ContentType string    // media type without parameters
	SHA256      [32]byte  // of the body as received, decoded from any Content-Encoding
}

// Digest identifies a submission within its organisation.
type Digest [16]byte

// Digest returns D, the identity of r. It depends on every part of r and on Kd alone.
func (k *Keys) Digest(r Request) Digest {
	mac := hmac.New(sha256.New, k.kd)
	parts(mac, "referral-digest-v1", r.Org, string(r.KeyKind), r.Key, r.Method, r.URL)
	parts(mac, r.Conditions[:]...)
	parts(mac, r.ContentType, string(r.SHA256[:]))
	return Digest(mac.Sum(nil)[:len(Digest{})])
}

// KeyHash returns what the first submission to settle holds against others of its organisation and KeyKind: the
// hash of the key, or of d where the request itself is the key.
func (r Request) KeyHash(d Digest) [32]byte {
	if r.KeyKind == KeyRequest {
		return sha256.Sum256(d[:])
	}
	return sha256.Sum256([]byte(r.Key))
}

// UUID is the id of a resource.
type UUID [16]byte

// String returns the canonical form of RFC 9562 §4.
func (u UUID) String() string {
	h := hex.EncodeToString(u[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// ResourceID returns the id of the resource that entry (its index) of the submission creates: a UUIDv7 (RFC 9562
// §5.7) whose time is acceptedAt and whose other bits derive from the submission, so that each delivery makes the
// same id, no two organisations share one, and ids of one time lie together in an index.
func (k *Keys) ResourceID(org string, d Digest, acceptedAt time.Time, entry int) UUID {
	mac := hmac.New(sha256.New, k.kd)
	var index [8]byte
	binary.BigEndian.PutUint64(index[:], uint64(entry))
	parts(mac, "id", org, string(d[:]), string(index[:]))
	var id UUID
	copy(id[:], mac.Sum(nil))
	ms := uint64(acceptedAt.UnixMilli())
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id
}

// parts writes each part behind its length, so that no two lists of parts look alike.
func parts(h hash.Hash, parts ...string) {
	var length [4]byte
	for _, part := range parts {
		binary.BigEndian.PutUint32(length[:], uint32(len(part)))
		_, _ = h.Write(length[:]) // hash.Hash: "it never returns an error"
		_, _ = h.Write([]byte(part))
	}
}
