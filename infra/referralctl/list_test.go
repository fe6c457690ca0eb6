package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// newList serves 250 referrals in pages of _count and notes the queries. Its next links name another host, where the key must
// not go.
func newList(t testing.TB) (server *httptest.Server, queries *[]string) {
	t.Helper()
	queries = &[]string{}
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*queries = append(*queries, r.URL.RawQuery)
		if r.URL.Path != "/referrals" || r.Header.Get("X-Api-Key") != "dev-sender" {
			t.Errorf("unexpected %s by %q", r.URL.Path, r.Header.Get("X-Api-Key"))
		}
		if r.URL.Query().Get("from") == "none" {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"value","details":{"text":"from is an HPI-O"}}]}`)
			return
		}
		start, count := 0, 0
		fmt.Sscan(r.URL.Query().Get("_page"), &start)
		fmt.Sscan(r.URL.Query().Get("_count"), &count)
		var referrals []string
		for n := start; n < min(start+count, 250); n++ {
			referrals = append(referrals, fmt.Sprintf(`{"id":"id-%d","state":"completed","settledAt":"2026-11-22T01:02:03.000Z","from":"8003621566684455",`+
				`"to":["8003624900041689","8003629900040359"],"service":"Cardiology\u001b[31m\nassessment %s","priority":"urgent"}`, n, strings.Repeat("x", 50)))
		}
		next := ""
		if start+count < 250 {
			query := r.URL.Query()
			query.Set("_page", fmt.Sprint(start+count))
			next = `,"next":"https://public.example/referrals?` + query.Encode() + `"`
		}
		fmt.Fprintf(w, `{"total":250,"atLeast":true,"states":{"completed":249,"rejected":1,"cancelled":0},"referrals":[%s]%s}`, strings.Join(referrals, ","), next)
	}))
	t.Cleanup(server.Close)
	return server, queries
}

func TestListToTheEnd(t *testing.T) {
	settings(t)
	server, queries := newList(t)
	got := referralctl(t, "", "list", "--server", server.URL, "--state", "completed,rejected", "--from", "8003621566684455",
		"--to", "8003624900041689", "--priority", "urgent", "--since", "2026-11-22")
	lines := strings.Split(strings.TrimSpace(got.out), "\n")
	if len(lines) != 252 || got.status != 0 || got.err != "" {
		t.Fatalf("got %d lines, status %d, %q", len(lines), got.status, got.err)
	}
	want := []string{
		"settled                   state        priority  from              to                    service                                   id",
		"2026-11-22T01:02:03.000Z  completed    urgent    8003621566684455  8003624900041689 +1   Cardiology[31m assessment xxxxxxxxxxxxx…  id-0",
		"at least 250 referrals; by state: 249 completed, 1 rejected",
	}
	if diff := cmp.Diff(want, []string{lines[0], lines[1], lines[251]}); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
	const query = "_count=100&from=8003621566684455&priority=urgent&since=2026-11-22&state=completed%2Crejected&to=8003624900041689"
	paged := func(page string) string { return strings.Replace(query, "&from", "&_page="+page+"&from", 1) }
	if diff := cmp.Diff([]string{query, paged("100"), paged("200")}, *queries); diff != "" {
		t.Errorf("queries (-want +got):\n%s", diff)
	}
}

func TestListUpToALimit(t *testing.T) {
	settings(t)
	server, queries := newList(t)
	for limit, want := range map[string][]string{"7": {"_count=7"}, "100": {"_count=100"}, "150": {"_count=100", "_count=100&_page=100"}} {
		*queries = nil
		got := referralctl(t, "", "list", "--server", server.URL, "--limit", limit, "--json")
		var list struct {
			Total     int
			AtLeast   bool
			States    map[string]int
			Referrals []struct{ ID string }
		}
		if err := json.Unmarshal([]byte(got.out), &list); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(len(list.Referrals)) != limit || list.Total != 250 || !list.AtLeast || list.States["completed"] != 249 || !slices.Equal(*queries, want) {
			t.Errorf("limit %s: got %d of %d with %q, want %q", limit, len(list.Referrals), list.Total, *queries, want)
		}
	}
	referralctl(t, "", "list", "--server", server.URL, "--limit", "3").want(t, 0, "shown 3 of at least 250 referrals", "")
}

func TestListTimeSpan(t *testing.T) {
	settings(t)
	server, queries := newList(t)
	referralctl(t, "", "list", "--server", server.URL, "--since", "24h", "--limit", "1").want(t, 0, "id-0", "")
	if len(*queries) != 1 || !strings.Contains((*queries)[0], "since=20") || !strings.HasSuffix((*queries)[0], "Z") {
		t.Errorf("got %q, want since an instant in UTC", *queries)
	}
}

func TestListErrors(t *testing.T) {
	settings(t)
	server, _ := newList(t)
	referralctl(t, "", "list", "--server", server.URL, "--from", "none").want(t, exitFailed, "", "400 Bad Request: value: from is an HPI-O")
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }))
	defer other.Close()
	referralctl(t, "", "list", "--server", other.URL).want(t, exitFailed, "", "is it a Referral FHIR Server?")
}
