package principal_test

import (
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
)

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
