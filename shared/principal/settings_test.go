package principal_test

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/env/envtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
)

// fromSettings opens what vars ask for, a registry being in the file that they name.
func fromSettings(vars map[string]string) (*principal.Authenticator, error) {
	v := envtest.Settings(vars)
	a := principal.FromSettings(v, "", nil, nil)
	return a, v.Err()
}

func TestFromSettings(t *testing.T) {
	dir, ca := t.TempDir(), newAuthority(t, "CA")
	write := func(name, content string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pepper := bytes.Repeat([]byte{1}, 32)
	vars := map[string]string{
		"REFERRAL_CLIENTS":       write("clients.json", document(client(sender, "one", `"keys": ["`+principal.Digest("a", pepper)+`"]`))),
		"REFERRAL_KEY_PEPPER":    base64.StdEncoding.EncodeToString(pepper),
		"REFERRAL_AUTH":          "certificate+key",
		"REFERRAL_NASH_CA":       write("ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.certificate.Raw}))),
		"REFERRAL_TOKEN_ISSUERS": "https://issuer.example/v2.0", "REFERRAL_TOKEN_AUDIENCES": "https://referrals.example",
		"REFERRAL_CRLS": write("crl.pem", ca.crl(t, time.Now().AddDate(0, 0, 1))),
	}
	a, err := fromSettings(vars)
	if err != nil {
		t.Fatal(err)
	}
	check(t, a, request("a"), "", "login")
	for want, change := range map[string][2]string{
		"REFERRAL_CLIENTS must be set":             {"REFERRAL_CLIENTS", ""},
		"REFERRAL_CLIENTS must be \"development\"": {"REFERRAL_CLIENTS", dir + "/none"},
		"none is set": {"REFERRAL_KEY_PEPPER", ""},
		"REFERRAL_KEY_PEPPER must be base64 of at least 32":         {"REFERRAL_KEY_PEPPER", "AAAA"},
		"REFERRAL_AUTH must be one of key, certificate":             {"REFERRAL_AUTH", "both"},
		"REFERRAL_NASH_CA must be a file":                           {"REFERRAL_NASH_CA", dir + "/none"},
		"no certificate in PEM":                                     {"REFERRAL_NASH_CA", vars["REFERRAL_CRLS"] + "x"},
		"REFERRAL_CRLS must be files":                               {"REFERRAL_CRLS", "s3://"},
		"an issuer of client certificates has none":                 {"REFERRAL_CRLS", ""},
		"an issuer is an https URL":                                 {"REFERRAL_TOKEN_ISSUERS", "issuer.example"},
		"the audience of tokens is needed":                          {"REFERRAL_TOKEN_AUDIENCES", ""},
		"REFERRAL_CRL_GRACE must be a duration from 0s to 720h0m0s": {"REFERRAL_CRL_GRACE", "-1h"},
	} {
		write("crl.pemx", "empty")
		changed := map[string]string{}
		for name, value := range vars {
			changed[name] = value
		}
		changed[change[0]] = change[1]
		if a, err := fromSettings(changed); a != nil || err == nil || !strings.Contains(err.Error(), want) || strings.Count(err.Error(), " must be ") != 1 {
			t.Errorf("%s: got %v, want one problem: %s", change[0], err, want)
		}
	}
}
