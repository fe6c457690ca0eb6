package principal_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
)

func TestAuthenticate(t *testing.T) {
	for _, test := range []struct {
		name string
		keys []string
		org  string
	}{
		{"sender", []string{"dev-sender"}, "8003621566684455"},
		{"recipient", []string{"dev-recipient"}, "8003624900041689"},
		{"unrelated", []string{"dev-other"}, "8003629900040359"},
		{"none", nil, ""},
		{"empty", []string{""}, ""},
		{"unknown", []string{"dev-sender "}, ""},
		{"two", []string{"dev-sender", "dev-sender"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/fhir", nil)
			for _, key := range test.keys {
				r.Header.Add("x-api-key", key)
			}
			got, err := principal.Development().Authenticate(r)
			if got.Org != test.org || (err == nil) != (test.org != "") {
				t.Errorf("got %q, %v; want organisation %q", got.Org, err, test.org)
			}
			if err != nil && fhir.CodeOf(err) != fhir.CodeLogin {
				t.Errorf("got code %s, want login", fhir.CodeOf(err))
			}
		})
	}
}

func TestAllow(t *testing.T) {
	p := principal.Principal{Scopes: []principal.Scope{principal.Read}}
	if err := p.Allow(principal.Read); err != nil {
		t.Errorf("got %v for a scope that is there", err)
	}
	if got := fhir.CodeOf(p.Allow(principal.Submit)); got != fhir.CodeForbidden {
		t.Errorf("got code %s for a scope that is not there, want forbidden", got)
	}
}

func TestOnLoopback(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:8080": true, "[::1]:8080": true, "127.9.9.9:1": true,
		"0.0.0.0:8080": false, ":8080": false, "10.0.0.1:80": false, "localhost:8080": false, "[::]:80": false,
	} {
		if got := principal.OnLoopback(address); got != want {
			t.Errorf("OnLoopback(%q) = %v, want %v", address, got, want)
		}
	}
}
