// Package principal says who is calling: an organisation, a client of it and what that client may do.
//
// It promises that a caller is known only by what it proved, in constant time over the keys, and that the
// development clients work nowhere but on loopback. What a principal may see is the store's rule, not this
// package's.
package principal

import (
	"crypto/sha256"
	"net/http"
	"net/netip"
	"slices"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// Scope is a right of a client.
type Scope string

// The scopes.
const (
	Submit  Scope = "submit"  // send submissions
	Read    Scope = "read"    // read what is one's own or addressed to one
	Fill    Scope = "fill"    // find and take up a group of requests that has no owner
	Operate Scope = "operate" // replay, discard and archive dead letters
	Audit   Scope = "audit"   // read the audit
)

// Principal is an authenticated caller.
type Principal struct {
	Org    string // HPI-O, 16 digits
	Client string // the client's name within the organisation
	Scopes []Scope
}

// Allow returns nil when p has scope, and a *fhir.Error with code forbidden when not.
func (p Principal) Allow(scope Scope) error {
	if slices.Contains(p.Scopes, scope) {
		return nil
	}
	return fhir.NewError(fhir.CodeForbidden, "", "This client may not do that: it lacks the scope "+string(scope))
}

// Keys knows clients by the API key in the header x-api-key. It is immutable and safe for concurrent use.
type Keys struct {
	clients map[[sha256.Size]byte]Principal
}

// Development returns the four clients of a server that listens on loopback: dev-sender, dev-recipient, dev-other
// and dev-operator. A server on any other address must not offer them.
func Development() *Keys {
	k := &Keys{clients: map[[sha256.Size]byte]Principal{}}
	exchange := []Scope{Submit, Read, Fill}
	for _, p := range []Principal{
		{Org: "8003621566684455", Client: "dev-sender", Scopes: exchange},
		{Org: "8003624900041689", Client: "dev-recipient", Scopes: exchange},
		{Org: "8003629900040359", Client: "dev-other", Scopes: exchange},
		{Org: "operator", Client: "dev-operator", Scopes: []Scope{Operate, Audit}},
	} {
		k.clients[sha256.Sum256([]byte(p.Client))] = p
	}
	return k
}

// Authenticate returns who sent r. The error is a *fhir.Error with code login: no key, two keys and an unknown one
// are told apart for nobody. Keys are compared by their SHA-256, so that timing says nothing about them.
func (k *Keys) Authenticate(r *http.Request) (Principal, error) {
	if values := r.Header.Values("X-Api-Key"); len(values) == 1 {
		if p, ok := k.clients[sha256.Sum256([]byte(values[0]))]; ok {
			return p, nil
		}
	}
	return Principal{}, fhir.NewError(fhir.CodeLogin, "", "An API key of a known client is needed in the header x-api-key")
}

// OnLoopback tells whether address (host:port) can be reached from this machine only, as Development asks.
func OnLoopback(address string) bool {
	a, err := netip.ParseAddrPort(address)
	return err == nil && a.Addr().IsLoopback()
}
