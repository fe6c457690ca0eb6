package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/certs"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
)

// edited is what a command that edits the registry prints as JSON.
type edited struct {
	Registry, Key string
	Client        principal.Client
}

// edit runs a command on the registry in file, which must go well.
func edit(t testing.TB, file string, args ...string) (e edited) {
	t.Helper()
	got := referralctl(t, "", slices.Concat([]string{"--json", "clients"}, args, []string{"--registry", file})...)
	if err := json.Unmarshal([]byte(got.out), &e); err != nil || got.status != 0 {
		t.Fatalf("%v: got %+v", args, got)
	}
	return e
}

// checkKeys holds which keys the registry in file knows.
func checkKeys(t testing.TB, file string, keys map[string]bool) {
	t.Helper()
	a, err := principal.Open(t.Context(), principal.Config{Registry: principal.File(file)})
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range keys {
		r := httptest.NewRequest(http.MethodGet, "/fhir", nil)
		r.Header.Set("x-api-key", key)
		if p, err := a.Authenticate(r); (err == nil) != want {
			t.Errorf("got client %q, error %v for a key; want it known %v", p.Client, err, want)
		}
	}
}

func TestClients(t *testing.T) {
	settings(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "clients.json")
	first := edit(t, file, "add", "reception", "--org", "8003621566684455", "--scopes", "submit,read", "--cidrs", "192.0.2.0/24", "--rps", "2.5", "--burst", "5", "--quota", "100")
	if principal.Mistyped(first.Key) || !strings.HasPrefix(first.Key, "rk_prod_"+first.Client.Keys[0].ID+"_") {
		t.Errorf("got key %s of client %+v", first.Key, first.Client)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got mode %v, error %v; want 0600", info.Mode(), err)
	}
	if text, err := os.ReadFile(file); err != nil || strings.Contains(string(text), first.Key) {
		t.Errorf("got error %v, or the registry holds the key", err)
	}
	second := edit(t, file, "rotate", "reception", "--grace", "1h")
	checkKeys(t, file, map[string]bool{first.Key: true, second.Key: true, "": false})
	referralctl(t, "", "clients", "rotate", "reception", "--registry", file).want(t, exitUsage, "", "has two live keys")
	third := edit(t, file, "rotate", "reception", "--grace", "0s", "--valid-for", "1h")
	checkKeys(t, file, map[string]bool{first.Key: false, second.Key: false, third.Key: true})
	edit(t, file, "suspend", "reception")
	checkKeys(t, file, map[string]bool{third.Key: false})
	list := referralctl(t, "", "clients", "list", "--registry", file)
	list.want(t, 0, "suspended, 2.5/s, 5 at once, 100 a day, 192.0.2.0/24", "")
	list.want(t, 0, "key "+third.Client.Keys[0].ID+" until ", "")
	edit(t, file, "suspend", "reception", "--lift")
	checkKeys(t, file, map[string]bool{third.Key: true})

	referralctl(t, "", "clients", "add", "ward", "--org", "8003621566684455", "--scopes", "read", "--registry", file, "--environment", "test").
		want(t, 0, "shown only now:\n\n  rk_test_", "")
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("got files %v, error %v; want the registry alone", entries, err)
	}
}

// TestClientsRefused: the registry stays as it is.
func TestClientsRefused(t *testing.T) {
	settings(t)
	file := filepath.Join(t.TempDir(), "clients.json")
	edit(t, file, "add", "reception", "--org", "8003621566684455", "--scopes", "submit")
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"clients[1].client is another's":             {"add", "reception", "--org", "8003621566684455", "--scopes", "submit"},
		"clients[1].org is neither":                  {"add", "ward", "--org", "8003621566684456", "--scopes", "submit"},
		"clients[1].scopes[0] is not one of":         {"add", "ward", "--org", "8003621566684455", "--scopes", "all"},
		"neither keys nor certificates":              {"add", "ward", "--org", "8003621566684455", "--scopes", "read", "--no-key"},
		"base64 of at least 32 bytes":                {"add", "ward", "--org", "8003621566684455", "--scopes", "read", "--pepper", "AAAA"},
		"1 to 16 lower-case letters":                 {"rotate", "reception", "--environment", "Prod"},
		"--cidrs is a range":                         {"add", "ward", "--org", "8003621566684455", "--scopes", "read", "--cidrs", "192.0.2.1"},
		"no client of that name":                     {"rotate", "ward"},
		"--grace is a time":                          {"rotate", "reception", "--grace=-1h"},
		"--valid-for is a time":                      {"rotate", "reception", "--valid-for=-1h"},
		"there is no client of that name in " + file: {"suspend", "ward"},
	} {
		referralctl(t, "", slices.Concat([]string{"clients"}, args, []string{"--registry", file})...).want(t, exitUsage, "", want)
	}
	referralctl(t, "", "clients", "list").want(t, exitUsage, "", "--registry or REFERRAL_CLIENTS")
	referralctl(t, "", "clients", "list", "--registry", "s3://bucket/key").want(t, exitUsage, "", "aws s3 cp")
	referralctl(t, "", "clients", "list", "--registry", file+".none").want(t, exitFailed, "", "no such file")
	if after, err := os.ReadFile(file); err != nil || string(after) != string(before) {
		t.Errorf("got %s, error %v; want what was there", after, err)
	}
}

// TestRegistryChangedMeanwhile: nobody's change is lost.
func TestRegistryChangedMeanwhile(t *testing.T) {
	settings(t)
	file := filepath.Join(t.TempDir(), "clients.json")
	edit(t, file, "add", "reception", "--org", "8003621566684455", "--scopes", "submit")
	f := registryFile{Registry: file}
	mine, err := f.read(false)
	if err != nil {
		t.Fatal(err)
	}
	edit(t, file, "suspend", "reception")
	if err := mine.write(); err == nil || !strings.Contains(err.Error(), "somebody else") {
		t.Errorf("got error %v, want that somebody else has changed it", err)
	}
}

func TestClientsByToken(t *testing.T) {
	settings(t)
	file := filepath.Join(t.TempDir(), "clients.json")
	add := []string{"--org", "8003621566684455", "--scopes", "read", "--no-key", "--token-issuer", "https://issuer.example"}
	edit(t, file, slices.Concat([]string{"add", "application", "--token-client", "app-1"}, add)...)
	edit(t, file, slices.Concat([]string{"add", "any"}, add)...)
	list := referralctl(t, "", "clients", "list", "--registry", file)
	list.want(t, 0, "tokens of https://issuer.example for app-1", "")
	list.want(t, 0, "tokens of https://issuer.example for its organisation", "")
	referralctl(t, "", "clients", "add", "other", "--org", "8003621566684455", "--scopes", "read", "--token-client", "app-2", "--registry", file).
		want(t, exitUsage, "", "--token-issuer")
}

// TestClientsByCertificate: a client with the files of certs is known as its options say.
func TestClientsByCertificate(t *testing.T) {
	settings(t)
	dir := t.TempDir()
	referralctl(t, "", "certs", "--out", dir, "--hpio", "8003621566684455").want(t, 0, "nash-8003621566684455.pem", "")
	referralctl(t, "", "certs", "--out", dir, "--hpio", "8003621566684455").want(t, 0, "there already", "")
	referralctl(t, "", "certs", "--out", dir, "--hpio", "8003621566684456").want(t, exitUsage, "", "check digit")
	referralctl(t, "", "certs", "--out", dir, "--valid", "1h").want(t, exitUsage, "", "--valid")
	file := filepath.Join(dir, "clients.json")
	nash := edit(t, file, "add", "nash", "--org", "8003621566684455", "--scopes", "read", "--no-key", "--nash").Client
	mapped := edit(t, file, "add", "mapped", "--org", "8003621566684455", "--scopes", "read", "--no-key",
		"--certificate", filepath.Join(dir, "client.pem"), "--subject-of", filepath.Join(dir, "client.pem")).Client
	want := principal.Certificate{Subject: "CN=dev-client,O=Development only", Issuer: "CN=Development CA of the Referral FHIR Server,O=Development only"}
	if !slices.Equal(nash.Certificates, []principal.Certificate{{NASH: true}}) || len(mapped.Certificates) != 2 ||
		len(mapped.Certificates[0].SHA256) != 64 || mapped.Certificates[1] != want {
		t.Errorf("got %+v and %+v, want NASH, and a thumbprint and %+v", nash.Certificates, mapped.Certificates, want)
	}
	referralctl(t, "", "clients", "list", "--registry", file).want(t, 0, "; subject CN=dev-client", "")
	if _, err := certs.Make(filepath.Join(file, "below a file"), certs.Options{}); err == nil {
		t.Error("got no error for a directory that cannot be")
	}
}
