package secrets

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// OpenKeys returns the Keys of a secret such as
//
//	{
//	  "kd": {"current": 1, "keys": {"1": "<base64 of at least 32 bytes>"}},
//	  "km": {"current": 2, "keys": {"1": "<base64>", "2": "<base64>"}}
//	}
//
// Km rotates while the Keys are used, in three versions of the secret: the new key is added; a TTL later at the soonest,
// when all processes have it, "current" becomes its id; and an old key goes when nothing that it has signed is wanted
// any more, neither a status URL nor a message, also in the dead-letter queue. Kd is one key and stays: a version of the
// secret with another Kd is refused. Members beside kd and km are ignored; pepper is PepperFromSettings's.
//
// The error says why there are no keys now; without them nothing can be done. Later, the last good version stays.
func OpenKeys(ctx context.Context, c Config) (*referral.Keys, error) {
	var kd []byte // that of the first version; parse is never called twice at a time
	s := newSecret(c, "the keys", func(content []byte) (*referral.Ring, error) {
		first, ring, err := parseKeys(content)
		switch {
		case err != nil:
			return nil, err
		case kd != nil && !bytes.Equal(kd, first):
			return nil, errors.New("kd is another than before: with it, every repeated request would be a new submission")
		}
		kd = first
		return ring, nil
	})
	if _, err := s.get(ctx); err != nil {
		return nil, err
	}
	return referral.NewRotatingKeys(kd, func() *referral.Ring {
		v, _ := s.get(context.Background()) // there has been one
		return v.value
	})
}

// ring is a secret's form of keys: base64 by key id.
type ring struct {
	Current byte              `json:"current"`
	Keys    map[string][]byte `json:"keys"`
}

func parseKeys(content []byte) (kd []byte, km *referral.Ring, err error) {
	var s struct{ Kd, Km ring }
	if json.Unmarshal(content, &s) != nil { // its error quotes the secret
		return nil, nil, errors.New(`it is no JSON of the form {"kd": {"current": 1, "keys": {"1": "<base64>"}}, "km": …}`)
	}
	digests, err := s.Kd.keys()
	if err != nil {
		return nil, nil, fmt.Errorf("kd: %w", err)
	}
	kd = digests[s.Kd.Current]
	if len(digests) != 1 || len(kd) < minKeyBytes {
		return nil, nil, fmt.Errorf("kd needs to be one key, which is current, of at least %d bytes", minKeyBytes)
	}
	signers, err := s.Km.keys()
	if err != nil {
		return nil, nil, fmt.Errorf("km: %w", err)
	}
	km, err = referral.NewRing(s.Km.Current, signers)
	return kd, km, err
}

// parsePepper returns the member pepper, or nil where there is none.
func parsePepper(content []byte) ([]byte, error) {
	var s struct{ Pepper []byte }
	if json.Unmarshal(content, &s) != nil { // its error quotes the secret
		return nil, errors.New("it is no JSON with a pepper in base64")
	}
	if s.Pepper != nil && len(s.Pepper) < minKeyBytes {
		return nil, fmt.Errorf("pepper needs at least %d bytes", minKeyBytes)
	}
	return s.Pepper, nil
}

// minKeyBytes is the strength of SHA-256's HMAC.
const minKeyBytes = 32

// keys returns the keys by their ids.
func (r ring) keys() (map[byte][]byte, error) {
	keys := map[byte][]byte{}
	for name, key := range r.Keys {
		id, err := strconv.ParseUint(name, 10, 8)
		if err != nil || strconv.FormatUint(id, 10) != name {
			return nil, errors.New("a key id is no number from 1 to 255") // it may be a key in the wrong place
		}
		keys[byte(id)] = key
	}
	return keys, nil
}
