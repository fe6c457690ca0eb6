package principal_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
)

func digest(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

// TestRegistry: a client is known by each of its keys, and by nobody's else.
func TestRegistry(t *testing.T) {
	name := filepath.Join(t.TempDir(), "clients.json")
	document := `{"clients": [
		{"org": "8003621566684455", "client": "reception", "keys": ["` + digest("old") + `", "` + digest("new") + `"], "scopes": ["submit", "read"]},
		{"org": "operator", "client": "on-call", "keys": ["` + digest("operator") + `"], "scopes": ["operate"]}
	]}`
	if err := os.WriteFile(name, []byte(document), 0o600); err != nil {
		t.Fatal(err)
	}
	clients, err := principal.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	reception := principal.Principal{Org: "8003621566684455", Client: "reception", Scopes: []principal.Scope{principal.Submit, principal.Read}}
	for key, want := range map[string]principal.Principal{
		"old": reception, "new": reception,
		"operator":    {Org: "operator", Client: "on-call", Scopes: []principal.Scope{principal.Operate}},
		digest("old"): {}, "dev-sender": {},
	} {
		r := httptest.NewRequest(http.MethodGet, "/fhir", nil)
		r.Header.Set("x-api-key", key)
		got, err := clients.Authenticate(r)
		if diff := cmp.Diff(want, got); diff != "" || (err == nil) != (want.Org != "") {
			t.Errorf("%s: got error %v, principal (-want +got):\n%s", key, err, diff)
		}
	}
}

func TestWrongRegistries(t *testing.T) {
	client := func(org, name, keys, scopes string) string {
		return `{"org": "` + org + `", "client": "` + name + `", "keys": [` + keys + `], "scopes": [` + scopes + `]}`
	}
	const org = "8003621566684455"
	a, b := `"`+digest("a")+`"`, `"`+digest("b")+`"`
	good := client(org, "one", a, `"read"`)
	for name, test := range map[string]struct{ document, want string }{
		"no JSON":        {`{"clients": [`, "not a JSON object"},
		"unknown member": {`{"clients": [` + good + `], "secret": 1}`, "known members"},
		"more":           {`{"clients": [` + good + `]} {}`, "goes on"},
		"empty":          {`{}`, "no clients"},
		"no HPI-O":       {`{"clients": [` + client("8003601566684455", "one", a, `"read"`) + `]}`, "clients[0].org"},
		"check digit":    {`{"clients": [` + client("8003621566684456", "one", a, `"read"`) + `]}`, "clients[0].org"},
		"operator reads": {`{"clients": [` + client("operator", "one", a, `"operate", "read"`) + `]}`, "clients[0].scopes"},
		"no name":        {`{"clients": [` + client(org, "", a, `"read"`) + `]}`, "clients[0].client"},
		"same name":      {`{"clients": [` + good + `, ` + client(org, "one", b, `"read"`) + `]}`, "clients[1].client"},
		"no key":         {`{"clients": [` + client(org, "one", "", `"read"`) + `]}`, "clients[0].keys"},
		"twice":          {`{"clients": [` + good + `], "clients": [` + good + `]}`, "twice"},
		"twice in one":   {`{"clients": [{"scopes": ["operate"], ` + good[1:] + `]}`, "twice"},
		"other letters":  {`{"clients": [{"Org": "operator", ` + good[1:] + `]}`, "other letters"},
		"empty key":      {`{"clients": [` + client(org, "one", `"`+digest("")+`"`, `"read"`) + `]}`, "clients[0].keys"},
		"plain key":      {`{"clients": [` + client(org, "one", `"plain-zqx"`, `"read"`) + `]}`, "clients[0].keys"},
		"shared key":     {`{"clients": [` + good + `, ` + client(org, "two", a, `"read"`) + `]}`, "clients[1].keys"},
		"no scope":       {`{"clients": [` + client(org, "one", a, "") + `]}`, "clients[0].scopes"},
		"unknown scope":  {`{"clients": [` + client(org, "one", a, `"read", "root"`) + `]}`, "clients[0].scopes"},
	} {
		if _, err := principal.ParseRegistry([]byte(test.document)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want it to say %q", name, err, test.want)
		} else if strings.Contains(err.Error(), "zqx") {
			t.Errorf("%s: %v quotes the registry", name, err)
		}
	}
	if _, err := principal.Open(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("got no error for a file that is not there")
	}
}
