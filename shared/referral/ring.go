package referral

import (
	"errors"
	"fmt"
	"io"
	"maps"
)

// Keys are the secrets behind identities. Kd makes digests and resource ids and is kept for ever: another Kd would
// make every repeated request a new submission and its resources new ones, which is why it has no ring. Km signs
// submission ids and may rotate: it is a Ring. Safe for concurrent use.
type Keys struct {
	kd   []byte
	ring func() *Ring
}

// Ring is the keys Km that are in use, by the key id that stands in every submission id. What the current one signs
// counts for as long as that is in the ring. To rotate, all processes first get a ring that has the new key beside the
// current one, and only then one where the new key is current; what some sign, others would refuse otherwise. A key that
// leaves the ring takes along the ids that it has signed, also those of messages that have not settled.
//
// A Ring is immutable and safe for concurrent use.
type Ring struct {
	current byte
	keys    map[byte][]byte
}

// minKeyBytes is the strength of SHA-256's HMAC.
const minKeyBytes = 32

// firstKeyID is that of a Km which has never rotated.
const firstKeyID = 1

// NewRing returns the ring of keys, of which current signs. Key ids are from 1 to 255, keys at least 32 bytes.
func NewRing(current byte, keys map[byte][]byte) (*Ring, error) {
	if keys[current] == nil {
		return nil, fmt.Errorf("the current key Km, %d, is not among the keys", current)
	}
	for id, key := range keys {
		if id == 0 || len(key) < minKeyBytes {
			return nil, fmt.Errorf("the key Km %d needs %d bytes, and an id from 1", id, minKeyBytes)
		}
	}
	return &Ring{current: current, keys: maps.Clone(keys)}, nil
}

// NewKeys returns Keys of the two secrets, each at least 32 bytes. The key id of km is 1.
func NewKeys(kd, km []byte) (*Keys, error) {
	if len(kd) < minKeyBytes || len(km) < minKeyBytes {
		return nil, fmt.Errorf("the keys Kd and Km need %d bytes each", minKeyBytes)
	}
	ring, err := NewRing(firstKeyID, map[byte][]byte{firstKeyID: km})
	if err != nil {
		return nil, err
	}
	return NewRotatingKeys(kd, func() *Ring { return ring })
}

// NewRotatingKeys returns Keys of kd, at least 32 bytes, and of the ring that ring returns, which is asked at each use:
// it is quick, never returns nil, and is safe for concurrent use.
func NewRotatingKeys(kd []byte, ring func() *Ring) (*Keys, error) {
	if len(kd) < minKeyBytes {
		return nil, fmt.Errorf("the key Kd needs %d bytes", minKeyBytes)
	}
	if ring == nil {
		return nil, errors.New("the keys Km are missing")
	}
	return &Keys{kd: kd, ring: ring}, nil
}

// Format writes what k is, but no key, whatever the verb: k may come into a log by mistake.
func (k *Keys) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[keys]") }

// Format is as that of Keys.
func (r *Ring) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[keys]") }
