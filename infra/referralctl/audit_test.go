package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAccesses(t *testing.T) {
	settings(t)
	var queries []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		queries = append(queries, r.URL.RawQuery)
		if r.URL.Path != "/fhir/AuditEvent" || r.Header.Get("X-Api-Key") != "dev-operator" {
			t.Errorf("unexpected %s by %q", r.URL.Path, r.Header.Get("X-Api-Key"))
		}
		event := func(id int) string {
			return fmt.Sprintf(`{"resource":{"id":"%d","recorded":"2026-11-22T01:02:03.000Z","action":"R","subtype":[{"code":"read"}],`+
				`"agent":[{"name":"ward\u001b[31m","who":{"identifier":{"value":"8003624900041689"}}},{"who":{"display":"x"}}],`+
				`"entity":[{"what":{"display":"Patient/1"},"role":{"code":"4"}},{"what":{"reference":"Patient/1"},"role":{"code":"1"}},`+
				`{"what":{"reference":"Patient/1/_history/1"},"role":{"code":"4"}},{"what":{"identifier":{"value":"r-1"}}}]}}`, id)
		}
		next := ""
		if r.URL.Query().Get("_page") == "" {
			next = `,{"relation":"next","url":"https://public.example/fhir/AuditEvent?_page=2"}`
		}
		fmt.Fprintf(w, `{"resourceType":"Bundle","type":"searchset","link":[{"relation":"self","url":"x"}%s],"entry":[%s,%s]}`, next, event(9), event(8))
	}))
	t.Cleanup(server.Close)
	got := referralctl(t, "", "audit", "accesses", "--server", server.URL, "--patient", "1", "--from", "2026-11-22", "--to", "2026-11-23T09:00:00Z")
	got.want(t, 0, "2026-11-22T01:02:03.000Z  8003624900041689  ward[31m              read              1      Patient/1\n", "")
	got.want(t, 0, "4 accesses.\n", "")
	if diff := cmp.Diff([]string{"_count=100&date=ge2026-11-22&date=le2026-11-23T09%3A00%3A00Z&patient=1", "_page=2"}, queries); diff != "" {
		t.Errorf("queries (-want +got):\n%s", diff)
	}
	referralctl(t, "", "--json", "audit", "accesses", "--server", server.URL, "--patient", "1").want(t, 0,
		`{"accesses":[{"id":"9","recorded":"2026-11-22T01:02:03.000Z","org":"8003624900041689","client":"ward\u001b[31m","action":"R","what":"read",`+
			`"entity":"Patient/1","shown":["Patient/1/_history/1"],"request":"r-1"}`, "")
	referralctl(t, "", "audit", "accesses", "--patient", "1", "--from", "yesterday").want(t, exitUsage, "", "--from is a day")
	referralctl(t, "", "audit", "accesses").want(t, exitUsage, "", "--patient")
}
