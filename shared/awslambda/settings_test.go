package awslambda_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/awslambda"
	"github.com/ausbizconsulting/referral-fhir-server/shared/env"
	"github.com/ausbizconsulting/referral-fhir-server/shared/env/envtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
)

func TestKeys(t *testing.T) {
	key := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1}, 32))
	short := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1}, 31))
	for _, test := range []struct {
		kd, km string
		wrong  []string
	}{
		{key, key, nil},
		{"", "", []string{"REFERRAL_KD", "REFERRAL_KM"}},
		{key, "", []string{"REFERRAL_KM"}},
		{short, key, []string{"REFERRAL_KD"}},
		{key, "zqx!", []string{"REFERRAL_KM"}},
	} {
		v := envtest.Settings(map[string]string{"REFERRAL_KD": test.kd, "REFERRAL_KM": test.km})
		if keys := awslambda.Keys(v, awslambda.AWS); (keys != nil) != (test.wrong == nil) {
			t.Errorf("got keys %v with %q, %q", keys != nil, test.kd, test.km)
		}
		checkWrong(t, v, test.wrong...)
	}
}

// TestStore: it is of a URL or of a secret, and ingest alone can do without.
func TestStore(t *testing.T) {
	for name, value := range map[string]string{"AWS_REGION": "ap-southeast-2", "AWS_CONFIG_FILE": "none", "AWS_SHARED_CREDENTIALS_FILE": "none"} {
		t.Setenv(name, value)
	}
	for _, test := range []struct {
		url, secret   string
		optional, any bool
		wrong         []string
	}{
		{"postgres://u@127.0.0.1/d", "", false, true, nil},
		{"", "referral/store", false, true, nil}, // which is read when it is needed
		{"", "", true, false, nil},
		{"", "", false, false, []string{"DATABASE_URL"}},
		{"postgres://u@127.0.0.1/d", "referral/store", true, false, []string{"DATABASE_URL"}},
		{"postgres://zqx[", "", true, false, []string{"DATABASE_URL"}},
		{"postgres://u@db.example.org/d?sslmode=require", "", true, false, []string{"DATABASE_URL"}},
		{"postgres://u@db.example.org/d?sslmode=verify-full", "", true, true, nil},
	} {
		v := envtest.Settings(map[string]string{"DATABASE_URL": test.url, "REFERRAL_DATABASE_SECRET": test.secret})
		open := awslambda.Store
		if test.optional {
			open = awslambda.OptionalStore
		}
		store := open(v, awslambda.AWS, postgres.RoleQuery)
		if (store != nil) != test.any {
			t.Errorf("%+v: got a store %t", test, store != nil)
		}
		if store != nil {
			store.Close()
		}
		checkWrong(t, v, test.wrong...)
		if v.Err() != nil && strings.Contains(v.Err().Error(), "zqx") {
			t.Errorf("%v shows a value", v.Err())
		}
	}
}

// TestDevelopmentClientsOnLoopbackOnly: whoever reaches another address would know their keys.
func TestDevelopmentClientsOnLoopbackOnly(t *testing.T) {
	for _, test := range []struct{ clients, base, wrong string }{
		{"development", "http://127.0.0.1:8080", ""},
		{"development", "http://[::1]:8080/behind", ""},
		{"development", "https://referrals.example", "REFERRAL_BASE_URL"},
		{"development", "http://10.0.0.1:8080", "REFERRAL_BASE_URL"},
		{"development", "http://127.0.0.1.example:80", "REFERRAL_BASE_URL"},
		{"development", "", "REFERRAL_BASE_URL"},
		{"", "http://127.0.0.1:8080", "REFERRAL_CLIENTS"},
		{"/etc/clients.json", "http://127.0.0.1:8080", "REFERRAL_CLIENTS"},
	} {
		v := envtest.Settings(map[string]string{"REFERRAL_CLIENTS": test.clients, "REFERRAL_BASE_URL": test.base})
		clients := awslambda.Clients(v, v.BaseURL())
		if test.wrong == "" {
			checkWrong(t, v)
			if clients == nil {
				t.Errorf("%+v: got no clients", test)
			}
			continue
		}
		checkWrong(t, v, test.wrong)
	}
}

// TestClientsOfARegistry: they are for any base URL.
func TestClientsOfARegistry(t *testing.T) {
	key := sha256.Sum256([]byte("synthetic"))
	file := filepath.Join(t.TempDir(), "clients.json")
	document := fmt.Sprintf(`{"clients": [{"org": "8003621566684455", "client": "one", "keys": ["%x"], "scopes": ["submit"]}]}`, key)
	if err := os.WriteFile(file, []byte(document), 0o600); err != nil {
		t.Fatal(err)
	}
	v := envtest.Settings(map[string]string{"REFERRAL_CLIENTS": file, "REFERRAL_BASE_URL": "https://referrals.example"})
	clients := awslambda.Clients(v, v.BaseURL())
	checkWrong(t, v)
	r := httptest.NewRequest(http.MethodPost, "/fhir", nil)
	r.Header.Set("X-Api-Key", "synthetic")
	if got, err := clients.Authenticate(r); err != nil || got.Client != "one" {
		t.Errorf("got %q, %v, want the registry's client", got.Client, err)
	}
}

// checkWrong wants v to report exactly names.
func checkWrong(t testing.TB, v *env.Settings, names ...string) {
	t.Helper()
	err := v.Err()
	if err == nil {
		if len(names) > 0 {
			t.Errorf("got no error, want one that names %v", names)
		}
		return
	}
	if got := strings.Count(err.Error(), " must be "); got != len(names) {
		t.Errorf("got %v, want %d problems", err, len(names))
	}
	for _, name := range names {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%v does not name %s", err, name)
		}
	}
}

func TestLog(t *testing.T) {
	var b bytes.Buffer
	v := envtest.Settings(map[string]string{"REFERRAL_LOG_LEVEL": "warn"})
	log := awslambda.Log(v, &b)
	log.Info("unseen")
	log.Warn("seen")
	if got := b.String(); !strings.Contains(got, `"msg":"seen"`) || strings.Contains(got, "unseen") {
		t.Errorf("got log %s, want only the warning, as JSON", got)
	}
	checkWrong(t, v)
}
