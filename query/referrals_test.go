package query_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
)

func TestReferralForSenderAndRecipient(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	settlement := s.settle(s.settlement(1, recipient))
	id := s.id(settlement, sender)
	want := `{"id":"` + id + `","state":"completed","acceptedAt":"2026-11-22T01:02:03.456Z","settledAt":"*","attempts":2,"from":"` + sender +
		`","to":["` + recipient + `"],"patient":"` + settlement.Patient + `","service":"Echocardiogram","priority":"urgent","authored":"2026-11-22","resources":["Patient/` +
		settlement.Resources[0].ID.String() + `","ServiceRequest/` + settlement.Resources[1].ID.String() + `"]}`
	for _, key := range []string{"dev-sender", "dev-recipient"} {
		w := s.get(key, "/referrals/"+id)
		got := regexp.MustCompile(`"settledAt":"[0-9T:.-]+Z"`).ReplaceAllString(w.Body.String(), `"settledAt":"*"`)
		if w.Code != http.StatusOK || got != want || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: got  %d %s\nwant 200 %s", key, w.Code, got, want)
		}
	}
}

// One Bundle may refer two patients to two organisations: neither learns of the other, its patient or its service.
func TestReferralToTwoTellsEachOfItself(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	settlement := s.settlement(1, recipient)
	other := s.settlement(2, unrelated).Resources
	settlement.Readers = []string{recipient, unrelated}
	settlement.Resources = append(settlement.Resources, other...)
	id := s.id(s.settle(settlement), sender)
	names := func(resources ...postgres.Resource) string {
		return `["` + resources[0].Type + `/` + resources[0].ID.String() + `","` + resources[1].Type + `/` + resources[1].ID.String() + `"]`
	}
	for key, want := range map[string]string{
		"dev-recipient": `"to":["` + recipient + `"],"patient":"` + settlement.Patient + `","service":"Echocardiogram","priority":"urgent","authored":"2026-11-22","resources":` +
			names(settlement.Resources[:2]...) + `}`,
		"dev-other": `"to":["` + unrelated + `"],"resources":` + names(other...) + `}`,
	} {
		if w := s.get(key, "/referrals/"+id); w.Code != http.StatusOK || !strings.HasSuffix(w.Body.String(), `"from":"`+sender+`",`+want) {
			t.Errorf("%s: got  %d %s\nwant 200 … %s", key, w.Code, w.Body, want)
		}
	}
}

func TestReferralWithoutRowIsQueued(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	id := s.id(s.settlement(1), sender)
	want := `{"id":"` + id + `","state":"queued","acceptedAt":"2026-11-22T01:02:03.456Z","attempts":0,"from":"` + sender + `","to":[],"resources":[]}`
	if w := s.get("dev-sender", "/referrals/"+id); w.Code != http.StatusOK || w.Body.String() != want {
		t.Errorf("got  %d %s\nwant 200 %s", w.Code, w.Body, want)
	}
}

func TestReferralOfAnotherIsAsOfNothing(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	addressed := s.settle(s.settlement(1, recipient))
	own := s.settle(s.settlement(2))
	queued := s.settlement(3)
	forged := *addressed
	forged.AcceptedAt = accepted.Add(1e6)
	malformed := s.get("dev-other", "/referrals/malformed")
	for name, request := range map[string]struct{ key, id string }{
		"unrelated":                  {"dev-other", s.id(addressed, sender)},
		"recipient not addressed":    {"dev-recipient", s.id(own, sender)},
		"recipient, not settled yet": {"dev-recipient", s.id(queued, sender)},
		"recipient, its own tag":     {"dev-recipient", s.id(addressed, recipient)},
		"sender, another's tag":      {"dev-sender", s.id(addressed, recipient)},
		"recipient, forged time":     {"dev-recipient", s.id(&forged, recipient)},
	} {
		w := s.get(request.key, "/referrals/"+request.id)
		if err := same(w, malformed); err != nil || w.Code != http.StatusNotFound {
			t.Errorf("%s: got %d; differs from a malformed id: %v", name, w.Code, err)
		}
	}
}
