package principal_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
)

// TestReload: a good registry counts within the time that is set, a bad one never, and the operator is told once.
func TestReload(t *testing.T) {
	c, registry := newClock(), &text{document: document(withKey(sender, "one", "a"))}
	var log bytes.Buffer
	a := open(t, principal.Config{Registry: registry, Clock: c.Now, Reload: 5 * time.Second, Log: slog.New(slog.NewTextHandler(&log, nil))})
	check(t, a, request("a"), "one", "") // which is told: the key is used
	for _, step := range []struct {
		name     string
		document string
		err      error
		key      string
		want     string
		log      string
		after    time.Duration
	}{
		{"too early", document(withKey(sender, "one", "b")), nil, "a", "one", "", 4 * time.Second},
		{"taken", document(withKey(sender, "one", "b")), nil, "b", "one", "took a new document", time.Second},
		{"the old is gone", document(withKey(sender, "one", "b")), nil, "a", "", "", 0},
		{"half written", `{"clients": [`, nil, "b", "one", "line 1, column 14", 5 * time.Second},
		{"told once", `{"clients": [`, nil, "b", "one", "", 5 * time.Second},
		{"wrong otherwise", document(withKey(sender, "One", "b")), nil, "b", "one", "clients[0].client", 5 * time.Second},
		{"away", "", errors.New("no such bucket"), "b", "one", "no such bucket", time.Hour},
		{"good again", document(withKey(sender, "one", "b")), nil, "b", "one", "good again", time.Hour},
		{"the clock turned back", document(withKey(sender, "two", "b")), nil, "b", "two", "took", -time.Hour},
		{"suspended", document(client(sender, "one", `"suspended": true, "keys": ["`+digest("b")+`"]`)), nil, "b", "", "took", time.Hour},
	} {
		registry.set(step.document, step.err)
		c.advance(step.after)
		log.Reset()
		got, err := a.Authenticate(request(step.key))
		if got.Client != step.want || (err == nil) != (step.want != "") {
			t.Errorf("%s: got client %q, error %v; want %q", step.name, got.Client, err, step.want)
		}
		if !strings.Contains(log.String(), step.log) || step.log == "" && log.Len() > 0 {
			t.Errorf("%s: got log %q, want %q", step.name, &log, step.log)
		}
	}
}

func TestOpenNeedsAGoodRegistry(t *testing.T) {
	for want, source := range map[string]*text{
		"no such bucket":          {err: errors.New("no such bucket")},
		"registry: An array must": {document: document()},
	} {
		if _, err := principal.Open(t.Context(), principal.Config{Registry: source}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}

// TestReloadWhileUsed: whatever is written, whoever comes is known by the old registry or the new one.
func TestReloadWhileUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := &text{document: document(withKey(sender, "one", "a"))}
		a := open(t, principal.Config{Registry: registry, Clock: time.Now, Reload: time.Second})
		var callers sync.WaitGroup
		for range 4 {
			callers.Go(func() {
				for range 1000 {
					if _, err := a.Authenticate(request("a")); err != nil {
						t.Error(err)
						return
					}
					time.Sleep(50 * time.Millisecond)
				}
			})
		}
		for i := range 50 {
			registry.set([]string{
				document(withKey(sender, "one", "a")), document(withKey(sender, "two", "a"), withKey(other, "one", "b")), `{"clients`,
			}[i%3], nil)
			time.Sleep(time.Second)
		}
		callers.Wait()
		registry.set(document(withKey(sender, "one", "b")), nil)
		time.Sleep(time.Hour)
		check(t, a, request("a"), "", fhir.CodeLogin)
		if registry.reads > 60 {
			t.Errorf("the source was read %d times in 51 s, want about once a second", registry.reads)
		}
	})
}
