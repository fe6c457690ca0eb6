package awslambda_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/awslambda"
)

// event is an event of testdata, to be changed and marshalled again.
type event map[string]any

func load(t testing.TB, name string) event {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "testdata", "lambda", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var e event
	if err := json.Unmarshal(text, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

// at returns the object that names lead to.
func (e event) at(names ...string) map[string]any {
	object := map[string]any(e)
	for _, name := range names {
		object = object[name].(map[string]any)
	}
	return object
}

func (e event) payload(t testing.TB) []byte {
	t.Helper()
	payload, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// invoke answers e with h and returns the response.
func invoke(t testing.TB, e event, h http.HandlerFunc) map[string]any {
	t.Helper()
	answer, err := awslambda.Handle(h).Invoke(t.Context(), e.payload(t))
	if err != nil {
		t.Fatal(err)
	}
	var response map[string]any
	if err := json.Unmarshal(answer, &response); err != nil {
		t.Fatalf("%s: %v", answer, err)
	}
	return response
}

// seen is what a handler sees of a request.
type seen struct {
	Method, Path, EscapedPath, RequestURI, Host, RemoteAddr, Certificate string

	Query  map[string][]string
	Header http.Header
	Length int64
	Body   string
	Broken bool // the body cannot be read
}

func see(t testing.TB, e event) (s seen) {
	t.Helper()
	invoke(t, e, func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		s = seen{
			Method: r.Method, Path: r.URL.Path, EscapedPath: r.URL.EscapedPath(), RequestURI: r.RequestURI, Host: r.Host,
			RemoteAddr: r.RemoteAddr, Query: r.URL.Query(), Header: r.Header, Length: r.ContentLength, Body: string(body), Broken: err != nil,
		}
		if r.TLS != nil {
			s.Certificate = r.TLS.PeerCertificates[0].Subject.CommonName
		}
	})
	return s
}

const body = `{"resourceType":"Bundle","type":"transaction","entry":[]}`

func TestRequest(t *testing.T) {
	header := func(changes http.Header) http.Header {
		h := http.Header{
			"Accept": {"application/fhir+json"}, "Accept-Encoding": {"gzip, br"}, "Content-Type": {"application/fhir+json; charset=utf-8"},
			"Prefer": {"respond-async", "handling=strict"}, "User-Agent": {"clinic/1.0"}, "X-Amzn-Trace-Id": {"Root=1-6921a0c4-0123456789abcdef01234567"},
			"X-Api-Key": {"dev-sender"}, "X-Forwarded-For": {"203.0.113.99, 198.51.100.7"}, "X-Forwarded-Port": {"443"}, "X-Forwarded-Proto": {"https"},
		}
		for name, values := range changes {
			h[name] = values
		}
		return h
	}
	const certificate = "general.8003621566684455.id.electronichealth.net.au"
	names := []string{"O'Brien & Söhne"}
	for name, want := range map[string]seen{
		"rest-v1": {
			RequestURI: "/fhir/Patient%2F1/x%20y?_id=a&_id=b&name=O%27Brien+%26+S%C3%B6hne", RemoteAddr: "198.51.100.7:0", Certificate: certificate,
			Query: map[string][]string{"_id": {"a", "b"}, "name": names}, Header: header(nil),
		},
		"http-v2": { // decoded by API Gateway
			Path: "/fhir/Patient/1/x y 100%", EscapedPath: "/fhir/Patient/1/x%20y%20100%25", Certificate: certificate,
			RequestURI: "/fhir/Patient/1/x%20y%20100%25?_id=a&name=O%27Brien+%26+S%C3%B6hne&_id=b", RemoteAddr: "198.51.100.7:0",
			Query: map[string][]string{"_id": {"a", "b"}, "name": names}, Header: header(http.Header{
				"Prefer": {"respond-async,handling=strict"}, "Cookie": {"one=1; two=2"},
			}),
		},
		"function-url": {
			RequestURI: "/fhir/Patient%2F1/x%20y?_id=a&_id=b", RemoteAddr: "[2001:db8::7]:0", Query: map[string][]string{"_id": {"a", "b"}},
			Header: header(http.Header{"Prefer": {"respond-async,handling=strict"}, "Content-Type": {"application/json"}}),
		},
		"alb": {
			RequestURI: "/fhir/Patient%2F1/x%20y?_id=b&name=O%27Brien%20%26%20S%C3%B6hne", RemoteAddr: "198.51.100.7:0",
			Query: map[string][]string{"_id": {"b"}, "name": names}, Header: header(http.Header{"Prefer": {"handling=strict"}}),
		},
		"alb-multi-value": {
			RequestURI: "/fhir/Patient%2F1/x%20y?_id=a&_id=b&name=O%27Brien%20%26%20S%C3%B6hne", RemoteAddr: "198.51.100.7:0",
			Query: map[string][]string{"_id": {"a", "b"}, "name": names}, Header: header(nil),
		},
	} {
		t.Run(name, func(t *testing.T) {
			want.Method, want.Host, want.Body, want.Length = "POST", "referrals.example", body, int64(len(body))
			if want.Path == "" {
				want.Path, want.EscapedPath = "/fhir/Patient/1/x y", "/fhir/Patient%2F1/x%20y"
			}
			if diff := cmp.Diff(want, see(t, load(t, name))); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPath(t *testing.T) {
	for _, test := range []struct{ shape, path, stage, want, escaped string }{
		{"http-v2", "/fhir", "$default", "/fhir", "/fhir"},
		{"http-v2", "/prod/fhir", "prod", "/fhir", "/fhir"},
		{"http-v2", "/production/fhir", "prod", "/production/fhir", "/production/fhir"},
		{"http-v2", "/fhir?_id=1#x", "$default", "/fhir?_id=1#x", "/fhir%3F_id=1%23x"},
		{"http-v2", "//fhir", "$default", "//fhir", "//fhir"},
		{"http-v2", "/fhir/%", "$default", "/fhir/%", "/fhir/%25"},
		{"function-url", "/fhir/%2e%2e/x", "$default", "/fhir/../x", "/fhir/%2e%2e/x"},
		{"function-url", "/fhir/a%00b", "$default", "/fhir/a\x00b", "/fhir/a%00b"},
	} {
		e := load(t, test.shape)
		e["rawPath"], e.at("requestContext")["stage"] = test.path, test.stage
		if got := see(t, e); got.Path != test.want || got.EscapedPath != test.escaped {
			t.Errorf("%s %s: got %q, escaped %q; want %q, %q", test.shape, test.path, got.Path, got.EscapedPath, test.want, test.escaped)
		}
	}
}

// TestOneValueOfEach: a REST API gives both forms, and an event that somebody made by hand perhaps only the simple one.
func TestOneValueOfEach(t *testing.T) {
	e := load(t, "rest-v1")
	delete(e, "multiValueHeaders")
	delete(e, "multiValueQueryStringParameters")
	got := see(t, e)
	if got.Header.Get("X-Api-Key") != "dev-sender" || got.Query["_id"][0] != "b" {
		t.Errorf("got %+v, want the header and the query value", got)
	}
}

func TestHost(t *testing.T) {
	e := load(t, "http-v2")
	delete(e.at("headers"), "host")
	e.at("requestContext")["domainName"] = "api.example"
	if got := see(t, e); got.Host != "api.example" {
		t.Errorf("got host %q, want the domain name", got.Host)
	}
}

// TestBrokenBase64 gives the handler a body that fails, as a connection does that breaks.
func TestBrokenBase64(t *testing.T) {
	for _, text := range []string{"e30", "e30=e30=", "%%%%", "e30= "} {
		e := load(t, "rest-v1")
		e["body"] = text
		if got := see(t, e); !got.Broken || got.Body != "" || got.Length != -1 {
			t.Errorf("%q: got body %q of length %d, broken %v; want one that cannot be read", text, got.Body, got.Length, got.Broken)
		}
	}
}

func TestNoBody(t *testing.T) {
	for _, none := range []any{nil, ""} {
		e := load(t, "rest-v1")
		e["body"] = none
		if got := see(t, e); got.Broken || got.Body != "" || got.Length != 0 {
			t.Errorf("%v: got %+v, want an empty body", none, got)
		}
	}
}

func TestSourceAddress(t *testing.T) {
	for _, test := range []struct {
		name, shape string
		change      func(event)
		want        string
	}{
		{"the caller's X-Forwarded-For counts for nothing at API Gateway", "rest-v1", func(e event) {
			e.at("multiValueHeaders")["X-Forwarded-For"] = []string{"192.0.2.1"}
		}, "198.51.100.7:0"},
		{"nor in front of what a load balancer appended", "alb", func(e event) {
			e.at("headers")["x-forwarded-for"] = "192.0.2.1,192.0.2.2, 2001:db8::1"
		}, "[2001:db8::1]:0"},
		{"a load balancer's own address only", "alb", func(e event) { e.at("headers")["x-forwarded-for"] = "192.0.2.1" }, "192.0.2.1:0"},
		{"none", "alb", func(e event) { delete(e.at("headers"), "x-forwarded-for") }, ""},
		{"no address", "http-v2", func(e event) { e.at("requestContext", "http")["sourceIp"] = "nobody" }, ""},
	} {
		e := load(t, test.shape)
		test.change(e)
		if got := see(t, e).RemoteAddr; got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

// TestCertificate: what is not exactly one certificate is none, and headers never give one.
func TestCertificate(t *testing.T) {
	pem := load(t, "rest-v1").at("requestContext", "identity", "clientCert")["clientCertPem"].(string)
	lines := strings.Split(pem, "\n")
	for name, text := range map[string]any{
		"absent": nil, "empty": "", "text": "CN=general.8003621566684455", "cut": pem[:len(pem)/2], "two": pem + pem, "something behind": pem + "x",
		"other type": strings.ReplaceAll(pem, "CERTIFICATE", "PUBLIC KEY"), "damaged": strings.Replace(pem, lines[1], "AAAA"+lines[1][4:], 1),
	} {
		for shape, path := range map[string][]string{
			"rest-v1": {"requestContext", "identity"}, "http-v2": {"requestContext", "authentication"},
		} {
			e := load(t, shape)
			e.at(append(path, "clientCert")...)["clientCertPem"] = text
			if got := see(t, e).Certificate; got != "" {
				t.Errorf("%s, %s: got the certificate of %s, want none", shape, name, got)
			}
		}
	}
	for _, shape := range []string{"alb", "function-url"} {
		e := load(t, shape)
		for _, header := range []string{"x-amzn-mtls-clientcert", "x-amzn-mtls-clientcert-leaf", "x-client-cert", "x-forwarded-client-cert"} {
			e.at("headers")[header] = pem
		}
		if got := see(t, e).Certificate; got != "" {
			t.Errorf("%s: got the certificate of %s from a header, want none", shape, got)
		}
	}
	e := load(t, "alb") // a load balancer has no such field; whoever made this event lies
	e.at("requestContext")["identity"] = map[string]any{"clientCert": map[string]any{"clientCertPem": pem}}
	if got := see(t, e).Certificate; got != "" {
		t.Errorf("alb: got the certificate of %s, want none", got)
	}
}

func TestOtherEventsAreRefused(t *testing.T) {
	sqs := load(t, "sqs").payload(t)
	for _, payload := range []string{string(sqs), "", "null", "7", "[]", "{", `{"httpMethod":"GET"}`, `{"path":"/fhir"}`,
		`{"httpMethod":"BAD METHOD","path":"/"}`, `{"version":"2.0","httpMethod":"GET","path":"/"}`, `{"httpMethod":7,"path":"/"}`} {
		handler := awslambda.Handle(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Errorf("%s reached the handler", payload) }))
		if _, err := handler.Invoke(t.Context(), []byte(payload)); !errors.Is(err, awslambda.ErrNotHTTP) {
			t.Errorf("%.40s: got error %v, want ErrNotHTTP", payload, err)
		}
	}
}

func TestContextReachesTheHandler(t *testing.T) {
	deadline := time.Now().Add(time.Minute)
	ctx, cancel := context.WithDeadline(t.Context(), deadline)
	defer cancel()
	var got time.Time
	handler := awslambda.Handle(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got, _ = r.Context().Deadline() }))
	if _, err := handler.Invoke(ctx, load(t, "alb").payload(t)); err != nil || !got.Equal(deadline) {
		t.Errorf("got deadline %v, error %v; want that of the invocation, %v", got, err, deadline)
	}
}
