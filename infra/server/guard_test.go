package main

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
	"github.com/ausbizconsulting/referral-fhir-server/shared/secrets/secretstest"
)

// registryWith writes a registry in which each client's key is its name.
func registryWith(t testing.TB, clients ...principal.Client) (path string) {
	t.Helper()
	for i := range clients {
		clients[i].Scopes = []principal.Scope{principal.Submit, principal.Read}
		clients[i].Keys = []principal.Key{{Digest: principal.Digest(clients[i].Name, nil)}}
	}
	document, err := principal.FormatRegistry(clients)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "clients.json")
	if err := os.WriteFile(path, document, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestPagesAndLimits: a page's preflight needs no key and costs nothing; what a client may ask is counted once for ingest
// and query; and a page can read when it may come again.
func TestPagesAndLimits(t *testing.T) {
	const page = "https://app.example.org"
	s := started(t, "REFERRAL_CORS_ORIGINS", page, "REFERRAL_CORS_MAX_AGE", "90s", "REFERRAL_CLIENTS", registryWith(t,
		principal.Client{Org: "8003621566684455", Name: "limited", Rate: &principal.Rate{RPS: 0.001, Burst: 3}, Quota: 100},
		principal.Client{Org: "8003621566684455", Name: "unlimited"}))
	type answer struct {
		Status                           int
		Allowed, MaxAge, Retry, Standing string
	}
	limited, unlimited := client{s.base.String(), "limited"}, client{s.base.String(), "unlimited"}
	for _, test := range []struct {
		name, method, path string
		who                client
		header             http.Header
		want               answer
	}{
		{"preflight", "OPTIONS", "/fhir", client{s.base.String(), ""}, http.Header{"Access-Control-Request-Method": {"POST"}}, answer{204, page, "90", "", ""}},
		{"query", "GET", "/fhir/Patient", limited, nil, answer{200, page, "", "", `"rate";r=2;`}},
		{"validated", "POST", "/fhir/$validate", limited, nil, answer{200, page, "", "", `"rate";r=1;`}},
		{"wrong key", "GET", "/fhir/Patient", client{s.base.String(), "nobody"}, nil, answer{401, page, "", "", ""}},
		{"accepted", "POST", "/fhir", limited, nil, answer{202, page, "", "1", `"rate";r=0;`}},
		{"too many for ingest", "POST", "/fhir", limited, nil, answer{429, page, "", "1000", `"rate";r=0;`}},
		{"too many for query", "GET", "/fhir/Patient", limited, nil, answer{429, page, "", "1000", `"rate";r=0;`}},
		{"another client", "GET", "/fhir/Patient", unlimited, nil, answer{200, page, "", "", ""}},
		{"another page", "GET", "/fhir/Patient", unlimited, http.Header{"Origin": {"https://else.example.org"}}, answer{200, "", "", "", ""}},
		{"another page's preflight", "OPTIONS", "/fhir", unlimited, http.Header{"Origin": {"https://else.example.org"}, "Access-Control-Request-Method": {"POST"}}, answer{405, "", "", "", ""}},
		{"health", "GET", "/health/live", limited, nil, answer{200, page, "", "", ""}},
	} {
		header := http.Header{"Origin": {page}}
		for name, values := range test.header {
			header[name] = values
		}
		var body []byte
		if test.method == "POST" {
			body = example(t, "cardiology-referral")
		}
		a := test.who.send(t, test.method, test.path, header, body)
		got := answer{
			a.status, a.header.Get("Access-Control-Allow-Origin"), a.header.Get("Access-Control-Max-Age"), a.header.Get("Retry-After"), a.header.Get("RateLimit"),
		}
		if strings.HasPrefix(got.Standing, test.want.Standing) && test.want.Standing != "" {
			got.Standing = test.want.Standing // what follows is time
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

// TestConnectionsAreLimited: who comes when all places are taken waits for one.
func TestConnectionsAreLimited(t *testing.T) {
	s := started(t, "REFERRAL_MAX_CONNECTIONS", "2")
	connect := func() (conn net.Conn, answered func(within time.Duration) bool) {
		conn, err := net.Dial("tcp", s.api)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		if _, err := io.WriteString(conn, "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		return conn, func(within time.Duration) bool {
			if err := conn.SetReadDeadline(time.Now().Add(within)); err != nil {
				t.Fatal(err)
			}
			_, err := conn.Read(make([]byte, 1))
			return err == nil
		}
	}
	first, answered := connect()
	_, answeredToo := connect()
	if !answered(10*time.Second) || !answeredToo(10*time.Second) {
		t.Fatal("the first two are not answered")
	}
	_, waits := connect()
	if waits(200 * time.Millisecond) {
		t.Error("the third is answered while there are two")
	}
	first.Close()
	if !waits(10 * time.Second) {
		t.Error("the third is not answered when one has gone")
	}
}

// TestRetiredKeyStillVerifies: a server whose Km has changed answers for what an earlier key has signed, and signs with
// the next one.
func TestRetiredKeyStillVerifies(t *testing.T) {
	km := map[string]any{"1": make([]byte, 32)}
	secret := map[string]any{"kd": map[string]any{"current": 1, "keys": map[string]any{"1": make([]byte, 32)}}}
	current := 1
	secretstest.Serve(t, func() string {
		secret["km"] = map[string]any{"current": current, "keys": km}
		text, err := json.Marshal(secret)
		if err != nil {
			t.Error(err)
		}
		return string(text)
	})
	data := dataDir(t)
	run := func(want ...string) (status string) {
		t.Helper()
		s := started(t, "REFERRAL_KEYS_SECRET", "referral/keys", "REFERRAL_DATA_DIR", data)
		sender := client{s.base.String(), "dev-sender"}
		for _, path := range want {
			if a := sender.get(t, path); a.status != http.StatusOK {
				t.Errorf("%s: got %d %s, want the settled submission", path, a.status, a.body)
			}
		}
		url := sender.submit(t, example(t, "cardiology-referral"))
		sender.follow(t, url, 10*time.Second)
		environment, err := os.ReadFile(filepath.Join(data, "env"))
		if err != nil || strings.Contains(string(environment), "REFERRAL_KM") {
			t.Errorf("the keys of Secrets Manager are in the file env, error %v", err)
		}
		if err := s.stop(); err != nil {
			t.Error(err)
		}
		return strings.TrimPrefix(url, sender.base)
	}
	first := run()
	km["2"], current = append(make([]byte, 31), 2), 2
	second := run(first)
	if keyID := func(path string) string { return path[len("/fhir/_status/") : len("/fhir/_status/")+4] }; keyID(first) == keyID(second) {
		t.Errorf("got ids %s and %s of one key", first, second)
	}
}
