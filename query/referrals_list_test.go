package query_test

import (
	"encoding/json"
	"flag"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp/httpcase"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

var update = flag.Bool("update", false, "write the answers in testdata/http anew")

// Refusals come before the store is asked: it is not there.
func TestRefusals(t *testing.T) {
	s := newServerOn(t, nowhere)
	for _, about := range []string{"status", "read", "history", "search", "referrals"} {
		for _, c := range httpcase.Load(t, "../testdata", about+"-*") {
			t.Run(c.Name, func(t *testing.T) { c.Replay(t, s, *update) })
		}
	}
}

func TestReferralsWithoutStore(t *testing.T) {
	s := newServerOn(t, nowhere)
	if w := s.get("dev-sender", "/referrals"); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("got %d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
	}
}

// list is a page of /referrals.
type list struct {
	Total       *int
	AtLeast     bool
	States      map[string]int
	Referrals   []json.RawMessage
	Next, Newer string
}

func (s *server) list(key, target string) list {
	s.Helper()
	w := s.get(key, target)
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" {
		s.Fatalf("%s: got %d %s %s", target, w.Code, w.Header().Get("Content-Type"), w.Body)
	}
	var l list
	if err := json.Unmarshal(w.Body.Bytes(), &l); err != nil {
		s.Fatal(err)
	}
	return l
}

// A list shows of each referral exactly what it shows by itself.
func TestReferralsForSenderAndRecipient(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	one := s.settle(s.settlement(1, recipient))
	two := s.settlement(2)
	two.State, two.Resources, two.Priority, two.Outcome = referral.Rejected, nil, "", "{}"
	s.settle(two)
	three := s.settlement(3, recipient, unrelated) // of which the third may read the Patient alone
	three.Resources[1].Readers = []string{recipient}
	s.settle(three)
	for _, test := range []struct {
		key, query string
		want       []*postgres.Settlement // newest first
		states     map[string]int
	}{
		{"dev-sender", "", []*postgres.Settlement{three, two, one}, map[string]int{"completed": 2, "rejected": 1}},
		{"dev-recipient", "", []*postgres.Settlement{three, one}, map[string]int{"completed": 2}},
		{"dev-other", "", []*postgres.Settlement{three}, map[string]int{"completed": 1}},
		{"dev-sender", "state=rejected", []*postgres.Settlement{two}, map[string]int{"completed": 2, "rejected": 1}},
		{"dev-sender", "state=rejected,completed", []*postgres.Settlement{three, two, one}, map[string]int{"completed": 2, "rejected": 1}},
		{"dev-sender", "to=" + unrelated, []*postgres.Settlement{three}, map[string]int{"completed": 1}},
		{"dev-recipient", "to=" + unrelated, nil, nil},
		{"dev-recipient", "from=" + sender + "&to=" + recipient, []*postgres.Settlement{three, one}, map[string]int{"completed": 2}},
		{"dev-recipient", "from=" + recipient, nil, nil},
		{"dev-recipient", "priority=urgent,stat", []*postgres.Settlement{three, one}, map[string]int{"completed": 2}},
		{"dev-other", "priority=urgent", nil, nil},
		{"dev-sender", "since=2026-01-01", []*postgres.Settlement{three, two, one}, map[string]int{"completed": 2, "rejected": 1}},
		{"dev-sender", "since=9999-01-01T00:00:00%2B10:00", nil, nil},
	} {
		got := s.list(test.key, "/referrals?"+test.query)
		var want []string
		for _, settlement := range test.want {
			want = append(want, s.get(test.key, "/referrals/"+s.id(settlement, sender)).Body.String())
		}
		if diff := cmp.Diff(want, texts(got.Referrals)); diff != "" {
			t.Errorf("%s %q (-want +got):\n%s", test.key, test.query, diff)
		}
		states := map[string]int{"completed": 0, "rejected": 0, "quarantined": 0, "cancelled": 0}
		for state, n := range test.states {
			states[state] = n
		}
		if diff := cmp.Diff(states, got.States); diff != "" || got.Total == nil || *got.Total != len(test.want) || got.AtLeast || got.Next != "" {
			t.Errorf("%s %q: got %+v, want %d and the states (-want +got):\n%s", test.key, test.query, got, len(test.want), diff)
		}
	}
	settledAt := func(referral json.RawMessage) string {
		var r struct{ SettledAt string }
		if err := json.Unmarshal(referral, &r); err != nil {
			t.Fatal(err)
		}
		return r.SettledAt
	}
	all := s.list("dev-sender", "/referrals").Referrals
	since := s.list("dev-sender", "/referrals?since="+settledAt(all[1])).Referrals
	if !slices.Equal(texts(since), texts(all[:len(since)])) || len(since) < 2 {
		t.Errorf("since the second: got %d, want it to be among them", len(since))
	}
}

func texts(raw []json.RawMessage) []string {
	var all []string
	for _, r := range raw {
		all = append(all, string(r))
	}
	return all
}

func TestReferralsPagesAndFollowing(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	var want []string // newest first
	for n := range 7 {
		want = append([]string{s.id(s.settle(s.settlement(n, recipient)), sender)}, want...)
	}
	var got []string
	first := s.list("dev-recipient", "/referrals?_count=3&priority=urgent")
	for page := first; ; page = s.list("dev-recipient", local(page.Next)) {
		got = append(got, idsIn(t, page)...)
		if *page.Total != 7 {
			t.Errorf("got total %d, want 7", *page.Total)
		}
		if page.Next == "" {
			break
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}
	var later []string // oldest first
	for n := range 4 {
		later = append(later, s.id(s.settle(s.settlement(10+n, recipient)), sender))
	}
	got = nil
	newer := first.Newer
	for deadline := time.Now().Add(30 * time.Second); len(got) < 4 && time.Now().Before(deadline); { // others may be writing in the same cluster
		page := s.list("dev-recipient", local(newer))
		if page.Total != nil || page.States != nil || len(page.Referrals) > 3 {
			t.Fatalf("got %+v, want a page without counts", page)
		}
		for _, id := range idsIn(t, page) {
			if !slices.Contains(want, id) { // one that was settling when the list began may come again
				got = append(got, id)
			}
		}
		newer = page.Newer
	}
	if diff := cmp.Diff(later, got); diff != "" {
		t.Errorf("following (-want +got):\n%s", diff)
	}
}

func TestReferralsPagesAreCutBySize(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for n := range 5 {
		settlement := s.settlement(n)
		settlement.Service = strings.Repeat("x", 30<<10)
		s.settle(settlement)
	}
	page := s.list("dev-sender", "/referrals")
	if len(page.Referrals) != 3 || page.Next == "" {
		t.Fatalf("64 KiB of referrals of 30 KiB: got %d and next %q, want the one that passes the limit to be the last", len(page.Referrals), page.Next)
	}
	if rest := s.list("dev-sender", local(page.Next)); len(rest.Referrals) != 2 || rest.Next != "" {
		t.Errorf("the next page: got %d, next %q, want the other 2", len(rest.Referrals), rest.Next)
	}
}

func TestReferralsTokenIsBoundToCallerAndList(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for n := range 2 {
		s.settle(s.settlement(n, recipient))
	}
	page := s.list("dev-sender", "/referrals?_count=1")
	search := link(parse(t, s.get("dev-sender", "/fhir/Patient?_count=1")), "next")
	for _, given := range []string{page.Next, page.Newer} {
		next, err := url.Parse(given)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.get("dev-sender", next.RequestURI()).Code; got != http.StatusOK {
			t.Fatalf("the link itself: got %d", got)
		}
		for name, request := range map[string]struct{ key, target string }{
			"another caller": {"dev-recipient", next.RequestURI()},
			"another list":   {"dev-sender", next.RequestURI() + "&state=completed"},
			"cut":            {"dev-sender", strings.TrimRight(next.RequestURI(), "=&")[:40]},
			"of a search":    {"dev-sender", "/referrals?_count=1&_page=" + search[strings.LastIndex(search, "=")+1:]},
		} {
			if w := s.get(request.key, request.target); w.Code != http.StatusBadRequest {
				t.Errorf("%s: got %d, want 400", name, w.Code)
			}
		}
	}
}

func local(link string) string { return strings.TrimPrefix(link, "https://referral.example") }

func idsIn(t testing.TB, l list) []string {
	t.Helper()
	var ids []string
	for _, raw := range l.Referrals {
		var r struct{ ID string }
		if err := json.Unmarshal(raw, &r); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, r.ID)
	}
	return ids
}
