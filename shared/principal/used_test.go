package principal_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
)

// TestKeysUsed: operators learn which key is in use once an hour, whoever reloads the registry, and never the key.
func TestKeysUsed(t *testing.T) {
	c, registry := newClock(), &text{}
	registry.set(document(client(sender, "one", `"keys": [{"digest": "`+digest("a")+`", "id": "x7a2"}, "`+principal.Digest("b", make([]byte, 32))+`"]`)), nil)
	var log bytes.Buffer
	a := open(t, principal.Config{Registry: registry, Pepper: make([]byte, 32), Clock: c.Now, Log: slog.New(slog.NewTextHandler(&log, nil))})
	use := func(keys ...string) {
		t.Helper()
		for _, key := range keys {
			check(t, a, request(key), "one", "")
		}
	}
	lines := func(want int) {
		t.Helper()
		if got := strings.Count(log.String(), `"key used" org=`+sender+" client=one key="); got != want {
			t.Errorf("got %d lines, want %d: %s", got, want, &log)
		}
	}
	use("a", "a", "b", "a", "b")
	lines(2)
	if !strings.Contains(log.String(), "key=x7a2\n") || !strings.Contains(log.String(), "key="+principal.Digest("b", make([]byte, 32))[5:13]+"…\n") {
		t.Errorf("got %s, want the key's id, and for want of one the beginning of its digest", &log)
	}
	registry.set(strings.Replace(registry.document, "read", "fill", 1), nil)
	c.advance(59 * time.Minute)
	use("a")
	lines(2)
	c.advance(time.Minute)
	use("a", "a")
	lines(3)
	check(t, a, request("c"), "", fhir.CodeLogin)
	lines(3)
}
