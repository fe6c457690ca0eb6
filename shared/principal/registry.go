package principal

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/identifier"
)

// DevelopmentClients is the name by which Open knows the development clients.
const DevelopmentClients = "development"

// Open returns the clients of the registry in the file name, or the development clients.
func Open(name string) (*Keys, error) {
	if name == DevelopmentClients {
		return Development(), nil
	}
	document, err := os.ReadFile(name)
	if err != nil {
		if path, ok := errors.AsType[*fs.PathError](err); ok {
			err = path.Err // who set the name knows it
		}
		return nil, fmt.Errorf("read the client registry: %w", err)
	}
	return ParseRegistry(document)
}

// registered is a client in a registry.
type registered struct {
	Org    string   `json:"org"`    // HPI-O, or "operator"
	Client string   `json:"client"` // unique in the registry
	Keys   []string `json:"keys"`   // SHA-256 of API keys, in hexadecimal: a registry holds no secrets
	Scopes []Scope  `json:"scopes"`
}

// ParseRegistry returns the clients of a registry in JSON:
//
//	{"clients": [{"org": "8003621566684455", "client": "reception", "keys": ["<SHA-256 of an API key, in hexadecimal>"], "scopes": ["submit", "read"]}]}
//
// A client has at least one key, two while they change, and each key is one client's. Members that are not known are
// errors. They name the client by its place, never what stands there.
func ParseRegistry(document []byte) (*Keys, error) {
	var registry struct {
		Clients []registered `json:"clients"`
	}
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&registry); err != nil {
		return nil, errors.New("the client registry is not a JSON object of the known members") // the cause quotes it
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the client registry goes on after its end")
	}
	if !exactNames(document) {
		return nil, errors.New("the client registry has a member twice in one object, or in other letters than the known ones")
	}
	if len(registry.Clients) == 0 {
		return nil, errors.New("the client registry has no clients")
	}
	k := &Keys{clients: map[[sha256.Size]byte]Principal{}}
	names := map[string]bool{}
	for i, c := range registry.Clients {
		if err := k.add(c); err != nil {
			return nil, fmt.Errorf("clients[%d].%w", i, err)
		}
		if names[c.Client] {
			return nil, fmt.Errorf("clients[%d].client is another's, too", i)
		}
		names[c.Client] = true
	}
	return k, nil
}

// exactNames tells whether each member of document, which is JSON, has a known name that no other of its object has.
// encoding/json takes names in any case, and of two that are alike a mixture: a client would get another's scopes.
func exactNames(document []byte) bool {
	decoder := json.NewDecoder(bytes.NewReader(document))
	var exact func() bool
	exact = func() bool {
		token, _ := decoder.Token() // it has been decoded before
		open, nested := token.(json.Delim)
		if !nested {
			return true
		}
		seen := map[any]bool{}
		for decoder.More() {
			if open == '{' {
				name, _ := decoder.Token()
				if seen[name] || !slices.Contains([]any{"clients", "org", "client", "keys", "scopes"}, any(name)) {
					return false
				}
				seen[name] = true
			}
			if !exact() {
				return false
			}
		}
		_, err := decoder.Token() // the closing one
		return err == nil
	}
	return exact()
}

var (
	clientPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)
	scopes        = []Scope{Submit, Read, Fill, Operate, Audit}
)

// operator is the organisation of who runs the deployment.
const operator = "operator"

func (k *Keys) add(c registered) error {
	switch {
	case c.Org != operator && !identifier.IsHPIO(c.Org): // a mistyped one would be another's, now or later
		return errors.New(`org is neither an HPI-O with its check digit nor "operator"`)
	case c.Org == operator && slices.ContainsFunc(c.Scopes, func(s Scope) bool { return s != Operate && s != Audit }):
		return errors.New("scopes of the operator are operate and audit: it sends and receives no referrals")
	case !clientPattern.MatchString(c.Client):
		return errors.New("client is not a name of 1 to 64 lower-case letters, digits and . _ -")
	case len(c.Scopes) == 0 || slices.ContainsFunc(c.Scopes, func(s Scope) bool { return !slices.Contains(scopes, s) }):
		return fmt.Errorf("scopes are not one or more of %v", scopes)
	case len(c.Keys) == 0:
		return errors.New("keys has none")
	}
	for _, key := range c.Keys {
		digest, err := hex.DecodeString(key)
		if err != nil || len(digest) != sha256.Size {
			return errors.New("keys are not SHA-256 digests in hexadecimal")
		}
		if [sha256.Size]byte(digest) == sha256.Sum256(nil) {
			return errors.New("keys has the digest of an empty API key")
		}
		if _, taken := k.clients[[sha256.Size]byte(digest)]; taken {
			return errors.New("keys has one that is there already")
		}
		k.clients[[sha256.Size]byte(digest)] = Principal{Org: c.Org, Client: c.Client, Scopes: c.Scopes}
	}
	return nil
}
