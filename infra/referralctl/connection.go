package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/client"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
)

const (
	defaultServer = "http://127.0.0.1:8080"
	devKey        = "dev-sender" // known to servers on loopback only, as is
	devAuditKey   = "dev-operator"
)

// connection says which server is meant and who calls.
type connection struct {
	Server string `env:"REFERRAL_BASE_URL" placeholder:"URL" default:"http://127.0.0.1:8080" help:"The server, without /fhir: ${default}."`
	Key    string `env:"REFERRAL_API_KEY" placeholder:"KEY" help:"The API key; of a server on this machine dev-sender."`

	CACert  string `name:"cacert" env:"REFERRAL_CACERT" placeholder:"FILE" help:"The CA of the server's certificate (PEM); by default those of this machine."`
	Cert    string `name:"cert" env:"REFERRAL_CERT" placeholder:"FILE" help:"The client certificate (PEM), where the server asks for one."`
	CertKey string `name:"cert-key" env:"REFERRAL_CERT_KEY" placeholder:"FILE" help:"Its private key (PEM)."`
}

// open returns a client of the server.
func (c *connection) open() (*client.Client, error) {
	server := c.Server
	if server == "" {
		server = defaultServer
	}
	base, err := url.Parse(strings.TrimSuffix(strings.TrimRight(server, "/"), "/fhir"))
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" || base.RawQuery != "" || base.User != nil {
		return nil, usageError{errors.New("--server or REFERRAL_BASE_URL must be an http or https URL, such as " + defaultServer)}
	}
	key := c.Key
	if key == "" {
		if !onLoopback(base.Hostname()) {
			return nil, usageError{fmt.Errorf("which API key does %s know? Set REFERRAL_API_KEY or --key", base)}
		}
		key = devKey
	}
	if principal.Mistyped(key) {
		return nil, usageError{errors.New("the API key is not whole: its last part does not fit the others. Was it copied to its end?")}
	}
	transport, err := c.transport()
	if err != nil {
		return nil, usageError{err}
	}
	return &client.Client{Base: base, Key: key, Transport: transport}, nil
}

// transport returns one with the certificates, or nil where there are none.
func (c *connection) transport() (http.RoundTripper, error) {
	if c.CACert == "" && c.Cert == "" && c.CertKey == "" {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CACert != "" {
		authority, err := os.ReadFile(c.CACert)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(authority) {
			return nil, errors.New("--cacert or REFERRAL_CACERT has no certificate in PEM")
		}
	}
	if c.Cert != "" || c.CertKey != "" {
		pair, err := tls.LoadX509KeyPair(c.Cert, c.CertKey)
		if err != nil {
			return nil, fmt.Errorf("--cert and --cert-key: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = config
	return transport, nil
}

func onLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

// explain adds to an error of the server at base what to do about it.
func explain(err error, base *url.URL) error {
	if refusal, ok := errors.AsType[*client.Error](err); ok {
		var advice string
		switch status := refusal.Status; {
		case status == http.StatusUnauthorized:
			advice = "The server does not know this API key or client certificate: set REFERRAL_API_KEY or --key, and --cert with --cert-key"
		case status == http.StatusForbidden:
			advice = "The server knows this API key, and its client may not do that: use another with REFERRAL_API_KEY or --key"
		case status/100 == 3, status == http.StatusNotFound, status == http.StatusMethodNotAllowed, status == http.StatusNotAcceptable:
			advice = "Is a Referral FHIR Server there? Name its base URL, without /fhir, with --server"
		case refusal.Later():
			advice = "The server is up and cannot take more at the moment; see its /health/ready, and try again later"
		default:
			return err
		}
		return fmt.Errorf("%s answered %w\n%s", base, err, advice)
	}
	if _, ok := errors.AsType[*client.Unreachable](err); ok {
		return fmt.Errorf("cannot reach %s: %w\nIs the server running? Start one with make run, or name another with --server", base, err)
	}
	return err
}
