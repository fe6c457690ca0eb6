package query_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/query"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
)

// TestFillFindsAnOpenGroup: who has the scope fill and knows the group finds its Tasks that have no owner, and nothing else
// of them or by them.
func TestFillFindsAnOpenGroup(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	of := func(owner string) [2]string {
		return [2]string{"Task", `"status":"requested","for":{"reference":"{0}"},"focus":{"reference":"{1}"},` + owner + `"groupIdentifier":{"system":"g","value":"one"}`}
	}
	patient := [2]string{"Patient", `"identifier":[{"system":"mrn","value":"1"}]`}
	request := [2]string{"ServiceRequest", `"status":"active","subject":{"reference":"{0}"}`}
	names := s.put(1, nil, patient, request, of(""), of(`"owner":{"display":"known to nobody"},`), of(""))
	sole := [2]string{"Task", `"status":"requested","groupIdentifier":{"value":"one"}`}
	bare := s.put(2, nil, sole)
	open := []string{names[4], names[2]}
	for _, test := range []struct {
		key, query string
		want       []string
	}{
		{"dev-other", "group-identifier=g|one", open},
		{"dev-other", "group-identifier=g|one&_sort=_lastUpdated&_total=accurate", open},
		{"dev-other", "group-identifier=g|one&_include=Task:focus&_include=Task:patient&_revinclude=Task:part-of", open},
		{"dev-other", "group-identifier=g|one&_id=" + strings.TrimPrefix(names[2], "Task/"), open[1:]},
		{"dev-other", "group-identifier=g|one&status=requested", open},
		{"dev-other", "group-identifier=g|one&status=draft", nil},
		{"dev-other", "group-identifier=g|one&patient.identifier=mrn|1", nil},
		{"dev-other", "group-identifier=g|two", nil},
		{"dev-other", "group-identifier=h|one", nil},
		{"dev-other", "group-identifier=one", nil},
		{"dev-other", "group-identifier=|one", nil},
		{"dev-other", "group-identifier=g|", nil},
		{"dev-other", "group-identifier=g|one,g|two", nil},
		{"dev-other", "group-identifier=g|one&group-identifier=g|one", nil},
		{"dev-other", "group-identifier:not=g|two", nil},
		{"dev-other", "group-identifier:text=one", nil},
		{"dev-other", "_id=" + strings.TrimPrefix(names[2], "Task/"), nil},
		{"dev-sender", "group-identifier=g|one", []string{names[4], names[3], names[2]}},
		{"dev-sender", "group-identifier=|one", bare},
	} {
		w := s.get(test.key, "/fhir/Task?"+escape(test.query))
		got, included := found(t, parse(t, w))
		slices.Sort(got)
		want := slices.Sorted(slices.Values(test.want))
		if w.Code != http.StatusOK || !slices.Equal(got, want) || test.key == "dev-other" && included != nil {
			t.Errorf("%s %s: got %d %v and %v, want %v", test.key, test.query, w.Code, got, included, want)
		}
	}
	for _, target := range []string{
		"/fhir/" + names[2], "/fhir/" + names[2] + "/_history", "/fhir/" + names[1], "/fhir/" + names[0],
		"/fhir/Patient?_has:Task:patient:group-identifier=g%7Cone", "/fhir/Task", "/fhir/ServiceRequest?_has:Task:focus:group-identifier=g%7Cone",
		"/fhir/Task?part-of:Task.group-identifier=g%7Cone",
	} {
		if w := s.get("dev-other", target); strings.Contains(w.Body.String(), `"resource":`) || strings.Contains(target, names[0][8:]) && w.Code != http.StatusNotFound {
			t.Errorf("%s: got %d %s, want nothing of the group", target, w.Code, w.Body)
		}
	}
	first := s.get("dev-other", "/fhir/Task?group-identifier=g%7Cone&_count=1")
	next := strings.TrimPrefix(link(parse(t, first), "next"), "https://referral.example")
	if got, _ := found(t, parse(t, s.get("dev-other", next))); !slices.Equal(got, open[1:]) && !slices.Equal(got, open[:1]) {
		t.Errorf("the second page has %v, want one of %v", got, open)
	}
}

// TestFillNeedsItsScope: to others an open group is as if absent, byte by byte.
func TestFillNeedsItsScope(t *testing.T) {
	t.Parallel()
	s := newServerWith(t, pgtest.New(t), func(c *query.Config) {
		authenticate := c.Authenticate
		c.Authenticate = func(r *http.Request) (principal.Principal, error) {
			p, err := authenticate(r)
			p.Scopes = slices.DeleteFunc(slices.Clone(p.Scopes), func(s principal.Scope) bool { return s == principal.Fill })
			return p, err
		}
	})
	const target = "/fhir/Task?group-identifier=g%7Cone&_total=accurate"
	before := s.get("dev-other", target)
	s.put(1, nil, [2]string{"Task", `"status":"requested","groupIdentifier":{"system":"g","value":"one"}`})
	after := s.get("dev-other", target)
	if diff := cmp.Diff(before.Body.String(), after.Body.String()); diff != "" {
		t.Errorf("the answer (-absent +there):\n%s", diff)
	}
}

// TestFillShowsNothingOfWhatIsAsked: what is asked of somebody is as if absent, byte by byte, also to who counts and to who turns
// pages.
func TestFillShowsNothingOfWhatIsAsked(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	task := [2]string{"Task", `"status":"requested","focus":{"reference":"{0}"},"groupIdentifier":{"system":"g","value":"one"}`}
	s.put(1, nil, [2]string{"ServiceRequest", `"status":"active"`}, task)
	ask := func() (all string) {
		for _, query := range []string{"", "&_total=accurate", "&_summary=count", "&_count=1"} {
			all += s.get("dev-other", "/fhir/Task?group-identifier=g%7Cone"+query).Body.String()
		}
		return all
	}
	before := ask()
	s.put(2, nil, [2]string{"ServiceRequest", `"status":"active","performer":[{"display":"x"}]`}, task, task)
	if diff := cmp.Diff(before, ask()); diff != "" || !strings.Contains(before, `"total":1`) {
		t.Errorf("the answers (-absent +there):\n%s", diff)
	}
}

// TestFillIsAudited: who was shown whose open Task has a row, or there is no answer.
func TestFillIsAudited(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	s := newServerOn(t, url)
	names := s.put(1, nil, [2]string{"Patient", `"active":true`}, [2]string{"Task", `"status":"requested","for":{"reference":"{0}"},"groupIdentifier":{"system":"g","value":"one"}`})
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	const target = "/fhir/Task?group-identifier=g%7Cone"
	s.get("dev-other", target)
	var got string
	if err := conn.QueryRow(t.Context(), `select concat_ws(' ', client, action, entity, query, 'Patient/' || patient, array_to_string(resources, ' '))
		from audit where action <> 'C'`).Scan(&got); err != nil {
		t.Fatal(err)
	}
	if want := "dev-other E Task group-identifier=g%7Cone " + names[0] + " " + names[1] + "/_history/1"; got != want {
		t.Errorf("got a row %q, want %q", got, want)
	}
	if _, err := conn.Exec(t.Context(), `revoke insert on audit from `+postgres.RoleQuery); err != nil {
		t.Fatal(err)
	}
	if w := s.get("dev-other", target); w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), names[1]) {
		t.Errorf("without its audit: got %d %s, want 503", w.Code, w.Body)
	}
}
