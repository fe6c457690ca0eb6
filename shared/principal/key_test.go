package principal_test

import (
	"strings"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
)

func TestNewKey(t *testing.T) {
	key, id, err := principal.NewKey("prod")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(key, "rk_prod_"+id+"_") || len(key) != len("rk_prod_")+8+1+43+1+8 || principal.Mistyped(key) {
		t.Errorf("got key %s of id %s, mistyped %v", key, id, principal.Mistyped(key))
	}
	if again, _, _ := principal.NewKey("prod"); again == key {
		t.Error("got the same key twice")
	}
	for i := range key { // a letter for its neighbour, anywhere
		changed := []byte(key)
		changed[i] ^= 1
		if mistyped := principal.Mistyped(string(changed)); !mistyped && strings.HasPrefix(string(changed), "rk_prod_") && isKeyLetter(changed[i]) {
			t.Errorf("%s passes for whole", changed)
		}
	}
	for _, other := range []string{"", "dev-sender", "rk_prod", key[:len(key)-1]} {
		if principal.Mistyped(other) {
			t.Errorf("%q is of another form, and called mistyped", other)
		}
	}
	for _, environment := range []string{"", "Prod", "pro_d", strings.Repeat("a", 17)} {
		if _, _, err := principal.NewKey(environment); err == nil {
			t.Errorf("got a key for environment %q", environment)
		}
	}
}

// isKeyLetter tells whether c may stand in every part of a key.
func isKeyLetter(c byte) bool { return strings.IndexByte("0123456789abcdef", c) >= 0 }
