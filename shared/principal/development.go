package principal

import "context"

// DevelopmentClients is the name of the registry whose clients are those of Development.
const DevelopmentClients = "development"

// development is the registry of a server that listens on loopback.
type development struct{}

// Read returns the registry of the development clients, each of which has its name as its key, and NASH certificates as
// referralctl certs makes them.
func (development) Read(_ context.Context, seen string) (document []byte, version string, err error) {
	if seen != "" {
		return nil, seen, nil
	}
	exchange := []Scope{Submit, Read, Fill}
	clients := []Client{
		{Org: "8003621566684455", Name: "dev-sender", Scopes: exchange},
		{Org: "8003624900041689", Name: "dev-recipient", Scopes: exchange},
		{Org: "8003629900040359", Name: "dev-other", Scopes: exchange},
		{Org: operator, Name: "dev-operator", Scopes: []Scope{Operate, Audit}},
	}
	for i := range clients {
		c := &clients[i]
		c.Keys = []Key{{Digest: Digest(c.Name, nil)}}
		if c.Org != operator {
			c.Certificates = []Certificate{{NASH: true}}
		}
	}
	document, err = FormatRegistry(clients)
	return document, "1", err
}

// Development returns who knows four clients by their keys: dev-sender, dev-recipient, dev-other and dev-operator. A
// server on any other address than loopback must not offer them.
func Development() *Authenticator {
	a, err := Open(context.Background(), Config{Registry: development{}})
	if err != nil {
		panic(err) // the clients above are wrong
	}
	return a
}
