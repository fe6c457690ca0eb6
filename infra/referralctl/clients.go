package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
)

type clientsCommand struct {
	Add     addClientCommand     `cmd:"" help:"Add a client, with a new API key."`
	Rotate  rotateClientCommand  `cmd:"" help:"Give a client another API key; the one before goes on for a while."`
	Suspend suspendClientCommand `cmd:"" help:"Refuse a client, or with --lift let it in again."`
	List    listClientsCommand   `cmd:"" help:"List clients and how they are known."`
}

// newKey is what a new API key is made of.
type newKey struct {
	Environment string        `default:"prod" placeholder:"NAME" help:"The part of the key that says where it belongs: ${default}."`
	ValidFor    time.Duration `placeholder:"TIME" help:"When the key ends, from now, such as 8760h; by default never."`
	Pepper      string        `env:"REFERRAL_KEY_PEPPER" placeholder:"BASE64" help:"The server's REFERRAL_KEY_PEPPER; by default the registry gets a plain digest."`
}

// make returns a new key and what the registry holds of it.
func (n *newKey) make() (key string, registered principal.Key, err error) {
	pepper, err := base64.StdEncoding.DecodeString(n.Pepper)
	if err != nil || len(pepper) > 0 && len(pepper) < 32 {
		return "", registered, usageError{errors.New("REFERRAL_KEY_PEPPER or --pepper is base64 of at least 32 bytes")}
	}
	if n.ValidFor < 0 {
		return "", registered, usageError{errors.New("--valid-for is a time from now")}
	}
	key, id, err := principal.NewKey(n.Environment)
	if err != nil {
		return "", registered, usageError{fmt.Errorf("--environment: %w", err)}
	}
	registered = principal.Key{Digest: principal.Digest(key, pepper), ID: id}
	if n.ValidFor > 0 {
		registered.Expires = inWholeSeconds(time.Now().Add(n.ValidFor))
	}
	return key, registered, nil
}

func inWholeSeconds(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

type addClientCommand struct {
	registryFile
	newKey
	Name        string   `arg:"" help:"The client's name in the registry, such as reception."`
	Org         string   `required:"" placeholder:"HPI-O" help:"Its organisation, or operator."`
	Scopes      []string `required:"" placeholder:"SCOPE" help:"submit, read, fill; of the operator operate, audit."`
	NoKey       bool     `help:"It is known by certificates or tokens alone."`
	NASH        bool     `name:"nash" help:"It is known by any NASH certificate of its organisation."`
	Certificate []string `placeholder:"FILE" type:"existingfile" help:"It is known by this very certificate (PEM)."`
	SubjectOf   []string `placeholder:"FILE" type:"existingfile" help:"It is known by certificates with the subject and issuer of this one (PEM)."`
	TokenIssuer string   `placeholder:"URL" help:"It is known by bearer tokens of this issuer for --token-client; without it, for its organisation (REFERRAL_TOKEN_ORG_CLAIM)."`
	TokenClient string   `placeholder:"ID" help:"Its client id at --token-issuer."`
	CIDRs       []string `name:"cidrs" placeholder:"RANGE" help:"Where it calls from, such as 203.0.113.0/24; by default anywhere."`
	RPS         float64  `name:"rps" placeholder:"N" help:"Requests a second in the long run; by default unlimited."`
	Burst       int      `placeholder:"N" help:"Requests at once, where there is --rps."`
	Quota       int      `placeholder:"N" help:"Requests a day; by default unlimited."`
	OwnRequests bool     `help:"Refuse what another organisation is the requester of; by default it is warned about."`
}

// Run adds the client.
func (c *addClientCommand) Run(s *streams) error {
	r, err := c.read(true)
	if err != nil {
		return err
	}
	client := principal.Client{Org: c.Org, Name: c.Name, Quota: c.Quota, OwnRequests: c.OwnRequests}
	for _, scope := range c.Scopes {
		client.Scopes = append(client.Scopes, principal.Scope(scope))
	}
	for _, text := range c.CIDRs {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return usageError{errors.New("--cidrs is a range such as 203.0.113.0/24")}
		}
		client.CIDRs = append(client.CIDRs, prefix)
	}
	if c.RPS != 0 || c.Burst != 0 {
		client.Rate = &principal.Rate{RPS: c.RPS, Burst: c.Burst}
	}
	if client.Certificates, err = c.certificates(); err != nil {
		return err
	}
	if c.TokenIssuer == "" && c.TokenClient != "" {
		return usageError{errors.New("--token-client is a client of --token-issuer")}
	}
	if c.TokenIssuer != "" {
		client.Tokens = []principal.Token{{Issuer: c.TokenIssuer, Client: c.TokenClient, OrgClaim: c.TokenClient == ""}}
	}
	key := ""
	if !c.NoKey {
		var registered principal.Key
		if key, registered, err = c.make(); err != nil {
			return err
		}
		client.Keys = []principal.Key{registered}
	}
	r.clients = append(r.clients, client)
	if err := r.write(); err != nil {
		return err
	}
	return s.printClient(r, &client, key, "was added to")
}

// certificates are those by which the client is known.
func (c *addClientCommand) certificates() (known []principal.Certificate, err error) {
	if c.NASH {
		known = append(known, principal.Certificate{NASH: true})
	}
	for i, path := range slices.Concat(c.Certificate, c.SubjectOf) {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		certificates, err := principal.ParseCertificates(text)
		if err != nil {
			return nil, usageError{fmt.Errorf("%s: %w", path, err)}
		}
		bySubject, err := principal.BySubject(certificates[0])
		if err != nil {
			return nil, usageError{fmt.Errorf("%s: %w", path, err)}
		}
		if i < len(c.Certificate) {
			bySubject = principal.ByThumbprint(certificates[0])
		}
		known = append(known, bySubject)
	}
	return known, nil
}
