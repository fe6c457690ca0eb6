package awslambda

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// request is what net/http would have made of the request that the event tells of.
func (e *event) request(ctx context.Context) (*http.Request, error) {
	method, target := e.HTTPMethod, e.url()
	if e.isV2() {
		method = e.RequestContext.HTTP.Method
	}
	if method == "" || target.Path == "" {
		return nil, ErrNotHTTP
	}
	// NewRequest refuses what is no method.
	r, err := http.NewRequestWithContext(ctx, method, "/", nil)
	if err != nil {
		return nil, ErrNotHTTP
	}
	r.URL, r.RequestURI = target, target.RequestURI()
	r.Header = e.header()
	r.Host = r.Header.Get("Host")
	if r.Host == "" {
		r.Host = e.RequestContext.DomainName
	}
	r.Header.Del("Host") // as net/http does
	r.RemoteAddr = e.remoteAddr(r.Header)
	if cert := e.certificate(); cert != nil {
		r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}}
	}
	r.Body, r.ContentLength = e.body()
	return r, nil
}

func (e *event) url() *url.URL {
	if !e.isV2() {
		u := parsePath(e.Path)
		u.RawQuery = e.query()
		return u
	}
	path := e.RawPath
	// The path of an HTTP API starts with its stage, unless that is the default one.
	if stage := "/" + e.RequestContext.Stage; strings.HasPrefix(path, stage+"/") {
		path = path[len(stage):]
	}
	u := parsePath(path)
	u.RawQuery = e.RawQueryString
	return u
}

// parsePath takes paths as REST APIs, function URLs and load balancers give them, escaped, and as HTTP APIs do,
// decoded, where a lone % may stand.
func parsePath(path string) *url.URL {
	decoded, err := url.PathUnescape(path)
	if err != nil {
		decoded = path
	}
	return &url.URL{Path: decoded, RawPath: path} // a RawPath that does not encode Path is ignored
}

// query is the query string of a REST API, whose event has the values decoded, or of a load balancer, whose event has
// them as they were sent. Names keep no order among each other.
func (e *event) query() string {
	values := e.MultiValueQuery
	if values == nil {
		values = map[string][]string{}
		for name, value := range e.Query {
			values[name] = []string{value}
		}
	}
	if !e.isLoadBalancer() {
		return url.Values(values).Encode()
	}
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		for _, value := range values[name] {
			pairs = append(pairs, name+"="+value)
		}
	}
	return strings.Join(pairs, "&")
}

func (e *event) header() http.Header {
	header := http.Header{}
	for name, values := range e.MultiValueHeaders {
		for _, value := range values {
			header.Add(name, value)
		}
	}
	if e.MultiValueHeaders == nil {
		for name, value := range e.Headers {
			header.Add(name, value)
		}
	}
	if len(e.Cookies) > 0 {
		header.Set("Cookie", strings.Join(e.Cookies, "; "))
	}
	return header
}

// remoteAddr is the caller's address in net/http's form, with port 0, or empty. A load balancer appends it to
// X-Forwarded-For: what stands before the last comma is only what the caller says.
func (e *event) remoteAddr(header http.Header) string {
	source := e.RequestContext.Identity.SourceIP
	switch {
	case e.isV2():
		source = e.RequestContext.HTTP.SourceIP
	case e.isLoadBalancer():
		source = strings.Join(header.Values("X-Forwarded-For"), ",")
		source = strings.TrimSpace(source[strings.LastIndex(source, ",")+1:])
	}
	address, err := netip.ParseAddr(source)
	if err != nil {
		return ""
	}
	return net.JoinHostPort(address.String(), "0")
}

// certificate is the client certificate, or nil when there is none or more or less than one in the PEM. Load
// balancers give theirs in headers, which without mutual TLS are the caller's own words: it is not taken.
func (e *event) certificate() *x509.Certificate {
	text := e.RequestContext.Identity.ClientCert.PEM
	if e.isV2() {
		text = e.RequestContext.Authentication.ClientCert.PEM
	}
	if e.isLoadBalancer() {
		return nil
	}
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" || strings.TrimSpace(string(rest)) != "" {
		return nil
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil
	}
	return cert
}

// body is the request's body and its length in bytes, -1 when it cannot be read.
func (e *event) body() (io.ReadCloser, int64) {
	if e.Body == "" {
		return http.NoBody, 0
	}
	if !e.IsBase64Encoded {
		return io.NopCloser(strings.NewReader(e.Body)), int64(len(e.Body))
	}
	decoded, err := base64.StdEncoding.DecodeString(e.Body)
	if err != nil {
		return io.NopCloser(unreadable{err}), -1
	}
	return io.NopCloser(bytes.NewReader(decoded)), int64(len(decoded))
}

// unreadable is a body that fails as a broken connection would.
type unreadable struct{ err error }

func (u unreadable) Read([]byte) (int, error) { return 0, u.err }
