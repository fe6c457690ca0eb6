package fhirhttp

import (
	"bufio"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// refusing serves on a listener of Refusals, over TLS or not, and returns a function that connects to it.
func refusing(t *testing.T, secure bool) (address string, config *tls.Config) {
	t.Helper()
	// httptest has a certificate; the server here is our own, since that is what meets the listener.
	certified := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(certified.Close)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address, config = listener.Addr().String(), certified.Client().Transport.(*http.Transport).TLSClientConfig
	if secure {
		listener = tls.NewListener(listener, &tls.Config{Certificates: certified.TLS.Certificates})
	}
	server := &http.Server{MaxHeaderBytes: 4 << 10, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if secure != (r.TLS != nil && r.TLS.HandshakeComplete) {
			t.Errorf("got TLS %v, want it complete: %v", r.TLS, secure)
		}
		_, _ = io.WriteString(w, "handled")
	})}
	go func() { _ = server.Serve(Refusals(listener, slog.New(slog.DiscardHandler))) }()
	t.Cleanup(func() { server.Close() })
	return address, config
}

// TestRefusals: what net/http refuses before any handler is refused in FHIR's words and with the headers of every answer.
func TestRefusals(t *testing.T) {
	for _, test := range []struct {
		name, request string
		status        int
		code          string
	}{
		{"no HTTP", "zqx\r\n\r\n", 400, "structure"},
		{"no host", "GET / HTTP/1.1\r\n\r\n", 400, "structure"},
		{"bad header", "GET / HTTP/1.1\r\nHost: x\r\nzqx: \x01\r\n\r\n", 400, "structure"},
		{"bad length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400, "structure"},
		{"long header", "GET / HTTP/1.1\r\nHost: x\r\nzqx: " + strings.Repeat("a", 10<<10) + "\r\n\r\n", 431, "invalid"},
		{"transfer encoding", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: zqx\r\n\r\n", 501, "not-supported"},
		{"expectation", "POST / HTTP/1.1\r\nHost: x\r\nExpect: zqx\r\nContent-Length: 1\r\n\r\nx", 417, "not-supported"},
		{"version", "GET / HTTP/3.9\r\nHost: x\r\n\r\n", 505, "not-supported"},
	} {
		for _, secure := range []bool{false, true} {
			address, config := refusing(t, secure)
			var conn net.Conn
			var err error
			if secure {
				conn, err = tls.Dial("tcp", address, config)
			} else {
				conn, err = net.Dial("tcp", address)
			}
			if err != nil {
				t.Fatal(err)
			}
			checkRefusal(t, test.name, conn, test.request, test.status, test.code, secure)
		}
	}
}

func checkRefusal(t *testing.T, name string, conn net.Conn, request string, status int, code string, secure bool) {
	t.Helper()
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != status || !strings.Contains(string(body), `"code":"`+code+`"`) || strings.Contains(string(body), "zqx") {
		t.Errorf("%s: got %d %s, error %v; want %d %s", name, response.StatusCode, body, err, status, code)
	}
	got, want := http.Header{}, http.Header{}
	protect(want, &http.Request{})
	want.Set("Content-Type", MediaType)
	if secure {
		want.Set("Strict-Transport-Security", "max-age=31536000")
	}
	for header := range want {
		got[header] = response.Header[header]
	}
	if diff := cmp.Diff(want, got); diff != "" || response.Header.Get("X-Request-Id") == "" {
		t.Errorf("%s: header %v (-want +got)\n%s", name, response.Header, diff)
	}
}

// TestPlainHTTPOnTLS: who forgets the s is told.
func TestPlainHTTPOnTLS(t *testing.T) {
	address, _ := refusing(t, true)
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	checkRefusal(t, "plain HTTP", conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 400, "structure", false)
}

// TestRefusalsAreTheServersOnly: what a handler answers is not taken for a refusal.
func TestRefusalsAreTheServersOnly(t *testing.T) {
	for _, secure := range []bool{false, true} {
		address, config := refusing(t, secure)
		scheme := map[bool]string{false: "http://", true: "https://"}[secure]
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: config}}
		for range 2 { // on one connection
			response, err := client.Get(scheme + address)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(response.Body)
			response.Body.Close()
			if err != nil || string(body) != "handled" {
				t.Errorf("got %d %q, error %v; want what was handled", response.StatusCode, body, err)
			}
		}
		client.CloseIdleConnections()
	}
	for _, answer := range []string{
		"HTTP/1.1 400 Bad Request\r\nCache-Control: no-store\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 ", "x", "",
	} {
		if got := refusal([]byte(answer)); got != 0 {
			t.Errorf("%q: got %d, want no refusal", answer, got)
		}
	}
}
