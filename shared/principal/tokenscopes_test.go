package principal_test

import (
	"strings"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
)

// TestScopesOfTokens: what an entry of scope or roles means, and that none means more than it says.
func TestScopesOfTokens(t *testing.T) {
	i := newIssuer(t)
	key := i.adds(t, "k1")
	a := open(t, principal.Config{
		Registry: &text{document: document(`{"org": "`+sender+`", "client": "one", "scopes": ["submit", "read", "fill"], "tokens": [{"issuer": "`+i.url+`", "client": "app-1"}]}`,
			`{"org": "operator", "client": "two", "scopes": ["operate", "audit"], "tokens": [{"issuer": "`+i.url+`", "client": "app-2"}]}`)},
		Tokens: principal.Tokens{Issuers: []string{i.url}, Audiences: []string{audience, "system"}},
	})
	scopes := func(changes object) (got string) {
		t.Helper()
		for _, client := range []string{"app-1", "app-2"} {
			changes["azp"] = client
			p, err := a.Authenticate(bearing(key.sign(t, i.claims(changes))))
			if err != nil {
				t.Error(err)
			}
			for _, scope := range p.Scopes {
				got += " " + string(scope)
			}
		}
		return strings.TrimSpace(got)
	}
	for scope, want := range map[string]string{
		"submit": "submit", "read": "read", "fill": "fill", "operate": "operate", "audit": "audit",
		audience + "/fill": "fill", "https://another.example/fill": "", "Submit": "",
		"system/*.crus": "submit read", "system/*.cruds": "submit read", "system/*.cu": "submit", "system/*.rs": "read",
		"system/ServiceRequest.rs": "read", "system/ServiceRequest.crus": "submit read", "system/AuditEvent.rs": "audit",
		"system/*.read": "read", "system/*.write": "submit", "system/*.*": "submit read", "system/ServiceRequest.read": "read",
		"system/*.c": "", "system/*.r": "", "system/*.s": "", "system/*.d": "", "system/*.": "", "system/*": "", "system/.rs": "",
		"system/*.sr": "", "system/*.rrs": "", "system/*.rsx": "", "system/*.rs?category=a": "",
		"system/Patient.rs": "", "system/Observation.cruds": "", "user/*.rs": "", "patient/*.rs": "", "System/*.rs": "", "*.rs": "",
	} {
		if got := scopes(object{"scope": scope}); got != want {
			t.Errorf("%s: got %q, want %q", scope, got, want)
		}
	}
	// Cognito's resource server "system" is the audience that its tokens do not name.
	if got := scopes(object{"azp": nil, "aud": nil, "sub": "app-1", "client_id": "app-1", "token_use": "access", "scope": "system/*.rs system/fill submit"}); got != "read fill" {
		t.Errorf("of Cognito: got %q, want read fill", got)
	}
}
