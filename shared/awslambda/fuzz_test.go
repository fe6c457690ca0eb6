package awslambda_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/awslambda"
)

// FuzzInvoke: whatever the payload is, it is refused or the handler sees a request of sound parts, and the answer gives
// back exactly the bytes that the handler wrote.
func FuzzInvoke(f *testing.F) {
	paths, err := filepath.Glob(filepath.Join("..", "..", "testdata", "lambda", "*.json"))
	if err != nil || len(paths) == 0 {
		f.Fatalf("got %d events, error %v; want some", len(paths), err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"version":"2.0","rawPath":"/%zz?#","requestContext":{"http":{"method":"GET","sourceIp":"::ffff:1.2.3.4%1"}},"isBase64Encoded":true,"body":"="}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		var read string
		handler := awslambda.Handle(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if (err != nil) != (r.ContentLength < 0) || err == nil && r.ContentLength != int64(len(body)) {
				t.Errorf("got %d bytes and error %v with ContentLength %d", len(body), err, r.ContentLength)
			}
			if r.RemoteAddr != "" {
				host, port, err := net.SplitHostPort(r.RemoteAddr)
				if _, addrErr := netip.ParseAddr(host); err != nil || addrErr != nil || port != "0" {
					t.Errorf("got RemoteAddr %q", r.RemoteAddr)
				}
			}
			if r.TLS != nil && len(r.TLS.PeerCertificates) != 1 {
				t.Errorf("got %d certificates", len(r.TLS.PeerCertificates))
			}
			if r.URL.Path == "" || r.Method == "" || len(r.Header["Host"]) > 0 {
				t.Errorf("got method %q, path %q, header Host %q", r.Method, r.URL.Path, r.Header["Host"])
			}
			if r.Method != http.MethodHead {
				read = string(body)
			}
			_, _ = w.Write(body)
		}))
		answer, err := handler.Invoke(t.Context(), payload)
		if err != nil {
			if !errors.Is(err, awslambda.ErrNotHTTP) {
				t.Error(err)
			}
			return
		}
		var response struct {
			StatusCode      int
			Body            string
			IsBase64Encoded bool
		}
		if err := json.Unmarshal(answer, &response); err != nil {
			t.Fatal(err)
		}
		if response.IsBase64Encoded {
			decoded, err := base64.StdEncoding.DecodeString(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			response.Body = string(decoded)
		}
		if response.StatusCode != http.StatusOK {
			t.Errorf("got status %d, want 200", response.StatusCode)
		}
		if response.Body != read {
			t.Errorf("got body %q, want %q", response.Body, read)
		}
	})
}
