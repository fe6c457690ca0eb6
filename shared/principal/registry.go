package principal

import (
	"crypto/sha256"
	"encoding/json"
	"net/netip"
	"regexp"
	"slices"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/identifier"
)

// Client is a client in a registry.
type Client struct {
	Org          string         `json:"org"`    // HPI-O, or "operator"
	Name         string         `json:"client"` // unique in the registry
	Keys         []Key          `json:"keys,omitempty"`
	Certificates []Certificate  `json:"certificates,omitempty"`
	Tokens       []Token        `json:"tokens,omitempty"`
	Scopes       []Scope        `json:"scopes"`
	CIDRs        []netip.Prefix `json:"cidrs,omitempty"` // where it calls from; none: anywhere
	Rate         *Rate          `json:"rate,omitempty"`  // nil: unlimited
	Quota        int            `json:"quota,omitempty"` // requests a day; 0: unlimited
	Suspended    bool           `json:"suspended,omitempty"`
	// OwnRequests refuses requests whose requester is of another organisation; else they are warned about.
	OwnRequests bool `json:"ownRequests,omitempty"`
}

// Rate is that of a usage plan of API Gateway.
type Rate struct {
	RPS   float64 `json:"rps"`   // requests a second in the long run, above 0
	Burst int     `json:"burst"` // requests at once, from 1
}

// Certificate is what a registry knows of a client's certificates: one of its three forms.
type Certificate struct {
	// SHA256 is the thumbprint of one certificate, in hexadecimal, of whatever issuer.
	SHA256 string `json:"sha256,omitempty"`
	// Subject and Issuer are names as RFC 4514 writes them, of any certificate that a configured CA has issued.
	Subject string `json:"subject,omitempty"`
	Issuer  string `json:"issuer,omitempty"`
	// NASH is for any NASH certificate of the client's organisation. One client of an organisation may have it.
	NASH bool `json:"nash,omitempty"`
}

// Token is what a registry knows of a client's bearer tokens: who issues them, and one of two forms.
type Token struct {
	Issuer string `json:"issuer"` // as the claim iss has it
	// Client is the client's id at the issuer.
	Client string `json:"client,omitempty"`
	// OrgClaim is for tokens of whatever client that name the client's organisation in the claim of the settings. One
	// client of an organisation may have it for an issuer.
	OrgClaim bool `json:"orgClaim,omitempty"`
}

// Registry is the clients of one document. It is immutable and safe for concurrent use.
type Registry struct {
	clients     []Client
	orgs        map[string]bool    // that have a client
	keys        map[digest]heldKey // by SHA-256
	peppered    map[digest]heldKey // by HMAC-SHA256
	thumbprints map[digest]*Client
	subjects    map[subject]*Client
	nash        map[string]*Client // by HPI-O
	tokens      map[tokenHolder]*Client
}

type (
	digest  = [sha256.Size]byte
	heldKey struct {
		client *Client
		Key
	}
	subject     struct{ subject, issuer string }
	tokenHolder struct{ issuer, client, org string } // client or org is empty
)

// Clients returns the clients in their order, for their editor. The slices within are the registry's.
func (r *Registry) Clients() []Client { return slices.Clone(r.clients) }

// FormatRegistry returns the document of clients, in lines for people. ParseRegistry says whether it is a good one.
func FormatRegistry(clients []Client) ([]byte, error) {
	document, err := json.MarshalIndent(map[string][]Client{"clients": clients}, "", "  ")
	return append(document, '\n'), err
}

// ParseRegistry returns the clients of a registry in JSON, such as
//
//	{"clients": [{
//	  "org": "8003621566684455", "client": "reception", "scopes": ["submit", "read"],
//	  "keys": ["<SHA-256 of an API key, in hexadecimal>", {"digest": "hmac:<HMAC-SHA256>", "id": "…", "expires": "2027-01-31T00:00:00Z"}],
//	  "certificates": [{"sha256": "<thumbprint>"}, {"subject": "CN=…,O=…", "issuer": "CN=…"}, {"nash": true}],
//	  "tokens": [{"issuer": "https://…", "client": "<client id>"}, {"issuer": "https://…", "orgClaim": true}],
//	  "cidrs": ["203.0.113.0/24"], "rate": {"rps": 10, "burst": 20}, "quota": 10000, "suspended": false, "ownRequests": false
//	}]}
//
// org, client, scopes and one of keys, certificates and tokens must be there. A client has at most two keys that are
// live at now, for the time in which they change; each key, thumbprint, subject and holder of tokens is one client's. Errors name line, column
// and path, never what stands there.
func ParseRegistry(document []byte, now time.Time) (*Registry, error) {
	r := &Registry{
		keys: map[digest]heldKey{}, peppered: map[digest]heldKey{},
		thumbprints: map[digest]*Client{}, subjects: map[subject]*Client{}, nash: map[string]*Client{},
		tokens: map[tokenHolder]*Client{}, orgs: map[string]bool{},
	}
	if err := r.parse(document, now); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *Registry) parse(document []byte, now time.Time) error {
	root, err := decode(document)
	if err != nil {
		return err
	}
	members, err := root.members("clients")
	if err != nil {
		return err
	}
	clients, err := members["clients"].elements()
	if err != nil {
		return err
	}
	r.clients = make([]Client, len(clients))
	names := map[string]bool{}
	for i, n := range clients {
		c := &r.clients[i] // it stays there: the maps point to it
		if err := r.client(n, c, now); err != nil {
			return err
		}
		if names[c.Name] {
			return node{n.Get("client"), n.path + ".client"}.wrong("is another's, too")
		}
		names[c.Name], r.orgs[c.Org] = true, true
	}
	return nil
}

var (
	namePattern  = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)
	keyIDPattern = regexp.MustCompile(`^[a-z0-9]{1,16}$`)
	scopes       = []Scope{Submit, Read, Fill, Operate, Audit}
)

// operator is the organisation of who runs the deployment.
const operator = "operator"

// client reads n into c and makes it known.
func (r *Registry) client(n node, c *Client, now time.Time) error {
	m, err := n.members("org", "client", "scopes", "|", "keys", "certificates", "tokens", "cidrs", "rate", "quota", "suspended", "ownRequests")
	if err != nil {
		return err
	}
	if c.Org, err = m["org"].text(); err != nil {
		return err
	}
	if c.Org != operator && !identifier.IsHPIO(c.Org) { // a mistyped one would be another's, now or later
		return m["org"].wrong(`is neither an HPI-O with its check digit nor "operator"`)
	}
	if c.Name, err = m["client"].text(); err != nil {
		return err
	}
	if !namePattern.MatchString(c.Name) {
		return m["client"].wrong("is not a name of 1 to 64 lower-case letters, digits and . _ -")
	}
	if c.Suspended, err = m["suspended"].flag(); err != nil {
		return err
	}
	if c.OwnRequests, err = m["ownRequests"].flag(); err != nil {
		return err
	}
	if c.Quota, err = m["quota"].count(); err != nil {
		return err
	}
	if m["keys"].Value == nil && m["certificates"].Value == nil && m["tokens"].Value == nil {
		return n.wrong("has neither keys nor certificates nor tokens, by which it could be known")
	}
	for _, read := range []func() error{
		func() error { return c.readScopes(m["scopes"]) },
		func() error { return c.readCIDRs(m["cidrs"]) },
		func() error { return c.readRate(m["rate"]) },
		func() error { return r.readKeys(m["keys"], c, now) },
		func() error { return r.readCertificates(m["certificates"], c) },
		func() error { return r.readTokens(m["tokens"], c) },
	} {
		if err := read(); err != nil {
			return err
		}
	}
	return nil
}
