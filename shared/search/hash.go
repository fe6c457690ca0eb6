package search

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"
)

// lowBits of a hash belong to what a search may leave open: the system of a token.
const lowBits = 24

const lowMask = 1<<lowBits - 1

// TokenHash is the index key of a token: 40 bits of type, parameter and code, then 24 bits of the system, so that
// system|code is one key and a code in any system is the range of its low bits.
func TokenHash(resourceType, param, system, code string) int64 {
	return hash("token", resourceType, param, code)&^lowMask | hash("system", system)&lowMask
}

// ReferenceHash is the index key of a reference, such as Patient/0199…: the first 40 bits of the target's UUIDv7
// time, so that the references of one referral lie together, then 24 bits of type, parameter and target. A target
// that is not on this server is hashed whole.
func ReferenceHash(resourceType, param, target string) int64 {
	h := hash("reference", resourceType, param, target)
	_, id, _ := strings.Cut(target, "/")
	var time [8]byte
	if len(id) == 36 && id[14] == '7' {
		if _, err := hex.Decode(time[:5], []byte(id[0:8]+id[9:11])); err == nil {
			return int64(binary.BigEndian.Uint64(time[:])) | h&lowMask
		}
	}
	return h
}

// ListHash is the index key under which an organisation's submissions are listed.
func ListHash(org string) int64 { return hash("list", org) }

func hash(parts ...string) int64 {
	h := sha256.New()
	var length [4]byte
	for _, part := range parts {
		binary.BigEndian.PutUint32(length[:], uint32(len(part)))
		_, _ = h.Write(length[:]) // hash.Hash: "it never returns an error"
		_, _ = h.Write([]byte(part))
	}
	var sum [sha256.Size]byte
	return int64(binary.BigEndian.Uint64(h.Sum(sum[:0])))
}
