// Package principal says who is calling: an organisation, a client of it and what that client may do.
//
// It promises that a caller is known only by what it proved: an API key, of which a registry holds digests, the client
// certificate of the connection, both of one organisation, or a bearer token that an issuer has signed for this server.
// A header never stands for a certificate. The registry, the lists of revoked certificates and issuers' keys are read
// again while the server runs; a wrong one never replaces a good one. Development clients work nowhere but on loopback.
// Nothing of a key or token is in errors or logs.
//
// It leaves to its users that the connection is TLS, or to AWS where API Gateway ends it, to the hosts that limits are
// kept, and to the store what a principal may see.
package principal

import (
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
	Org    string // HPI-O, 16 digits, or "operator"
	Client string // the client's name, unique in the registry
	Scopes []Scope
	Limits Limits // for the host to keep
	// OwnRequests is of a client that does not send on behalf of other organisations.
	OwnRequests bool
}

// Limits are how much a client may ask for. A zero field is no limit.
type Limits struct {
	RPS    float64 // requests a second in the long run
	Burst  int     // requests at once; at least 1 where RPS is set
	PerDay int     // requests a day
}

// Allow returns nil when p has scope, and a *fhir.Error with code forbidden when not.
func (p Principal) Allow(scope Scope) error {
	if slices.Contains(p.Scopes, scope) {
		return nil
	}
	return fhir.NewError(fhir.CodeForbidden, "", "This client may not do that: it lacks the scope "+string(scope))
}

// OnLoopback tells whether address (host:port) can be reached from this machine only, as Development asks.
func OnLoopback(address string) bool {
	a, err := netip.ParseAddrPort(address)
	return err == nil && a.Addr().IsLoopback()
}
