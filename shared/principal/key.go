package principal

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"regexp"
	"strings"
	"time"
)

// peppered begins the digest of a key that is keyed with the pepper.
const peppered = "hmac:"

// Key is what a registry knows of an API key, which is no secret.
type Key struct {
	// Digest is the SHA-256 of the key in hexadecimal, or "hmac:" and its HMAC-SHA256 under the pepper: who has read
	// the registry, but not the pepper, cannot even try keys that people made up.
	Digest  string    `json:"digest"`
	ID      string    `json:"id,omitempty"`     // the part of the key by which people name it; empty: of a key in another form
	Expires time.Time `json:"expires,omitzero"` // from when on it is not known any more; zero: never
}

// Live tells whether k has not expired at now.
func (k Key) Live(now time.Time) bool { return k.Expires.IsZero() || now.Before(k.Expires) }

// Label is how people name k: by its ID, or else by the beginning of its digest, as the registry has it.
func (k Key) Label() string {
	if k.ID != "" {
		return k.ID
	}
	return strings.TrimPrefix(k.Digest, peppered)[:8] + "…"
}

var (
	environmentPattern = regexp.MustCompile(`^[a-z0-9]{1,16}$`)
	keyPattern         = regexp.MustCompile(`^rk_[a-z0-9]{1,16}_[a-z0-9]{8}_[A-Za-z0-9_-]{43}_[0-9a-f]{8}$`)
)

// NewKey returns a new API key for environment, of 1 to 16 lower-case letters and digits, such as prod. It has the form
// rk_<environment>_<id>_<256 random bits in base64url>_<CRC-32 of what stands before>, by which scanners find keys in
// places where none should be, and people see that one is not whole.
func NewKey(environment string) (key, id string, err error) {
	if !environmentPattern.MatchString(environment) {
		return "", "", errors.New("the environment of an API key is 1 to 16 lower-case letters and digits")
	}
	var secret [32]byte
	rand.Read(secret[:])
	id = strings.ToLower(rand.Text()[:8])
	key = "rk_" + environment + "_" + id + "_" + base64.RawURLEncoding.EncodeToString(secret[:])
	return key + "_" + checksum(key), id, nil
}

func checksum(text string) string { return fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(text))) }

// Mistyped tells whether key has the form of NewKey and a checksum that is not its own. Of keys in other forms nothing
// can be told.
func Mistyped(key string) bool {
	end := len(key) - len("_00000000")
	return keyPattern.MatchString(key) && checksum(key[:end]) != key[end+1:]
}

// Digest returns what a registry holds of key: keyed with pepper, if there is one.
func Digest(key string, pepper []byte) string {
	if len(pepper) == 0 {
		sum := sha256.Sum256([]byte(key))
		return hex.EncodeToString(sum[:])
	}
	sum := keyed(key, pepper)
	return peppered + hex.EncodeToString(sum[:])
}

func keyed(key string, pepper []byte) [sha256.Size]byte {
	mac := hmac.New(sha256.New, pepper)
	mac.Write([]byte(key))
	return [sha256.Size]byte(mac.Sum(nil))
}
