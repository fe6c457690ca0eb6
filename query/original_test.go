package query_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// sent gives the settlement a body.
func sent(settlement *postgres.Settlement, body string) *postgres.Settlement {
	var m queue.Message
	m.Pack([]byte(body))
	settlement.Content, settlement.Encoding, settlement.SHA256 = m.Body, m.Encoding, m.Request.SHA256
	return settlement
}

func TestOriginalIsByteForByte(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	body := "{\"resourceType\" :\t\"Bundle\",\"n\":1.50}\r\n"
	id := s.id(s.settle(sent(s.settlement(1, recipient), body)), sender)
	hash := sha256.Sum256([]byte(body))
	etag := `"` + hex.EncodeToString(hash[:]) + `"`
	for _, key := range []string{"dev-sender", "dev-recipient"} {
		w := s.get(key, "/referrals/"+id+"/bundle")
		if w.Code != http.StatusOK || w.Body.String() != body {
			t.Errorf("%s: got %d %q", key, w.Code, w.Body)
		}
		for name, want := range map[string]string{
			"ETag": etag, "Content-Digest": "sha-256=:" + base64.StdEncoding.EncodeToString(hash[:]) + ":", "Content-Type": "application/fhir+json",
		} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s: %s: got %q, want %q", key, name, got, want)
			}
		}
	}
	if w := s.get("dev-sender", "/referrals/"+id+"/bundle", "If-None-Match", etag); w.Code != http.StatusNotModified || w.Body.Len() > 0 {
		t.Errorf("If-None-Match: got %d", w.Code)
	}
	patch := sent(s.settlement(2), `[{"op":"remove","path":"/active"}]`)
	patch.BundleType = "patch"
	if w := s.get("dev-sender", "/referrals/"+s.id(s.settle(patch), sender)+"/bundle"); w.Header().Get("Content-Type") != "application/json-patch+json" {
		t.Errorf("a patch: got %s", w.Header().Get("Content-Type"))
	}
	deletion := sent(s.settlement(3), "")
	if w := s.get("dev-sender", "/referrals/"+s.id(s.settle(deletion), sender)+"/bundle"); w.Code != http.StatusNoContent {
		t.Errorf("a deletion: got %d", w.Code)
	}
}

func TestOriginalOfWhatThereIsNot(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	partial := sent(s.settlement(1, recipient), "{}")
	partial.Resources[1].Readers = nil
	s.settle(partial)
	cancelled, rejected, queued := s.settlement(2), sent(s.settlement(3), "{"), s.settlement(4)
	rejected.State, rejected.Resources = referral.Rejected, nil
	s.settle(rejected)
	s.do("dev-sender", http.MethodDelete, "/fhir/_status/"+s.id(cancelled, sender), "")
	damaged := sent(s.settlement(5), "{}")
	damaged.SHA256[0]++
	s.settle(damaged)
	for name, test := range map[string]struct {
		key, id string
		status  int
	}{
		"may read a part":     {"dev-recipient", s.id(partial, sender), 404},
		"all is one's own":    {"dev-sender", s.id(partial, sender), 200},
		"is not addressed":    {"dev-other", s.id(partial, sender), 404},
		"rejected":            {"dev-sender", s.id(rejected, sender), 200},
		"cancelled":           {"dev-sender", s.id(cancelled, sender), 410},
		"not settled yet":     {"dev-sender", s.id(queued, sender), 202},
		"not settled, reader": {"dev-recipient", s.id(queued, sender), 404},
		"damaged":             {"dev-sender", s.id(damaged, sender), 500},
	} {
		w := s.get(test.key, "/referrals/"+test.id+"/bundle")
		if w.Code != test.status || test.status == 202 && w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: got %d %s, want %d", name, w.Code, w.Body, test.status)
		}
	}
}

// The entries of a body may say more than what became of them.
func TestOriginalWithPatchesIsTheSenders(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for n, test := range []struct {
		bundleType, method string
		status             int // for the recipient
	}{
		{"transaction", "POST", 200}, {"transaction", "PUT", 200}, {"transaction", "PATCH", 404}, {"batch", "PATCH", 404}, {"batch", "GET", 404}, {"document", "", 200},
	} {
		settlement := sent(s.settlement(n, recipient), `{"resourceType":"Bundle","type":"`+test.bundleType+`","entry":[{"request":{"method":"POST"}},{"request":{"method":"`+test.method+`"}}]}`)
		settlement.BundleType = test.bundleType
		id := s.id(s.settle(settlement), sender)
		for key, want := range map[string]int{"dev-sender": 200, "dev-recipient": test.status} {
			if w := s.get(key, "/referrals/"+id+"/bundle"); w.Code != want {
				t.Errorf("%s of a %s for %s: got %d %s, want %d", test.method, test.bundleType, key, w.Code, w.Body, want)
			}
		}
	}
}
