package search

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"
)

// A key's two highest bits are its kind, so that whatever a caller puts into tokens and references, it cannot make
// the key of another kind.
type kind uint64

const (
	tokenKey     kind = 0
	referenceKey kind = 1
	listKey      kind = 2
	orderedKey   kind = 3
)

// kindBits is how far the kind is from the end of a key.
const kindBits = 62

func (k kind) key(h uint64) int64 { return int64(uint64(k)<<kindBits | h&(1<<kindBits-1)) }

// lowMask has the 24 low bits of a key, which belong to what a search may leave open: the system of a token.
const lowMask = 1<<24 - 1

// TokenHash is the index key of a token: the kind, 38 bits of type, parameter and code, then 24 bits of the system, so
// that system|code is one key and a code in any system is the range of its low bits.
func TokenHash(resourceType, param, system, code string) int64 {
	return tokenKey.key(hash("token", resourceType, param, code)&^lowMask | hash("system", system)&lowMask)
}

// ReferenceHash is the index key of a reference, such as Patient/0199…: the kind in place of the two highest bits of
// the target's UUIDv7 time, which are 0 until the year 4199, the next 38 bits of it, so that the references of one
// referral lie together, then 24 bits of type, parameter and target. A target that is not on this server is hashed
// whole.
func ReferenceHash(resourceType, param, target string) int64 {
	h := hash("reference", resourceType, param, target)
	_, id, _ := strings.Cut(target, "/")
	var time [8]byte
	if len(id) == 36 && id[14] == '7' {
		if _, err := hex.Decode(time[:5], []byte(id[0:8]+id[9:11])); err == nil {
			h = binary.BigEndian.Uint64(time[:]) | h&lowMask
		}
	}
	return referenceKey.key(h)
}

// ReferencesTo is the range of the keys of all references to a resource of this server, whatever refers to it. Among them
// are those to others that were made in the same quarter of a second.
func ReferencesTo(target string) KeyRange {
	h := ReferenceHash("", "", target)
	return KeyRange{h &^ lowMask, h | lowMask}
}

// LockHash is the number of a lock on what the parts name: two that differ may have one number, and then wait for each
// other without need.
func LockHash(parts ...string) int64 { return int64(hash(append([]string{"lock"}, parts...)...)) }

// ListHash is the index key under which an organisation's submissions are listed.
func ListHash(org string) int64 { return listKey.key(hash("list", org)) }

// orderedBits are the low bits of an ordered key, which hold a value: what is near each other is a range of keys.
const orderedBits = 40

// under is the ordered key of a value of a parameter: the kind, 22 bits of type and parameter, then the value.
func (k kind) under(resourceType, param string, value uint64) int64 {
	const mask = 1<<orderedBits - 1
	return k.key(hash("ordered", resourceType, param)&^mask | value&mask)
}

func hash(parts ...string) uint64 {
	h := sha256.New()
	var length [4]byte
	for _, part := range parts {
		binary.BigEndian.PutUint32(length[:], uint32(len(part)))
		_, _ = h.Write(length[:]) // hash.Hash: "it never returns an error"
		_, _ = h.Write([]byte(part))
	}
	var sum [sha256.Size]byte
	return binary.BigEndian.Uint64(h.Sum(sum[:0]))
}
