package lambdahost_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/infra/lambdahost"
	"github.com/ausbizconsulting/referral-fhir-server/shared/awslambda"
)

// invoker is a function in process.
type invoker func(context.Context, []byte) ([]byte, error)

func (f invoker) Invoke(ctx context.Context, payload []byte) ([]byte, error) { return f(ctx, payload) }

// TestHTTPLosesNothing: between a client and a handler, events change nothing that matters.
func TestHTTPLosesNothing(t *testing.T) {
	cert := certificate(t)
	for name, contentType := range map[string]string{"text": "application/json", "base64": "application/fhir+json"} {
		t.Run(name, func(t *testing.T) {
			const body = `{"family":"Ó Súilleabháin"}`
			var got *http.Request
			var gotBody []byte
			handler := awslambda.Handle(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				got = r
				gotBody, _ = io.ReadAll(r.Body)
				w.Header().Add("Set-Cookie", "a=1")
				w.Header().Add("Set-Cookie", "b=2")
				w.Header().Set("X-Request-ID", "of the function")
				w.WriteHeader(http.StatusAccepted)
				_, _ = w.Write([]byte{0, 0xff})
			}))
			r := httptest.NewRequest(http.MethodPost, "/fhir/a%2Fb?x=1&y=%20&x=2", strings.NewReader(body))
			r.Header = http.Header{"Content-Type": {contentType}, "Prefer": {"a", "b"}, "Cookie": {"c=3; d=4"}}
			r.RemoteAddr = "[2001:db8::1]:1234"
			r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}}
			w := httptest.NewRecorder()
			lambdahost.HTTP(handler).ServeHTTP(w, r)
			if got.RequestURI != "/fhir/a%2Fb?x=1&y=%20&x=2" || got.Host != "example.com" || got.RemoteAddr != "[2001:db8::1]:0" ||
				got.Method != http.MethodPost || string(gotBody) != body || !got.TLS.PeerCertificates[0].Equal(cert) {
				t.Errorf("got %+v with body %q", got, gotBody)
			}
			want := http.Header{"Content-Type": {contentType}, "Prefer": {"a,b"}, "Cookie": {"c=3; d=4"}}
			if diff := cmp.Diff(want, got.Header); diff != "" {
				t.Errorf("header (-want +got):\n%s", diff)
			}
			if w.Code != http.StatusAccepted || w.Body.String() != "\x00\xff" || w.Header().Get("X-Request-Id") != "of the function" {
				t.Errorf("got %d %q %v", w.Code, w.Body, w.Header())
			}
			if diff := cmp.Diff([]string{"a=1", "b=2"}, w.Header().Values("Set-Cookie")); diff != "" {
				t.Errorf("cookies (-want +got):\n%s", diff)
			}
		})
	}
}

// certificate is that of the events in testdata.
func certificate(t testing.TB) *x509.Certificate {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(testdata, "lambda", "http-v2.json"))
	if err != nil {
		t.Fatal(err)
	}
	var event struct {
		RequestContext struct {
			Authentication struct {
				ClientCert struct{ ClientCertPem string }
			}
		}
	}
	if err := json.Unmarshal(text, &event); err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(event.RequestContext.Authentication.ClientCert.ClientCertPem))
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// TestHTTPErrors: what the function does not answer is an OperationOutcome that tells nothing of the function's.
func TestHTTPErrors(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer string
		err    error
		body   io.Reader
		want   int
	}{
		{"throttled", "", lambdahost.ErrThrottled, nil, 503},
		{"closed", "", lambdahost.ErrClosed, nil, 503},
		{"timed out", "", &lambdahost.FunctionError{Type: "Sandbox.Timedout"}, nil, 504},
		{"caller's time is up", "", context.DeadlineExceeded, nil, 504},
		{"exited", "", &lambdahost.FunctionError{Type: "Runtime.ExitError"}, nil, 502},
		{"failed", "", fmt.Errorf("zqx: %w", &lambdahost.FunctionError{Type: "zqx", Payload: []byte("zqx")}), nil, 502},
		{"did not start", "", errors.New("zqx"), nil, 502},
		{"no JSON", "zqx", nil, nil, 502},
		{"no status", `{"body":"zqx"}`, nil, nil, 502},
		{"bad status", `{"statusCode":1000}`, nil, nil, 502},
		{"bad base64", `{"statusCode":200,"body":"zqx!","isBase64Encoded":true}`, nil, nil, 502},
		{"body too large", "", nil, strings.NewReader(strings.Repeat("a", 6291557)), 413},
		{"event too large", "", lambdahost.ErrPayloadTooLarge, nil, 413},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			lambdahost.HTTP(invoker(func(context.Context, []byte) ([]byte, error) { return []byte(test.answer), test.err })).
				ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/fhir", test.body))
			if w.Code != test.want || !strings.Contains(w.Body.String(), `"OperationOutcome"`) || strings.Contains(w.Body.String(), "zqx") {
				t.Errorf("got %d %s, want %d and an OperationOutcome", w.Code, w.Body, test.want)
			}
			if got := w.Header().Get("Retry-After") != ""; got != (test.want == 503) {
				t.Errorf("got Retry-After: %v", got)
			}
		})
	}
}
