package secrets_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/env/envtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/secrets"
)

// key returns 32 times b in base64.
func key(b byte) string { return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{b}, 32)) }

// keysSecret returns a secret with Kd and the members of km's keys.
func keysSecret(kd byte, current int, km string) string {
	return fmt.Sprintf(`{"kd": {"current": 1, "keys": {"1": %q}}, "km": {"current": %d, "keys": {%s}}, "other": true}`, key(kd), current, km)
}

var (
	oneKey  = keysSecret(1, 1, fmt.Sprintf(`"1": %q`, key(2)))
	twoKeys = keysSecret(1, 1, fmt.Sprintf(`"1": %q, "2": %q`, key(2), key(7)))
	rotated = keysSecret(1, 2, fmt.Sprintf(`"1": %q, "2": %q`, key(2), key(7)))
	newKey  = keysSecret(1, 2, fmt.Sprintf(`"2": %q`, key(7)))
)

var submission = referral.Submission{
	Org: "8003621566684455", AcceptedAt: time.Date(2026, 11, 22, 1, 2, 3, 0, time.UTC), Digest: referral.Digest{1, 2, 3},
}

func openKeys(t testing.TB, c setup) *referral.Keys {
	t.Helper()
	k, err := secrets.OpenKeys(t.Context(), c.Config)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func verifies(k *referral.Keys, id string) bool {
	_, err := k.Verify(submission.Org, id)
	return err == nil
}

// plain returns the keys of oneKey.
func plain(t testing.TB) *referral.Keys {
	t.Helper()
	k, err := referral.NewKeys(bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKeysAreThoseOfTheSecret(t *testing.T) {
	want := plain(t)
	got := openKeys(t, newSetup(newService(t, oneKey)))
	if got.Mint(submission) != want.Mint(submission) {
		t.Error("the secret's keys sign another id")
	}
	request := referral.Request{Org: "a", KeyKind: referral.KeyHeader, Key: "b"}
	if got.Digest(request) != want.Digest(request) {
		t.Error("the secret's keys make another digest")
	}
}

func TestKmRotatesWhileItIsUsed(t *testing.T) {
	s := newService(t, oneKey)
	c := newSetup(s)
	k := openKeys(t, c)
	first := k.Mint(submission)
	for _, step := range []struct {
		name, secret string
		mints        bool // the first id
		verifies     bool
	}{
		{"a key to come", twoKeys, true, true},
		{"which becomes current", rotated, false, true},
		{"and the first one goes", newKey, false, false},
	} {
		s.put(step.secret)
		c.clock.advance(5 * time.Minute)
		if got := k.Mint(submission) == first; got != step.mints {
			t.Errorf("%s: got minted with the first key: %t, want %t", step.name, got, step.mints)
		}
		if got := verifies(k, first); got != step.verifies {
			t.Errorf("%s: got the first id accepted: %t, want %t", step.name, got, step.verifies)
		}
	}
	if got := strings.Count(c.log.String(), "took a new version of a secret"); got != 3 {
		t.Errorf("got %d new versions in the log, want 3", got)
	}
}

func TestSecretIsAskedForOnceInATTL(t *testing.T) {
	s := newService(t, oneKey)
	c := newSetup(s)
	c.TTL = time.Minute
	k := openKeys(t, c)
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{0, 1}, {59 * time.Second, 0}, {time.Second, 1}, {30 * time.Second, 0}, {24 * time.Hour, 1}} {
		c.clock.advance(step.after)
		var users sync.WaitGroup
		for range 50 {
			users.Go(func() { k.Mint(submission) })
		}
		users.Wait()
		if got := s.requests(); got != step.want {
			t.Errorf("%v later: got %d requests, want %d", step.after, got, step.want)
		}
	}
}

func TestUsersDoNotWaitForWhoReads(t *testing.T) {
	s := newService(t, oneKey)
	c := newSetup(s)
	k := openKeys(t, c)
	reading, release := make(chan struct{}), make(chan struct{})
	s.mu.Lock()
	s.before = func() { close(reading); <-release }
	s.mu.Unlock()
	c.clock.advance(time.Hour)
	var reader sync.WaitGroup
	reader.Go(func() { k.Mint(submission) })
	<-reading
	k.Mint(submission) // would hang
	close(release)
	reader.Wait()
}

func TestTheLastGoodVersionStays(t *testing.T) {
	s := newService(t, oneKey)
	c := newSetup(s)
	k := openKeys(t, c)
	want := k.Mint(submission)
	for _, test := range []struct {
		name, secret, fail, log string
	}{
		{"throttled", rotated, "ThrottlingException", "ThrottlingException"},
		{"denied", rotated, "AccessDeniedException", "AccessDeniedException"},
		{"gone", rotated, "ResourceNotFoundException", "ResourceNotFoundException"},
		{"broken", rotated, "InternalServiceError", "InternalServiceError"},
		{"undecipherable", rotated, "DecryptionFailure", "DecryptionFailure"},
		{"another Kd", keysSecret(9, 1, fmt.Sprintf(`"1": %q`, key(7))), "", "kd is another than before"},
		{"no JSON", "zqx-nothing", "", "no JSON"},
	} {
		s.put(test.secret)
		if test.fail != "" {
			s.fail(test.fail)
		}
		for range 3 {
			c.clock.advance(5 * time.Minute)
			if got := k.Mint(submission); got != want {
				t.Errorf("%s: the keys have changed", test.name)
			}
		}
		if got := strings.Count(c.log.String(), test.log); got != 1 {
			t.Errorf("%s: got %d log lines with %q, want 1", test.name, got, test.log)
		}
	}
	s.put(rotated)
	s.requests()
	c.clock.advance(3 * time.Second) // what failed is tried again soon
	if got := k.Mint(submission); got == want || !verifies(k, want) {
		t.Error("did not take the good version")
	}
	if !strings.Contains(c.log.String(), "good again") {
		t.Errorf("got log %s, want it to say that the secret is good again", c.log)
	}
}

func TestThrottledForAMoment(t *testing.T) {
	s := newService(t, oneKey)
	s.fail("ThrottlingException", "ThrottlingException", "")
	openKeys(t, newSetup(s))
	if got := s.requests(); got != 3 {
		t.Errorf("got %d requests, want 3", got)
	}
}

func TestOpenKeysRefuses(t *testing.T) {
	short := base64.StdEncoding.EncodeToString([]byte("zqx-too-short"))
	for _, test := range []struct{ name, secret, fail, want string }{
		{"denied", oneKey, "AccessDeniedException", "AccessDeniedException"},
		{"gone", oneKey, "ResourceNotFoundException", "ResourceNotFoundException"},
		{"throttled", oneKey, "ThrottlingException", "ThrottlingException"},
		{"empty", "", "", "no JSON"},
		{"no JSON", "zqx{", "", "no JSON"},
		{"something behind it", oneKey + "zqx", "", "no JSON"},
		{"no keys", "{}", "", "kd"},
		{"no Km", fmt.Sprintf(`{"kd": {"current": 1, "keys": {"1": %q}}}`, key(1)), "", "Km"},
		{"no base64", keysSecret(1, 1, `"1": "zqx-not-base64"`), "", "no JSON"},
		{"short Km", keysSecret(1, 1, fmt.Sprintf(`"1": %q`, short)), "", "Km"},
		{"short Kd", strings.Replace(oneKey, key(1), short, 1), "", "kd"},
		{"two Kd", strings.Replace(oneKey, `{"1": "AQ`, fmt.Sprintf(`{"2": %q, "1": "AQ`, key(3)), 1), "", "kd"},
		{"no current Km", keysSecret(1, 2, fmt.Sprintf(`"1": %q`, key(2))), "", "Km"},
		{"current too large", keysSecret(1, 256, fmt.Sprintf(`"1": %q`, key(2))), "", "no JSON"},
		{"key id 0", keysSecret(1, 0, fmt.Sprintf(`"0": %q`, key(2))), "", "Km"},
		{"key id that is none", keysSecret(1, 1, fmt.Sprintf(`"1": %q, "zqx": %q`, key(2), key(3))), "", "key id"},
		{"key id in two spellings", keysSecret(1, 1, fmt.Sprintf(`"1": %q, "01": %q`, key(2), key(3))), "", "key id"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newService(t, test.secret)
			if test.fail != "" {
				s.fail(test.fail)
			}
			c := newSetup(s)
			_, err := secrets.OpenKeys(t.Context(), c.Config)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
			for _, leak := range []string{"zqx", short, key(1), key(2), key(3)} {
				if strings.Contains(fmt.Sprint(err)+c.log.String(), leak) {
					t.Errorf("error %v or log %s has something of the secret", err, c.log)
				}
			}
		})
	}
}

func TestOpenKeysEndsWithItsTime(t *testing.T) {
	s := newService(t, oneKey)
	release := make(chan struct{})
	s.before = func() { <-release }
	defer close(release)
	start := time.Now()
	_, err := secrets.OpenKeys(context.Background(), newSetup(s).Config)
	if took := time.Since(start); err == nil || took > 5*time.Second {
		t.Errorf("got %v after %v, want an error after 2s", err, took)
	}
}

func TestKeysFromSettings(t *testing.T) {
	want, s := plain(t), newService(t, oneKey)
	s.configure(t)
	for _, test := range []struct {
		name      string
		variables map[string]string
		wrong     string
	}{
		{"secret", map[string]string{"REFERRAL_KEYS_SECRET": secretID}, ""},
		{"variables", map[string]string{"REFERRAL_KD": key(1), "REFERRAL_KM": key(2)}, ""},
		{"neither", nil, ""},
		{"half", map[string]string{"REFERRAL_KD": key(1)}, "REFERRAL_KM"},
		{"both", map[string]string{"REFERRAL_KEYS_SECRET": secretID, "REFERRAL_KM": key(2)}, "REFERRAL_KD and REFERRAL_KM"},
		{"another's secret", map[string]string{"REFERRAL_KEYS_SECRET": "zqx-other"}, "REFERRAL_KEYS_SECRET"},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := envtest.Settings(test.variables)
			k := secrets.KeysFromSettings(v, load, nil)
			err := v.Err()
			if (err == nil) != (test.wrong == "") || (k == nil) != (err != nil || test.variables == nil) || !strings.Contains(fmt.Sprint(err), test.wrong) {
				t.Fatalf("got %v, %v, want what is wrong with %q", k, err, test.wrong)
			}
			if k != nil && k.Mint(submission) != want.Mint(submission) {
				t.Error("got other keys")
			}
		})
	}
}

func TestPepperFromSettings(t *testing.T) {
	inSecret := strings.Replace(oneKey, `"other"`, fmt.Sprintf(`"pepper": %q, "other"`, key(5)), 1)
	for _, test := range []struct {
		name, secret string
		variables    map[string]string
		want         []byte
		wrong        string
	}{
		{"neither", oneKey, nil, nil, ""},
		{"variable", oneKey, map[string]string{"REFERRAL_KEY_PEPPER": key(6)}, bytes.Repeat([]byte{6}, 32), ""},
		{"secret", inSecret, map[string]string{"REFERRAL_KEYS_SECRET": secretID}, bytes.Repeat([]byte{5}, 32), ""},
		{"a secret without it", oneKey, map[string]string{"REFERRAL_KEYS_SECRET": secretID}, nil, ""},
		{"a secret without it, and the variable", oneKey, map[string]string{"REFERRAL_KEYS_SECRET": secretID, "REFERRAL_KEY_PEPPER": key(6)}, bytes.Repeat([]byte{6}, 32), ""},
		{"both", inSecret, map[string]string{"REFERRAL_KEYS_SECRET": secretID, "REFERRAL_KEY_PEPPER": key(6)}, bytes.Repeat([]byte{5}, 32), "REFERRAL_KEY_PEPPER"},
		{"too short", `{"pepper": "enF4"}`, map[string]string{"REFERRAL_KEYS_SECRET": secretID}, nil, "pepper needs at least 32 bytes"},
		{"no base64", `{"pepper": "zqx!"}`, map[string]string{"REFERRAL_KEYS_SECRET": secretID}, nil, "pepper in base64"},
	} {
		t.Run(test.name, func(t *testing.T) {
			newService(t, test.secret).configure(t)
			v := envtest.Settings(test.variables)
			got, err := secrets.PepperFromSettings(v, load, nil), v.Err()
			if !bytes.Equal(got, test.want) || (err == nil) != (test.wrong == "") || !strings.Contains(fmt.Sprint(err), test.wrong) {
				t.Errorf("got %d bytes, %v, want %d, and what is wrong with %q", len(got), err, len(test.want), test.wrong)
			}
			if strings.Contains(fmt.Sprint(err), "zqx") {
				t.Errorf("got %v, which has something of the secret", err)
			}
		})
	}
}
