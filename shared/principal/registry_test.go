package principal_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
)

// now is when these tests take place.
var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

const (
	sender = "8003621566684455"
	other  = "8003624900041689"
)

func digest(key string) string { return principal.Digest(key, nil) }

// document is a registry of clients, each a JSON object.
func document(clients ...string) string { return `{"clients": [` + strings.Join(clients, ", ") + `]}` }

// client is one with the members that every client has, and more.
func client(org, name, more string) string {
	return `{"org": "` + org + `", "client": "` + name + `", "scopes": ["submit", "read"], ` + more + `}`
}

func withKey(org, name, key string) string { return client(org, name, `"keys": ["`+digest(key)+`"]`) }

func TestParseRegistry(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "clients.json"))
	if err != nil {
		t.Fatal(err)
	}
	registry, err := principal.ParseRegistry(text, now)
	if err != nil {
		t.Fatal(err)
	}
	want := []principal.Client{{
		Org: sender, Name: "reception", Scopes: []principal.Scope{principal.Submit, principal.Read},
		Keys: []principal.Key{
			{Digest: digest("old")},
			{Digest: "hmac:" + digest("new"), ID: "x7a2", Expires: time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)},
		},
		Certificates: []principal.Certificate{
			{SHA256: strings.Repeat("AB:", 31) + "AB"}, {Subject: `CN=gateway,O=Clinic\, East`, Issuer: "CN=Clinic CA"}, {NASH: true},
		},
		Tokens: []principal.Token{
			{Issuer: "https://issuer.example/v2.0", Client: "app-1"}, {Issuer: "https://issuer.example/v2.0", OrgClaim: true},
		},
		CIDRs: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8::/32")},
		Rate:  &principal.Rate{RPS: 0.5, Burst: 20}, Quota: 10000, Suspended: true,
	}, {
		Org: "operator", Name: "on-call", Scopes: []principal.Scope{principal.Operate}, Keys: []principal.Key{{Digest: digest("operator")}},
	}}
	options := cmp.Options{cmpopts.EquateComparable(netip.Prefix{}), cmpopts.EquateEmpty()}
	if diff := cmp.Diff(want, registry.Clients(), options); diff != "" {
		t.Errorf("clients (-want +got):\n%s", diff)
	}

	written, err := principal.FormatRegistry(registry.Clients())
	if err != nil {
		t.Fatal(err)
	}
	again, err := principal.ParseRegistry(written, now)
	if err != nil {
		t.Fatalf("%s: %v", written, err)
	}
	if diff := cmp.Diff(want, again.Clients(), options); diff != "" {
		t.Errorf("clients after they were written (-want +got):\n%s", diff)
	}
}

// TestWrongRegistries: the error names the place, and never what stands there.
func TestWrongRegistries(t *testing.T) {
	a := `"` + digest("a") + `"`
	good := withKey(sender, "one", "a")
	for name, test := range map[string]struct{ document, want string }{
		"no JSON":          {"{\"clients\":\n [", "(line 2, column 3)"},
		"an array":         {`[]`, "A registry is a JSON object"},
		"nothing":          {`{}`, "line 1, column 3"},
		"no clients":       {document(), "line 1"},
		"unknown member":   {"{\"clients\": [" + good + "],\n\"zqx\": 1}", "line 2, column 1: the registry has a member that is not one of clients"},
		"more":             {document(good) + " {}", "after the end"},
		"twice":            {`{"clients": [` + good + `], "clients": [` + good + `]}`, "twice"},
		"twice in one":     {document(`{"scopes": ["operate"], ` + good[1:]), "twice"},
		"other letters":    {document(`{"Org": "operator", ` + good[1:]), "line 1, column 15: clients[0] has a member"},
		"lacks org":        {document(`{"client": "one", "scopes": ["read"], "keys": [` + a + `]}`), "clients[0] lacks org"},
		"org no string":    {document(`{"org": 1, "client": "one", "scopes": ["read"], "keys": [` + a + `]}`), "clients[0].org is not a string"},
		"no HPI-O":         {document(withKey("8003601566684455", "one", "a")), "clients[0].org"},
		"check digit":      {document(good, withKey("8003621566684456", "two", "b")), "clients[1].org"},
		"operator reads":   {document(withKey("operator", "one", "a")), "clients[0].scopes[0]"},
		"capital name":     {document(withKey(sender, "Zqx", "a")), "clients[0].client"},
		"same name":        {document(good, withKey(sender, "one", "b")), "clients[1].client"},
		"neither":          {document(client(sender, "one", `"quota": 1`)), "clients[0] has neither keys nor certificates nor tokens"},
		"no key":           {document(client(sender, "one", `"keys": []`)), "empty"},
		"key no string":    {document(client(sender, "one", `"keys": [1]`)), "clients[0].keys[0] is not an object"},
		"empty key":        {document(withKey(sender, "one", "")), "clients[0].keys[0] is the digest of an empty"},
		"plain key":        {document(client(sender, "one", `"keys": [`+a+`, "plain-zqx"]`)), "clients[0].keys[1]"},
		"shared key":       {document(good, withKey(other, "two", "a")), "clients[1].keys[0] is there already"},
		"third key":        {document(client(sender, "one", `"keys": [`+a+`, "`+digest("b")+`", {"digest": "`+digest("c")+`", "expires": "2026-06-01T12:00:01Z"}]`)), "clients[0].keys[2] is a third live key"},
		"expires":          {document(client(sender, "one", `"keys": [{"digest": `+a+`, "expires": "2026-06-01 zqx"}]`)), "clients[0].keys[0].expires"},
		"key's id":         {document(client(sender, "one", `"keys": [{"digest": `+a+`, "id": "Zqx_"}]`)), "clients[0].keys[0].id"},
		"no scope":         {document(`{"org": "` + sender + `", "client": "one", "scopes": [], "keys": [` + a + `]}`), "empty"},
		"unknown scope":    {document(`{"org": "` + sender + `", "client": "one", "scopes": ["read", "zqx"], "keys": [` + a + `]}`), "clients[0].scopes[1]"},
		"address":          {document(client(sender, "one", `"keys": [`+a+`], "cidrs": ["203.0.113.7"]`)), "clients[0].cidrs[0]"},
		"host bits":        {document(client(sender, "one", `"keys": [`+a+`], "cidrs": ["203.0.113.7/24"]`)), "clients[0].cidrs[0]"},
		"rate of nothing":  {document(client(sender, "one", `"keys": [`+a+`], "rate": {"rps": 0, "burst": 1}`)), "clients[0].rate.rps"},
		"half a burst":     {document(client(sender, "one", `"keys": [`+a+`], "rate": {"rps": 1, "burst": 0.5}`)), "clients[0].rate.burst"},
		"no burst":         {document(client(sender, "one", `"keys": [`+a+`], "rate": {"rps": 1}`)), "clients[0].rate lacks burst"},
		"quota":            {document(client(sender, "one", `"keys": [`+a+`], "quota": "zqx"`)), "clients[0].quota"},
		"suspended":        {document(client(sender, "one", `"keys": [`+a+`], "suspended": "true"`)), "clients[0].suspended"},
		"thumbprint":       {document(client(sender, "one", `"certificates": [{"sha256": "zqx"}]`)), "clients[0].certificates[0] has no sha256"},
		"no issuer":        {document(client(sender, "one", `"certificates": [{"subject": "CN=zqx"}]`)), "clients[0].certificates[0] needs both"},
		"two forms":        {document(client(sender, "one", `"certificates": [{"nash": true, "sha256": "`+digest("a")+`"}]`)), "clients[0].certificates[0] is not one of"},
		"nash twice":       {document(client(sender, "one", `"certificates": [{"nash": true}]`), client(sender, "two", `"certificates": [{"nash": true}]`)), "clients[1].certificates[0] is a client's already"},
		"operator's NASH":  {document(`{"org": "operator", "client": "one", "scopes": ["audit"], "certificates": [{"nash": true}]}`), "clients[0].certificates[0] cannot be the operator's"},
		"subject's client": {document(client(sender, "one", `"certificates": [{"subject": "CN=a", "issuer": "CN=b"}, {"subject": "CN=a", "issuer": "CN=b"}]`)), "clients[0].certificates[1] is a client's already"},
		"no token issuer":  {document(client(sender, "one", `"tokens": [{"client": "zqx"}]`)), "clients[0].tokens[0] lacks issuer"},
		"empty issuer":     {document(client(sender, "one", `"tokens": [{"issuer": "", "client": "zqx"}]`)), "empty"},
		"issuer alone":     {document(client(sender, "one", `"tokens": [{"issuer": "zqx"}]`)), "clients[0].tokens[0] needs one of client and orgClaim"},
		"both of tokens":   {document(client(sender, "one", `"tokens": [{"issuer": "zqx", "client": "zqx", "orgClaim": true}]`)), "clients[0].tokens[0] needs one of"},
		"client no string": {document(client(sender, "one", `"tokens": [{"issuer": "zqx", "client": 1}]`)), "clients[0].tokens[0].client is not a string"},
		"claim no flag":    {document(client(sender, "one", `"tokens": [{"issuer": "zqx", "orgClaim": "zqx"}]`)), "clients[0].tokens[0].orgClaim is neither"},
		"operator's claim": {document(`{"org": "operator", "client": "one", "scopes": ["audit"], "tokens": [{"issuer": "zqx", "orgClaim": true}]}`), "clients[0].tokens[0] cannot be the operator's"},
		"token's client":   {document(client(sender, "one", `"tokens": [{"issuer": "zqx", "client": "zqx"}]`), client(other, "two", `"tokens": [{"issuer": "zqx", "client": "zqx"}]`)), "clients[1].tokens[0] is a client's already"},
		"claim twice":      {document(client(sender, "one", `"tokens": [{"issuer": "zqx", "orgClaim": true}]`), client(sender, "two", `"tokens": [{"issuer": "zqx", "orgClaim": true}]`)), "clients[1].tokens[0] is a client's already"},
	} {
		if _, err := principal.ParseRegistry([]byte(test.document), now); err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "line ") {
			t.Errorf("%s: got %v, want it to say %q and a line", name, err, test.want)
		} else if strings.Contains(strings.ToLower(err.Error()), "zqx") {
			t.Errorf("%s: %v quotes the registry", name, err)
		}
	}
}

// FuzzParseRegistry: whatever is taken means the same when it is written again.
func FuzzParseRegistry(f *testing.F) {
	text, err := os.ReadFile(filepath.Join("testdata", "clients.json"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(document(withKey(sender, "one", "a"), client(other, "two", `"certificates": [{"nash": true}], "tokens": [{"issuer": "https://a", "client": "b"}]`))))
	f.Fuzz(func(t *testing.T, text []byte) {
		registry, err := principal.ParseRegistry(text, now)
		if err != nil {
			return
		}
		written, err := principal.FormatRegistry(registry.Clients())
		if err != nil {
			t.Fatal(err)
		}
		again, err := principal.ParseRegistry(written, now)
		if err != nil {
			t.Fatalf("%s: %v", written, err)
		}
		if diff := cmp.Diff(registry.Clients(), again.Clients(), cmpopts.EquateComparable(netip.Prefix{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("clients after they were written (-want +got):\n%s", diff)
		}
	})
}
