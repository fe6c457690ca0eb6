package postgres_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

// group settles a Patient, a ServiceRequest and Tasks of one group: open, and with an owner that is no organisation here.
// It returns the key of the group, too.
func group(t testing.TB, url string) (s *postgres.Settlement, key int64) {
	t.Helper()
	s = submission(t, sender, 1)
	const content = `"status":"requested","groupIdentifier":{"system":"urn:group","value":"g"}`
	for i, content := range []string{content, content + `,"owner":{"display":"nobody here"}`} {
		resource, err := fhir.Parse([]byte(`{"resourceType":"Task",`+content+`}`), "Task", fhir.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		s.Resources = append(s.Resources, postgres.Resource{
			ID: resourceID(sender, 1, 3+i), Type: "Task", Content: content,
			Keys: search.Index(resource, func(reference string) string { return reference }),
		})
	}
	return store(t, open(t, url, postgres.RoleProcessor), s), keys(t, "Task", "group-identifier", "urn:group|g")[0].Low
}

// TestFillFindsForEitherLayer: the open Task of a group is found by its key, and nothing else is, by the text of the
// statement and by row-level security alone.
func TestFillFindsForEitherLayer(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	s, key := group(t, url)
	open3, task := s.Resources[3], s.Resources[2]
	text, both := open(t, url, "none"), open(t, url, postgres.RoleQuery)
	for name, test := range map[string]struct {
		search postgres.Search
		want   bool
	}{
		"by the group":         {postgres.Search{Type: "Task", Fill: key, Lead: []search.KeyRange{{Low: key, High: key}}}, true},
		"by its id":            {postgres.Search{Type: "Task", Fill: key, IDs: []referral.UUID{open3.ID}}, true},
		"another group":        {postgres.Search{Type: "Task", Fill: key + 1, Lead: []search.KeyRange{{Low: key, High: key}}}, false},
		"no group":             {postgres.Search{Type: "Task", Lead: []search.KeyRange{{Low: key, High: key}}}, false},
		"a Task of no group":   {postgres.Search{Type: "Task", Fill: key, IDs: []referral.UUID{task.ID}}, false},
		"the sender's Patient": {postgres.Search{Type: "Patient", Fill: key, IDs: []referral.UUID{s.Resources[0].ID}}, false},
	} {
		test.search.Count, test.search.Bytes = 20, 1<<20
		var want []string
		if test.want {
			want = []string{open3.ID.String()}
		}
		for layer, db := range map[string]*postgres.DB{"text alone": text, "text and policy": both} {
			found, _, err := db.Search(t.Context(), unrelated, test.search)
			if diff := cmp.Diff(want, versionIDs(found)); diff != "" || err != nil {
				t.Errorf("%s, %s: %v (-want +got):\n%s", name, layer, err, diff)
			}
		}
		if seen, err := both.FillByPolicy(t.Context(), unrelated, test.search); err != nil || seen != len(want) {
			t.Errorf("%s, policy alone: saw %d rows, %v, want %d", name, seen, err, len(want))
		}
	}
}

// TestFillFindsWhatIsLeftOpen: a Task without an owner that focuses on what is asked of somebody is no open Task of its group,
// however the reference is written, but for who reads the Task anyway.
func TestFillFindsWhatIsLeftOpen(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	first, key := group(t, url)
	s := submission(t, sender, 2)
	request := func(i int) string { return resourceID(sender, 2, i).String() }
	add := func(resourceType, content string, readers ...string) string {
		resource, err := fhir.Parse([]byte(`{"resourceType":"`+resourceType+`",`+content+`}`), resourceType, fhir.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		id := resourceID(sender, 2, len(s.Resources))
		s.Resources = append(s.Resources, postgres.Resource{
			ID: id, Type: resourceType, Content: content, Readers: readers, Keys: search.Index(resource, func(reference string) string { return reference }),
		})
		return id.String()
	}
	task := func(focus string, readers ...string) string {
		return add("Task", `"groupIdentifier":{"system":"urn:group","value":"g"},"focus":{"reference":"`+focus+`"}`, readers...)
	}
	asked := add("ServiceRequest", `"status":"active","performer":[{"display":"x"}]`)
	want := []string{first.Resources[3].ID.String(), task("ServiceRequest/" + request(1)), task("Patient/" + request(0))}
	task("ServiceRequest/" + asked)
	task(`ServiceRequest\/` + asked)
	task("ServiceRequest/" + asked + "/_history/1")
	read := task("ServiceRequest/"+asked, recipient)
	store(t, open(t, url, postgres.RoleProcessor), s)
	for org, want := range map[string][]string{unrelated: want, recipient: append(want, read)} {
		for layer, role := range map[string]string{"text alone": "none", "text and policy": postgres.RoleQuery} {
			found, more, err := open(t, url, role).Search(t.Context(), org, postgres.Search{
				Type: "Task", Fill: key, Lead: []search.KeyRange{{Low: key, High: key}}, Forward: true, Count: 20, Bytes: 1 << 20,
			})
			if diff := cmp.Diff(want, versionIDs(found)); diff != "" || more || err != nil {
				t.Errorf("%s, %s: more %t, %v (-want +got):\n%s", org, layer, more, err, diff)
			}
		}
	}
}

// TestFillPoliciesAlone: what may be done to others' Tasks by who may claim them, and nothing besides.
func TestFillPoliciesAlone(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	s, _ := group(t, url)
	conn := connect(t, url)
	const (
		denied  = "42501" // insufficient_privilege
		version = `insert into history (id, version, type, org, readers, last_updated, meta, content) select id, version, type, org, readers, last_updated, meta, content from resource where org <> $1`
		take    = `update resource set version = version + 1, owner = $1, readers = array[$1] where org <> $1`
	)
	claim := func(i int) string { return `set local app.claim = '` + s.Resources[i].ID.String() + `'; ` }
	for _, test := range []struct {
		statement string
		state     string // SQLSTATE, or empty
		rows      int
	}{
		{claim(3) + take, "", 1},
		{claim(3) + version, "", 1},
		{take, "", 0},
		{claim(4) + take, "", 0}, // it has an owner, if nobody known
		{claim(0) + take, "", 0}, // it is a Patient
		{claim(0) + version, "", 0},
		{claim(3) + `update resource set version = version + 1`, denied, 0},
		{claim(3) + strings.Replace(take, "owner = $1", "owner = '"+recipient+"'", 1), denied, 0},
		{claim(3) + strings.Replace(take, "array[$1]", "array[$1, '"+recipient+"']", 1), denied, 0},
		{claim(3) + strings.Replace(take, "version + 1", "version", 1), denied, 0},
		{claim(3) + strings.Replace(take, "owner = $1", "owner = $1, org = $1", 1), denied, 0},
		{claim(3) + `update resource set version = version + 1, owner = $1 where org <> $1`, denied, 0}, // nobody's readers
		{claim(3) + strings.Replace(version, "readers, last_updated, meta, content from", "array[$1], last_updated, meta, content from", 1), denied, 0},
		{claim(3) + `delete from resource where org <> $1`, "", 0},
	} {
		state, rows := attempt(t, conn, postgres.RoleProcessor, unrelated, test.statement)
		if diff := cmp.Diff([]any{test.state, test.rows}, []any{state, rows}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.statement, diff)
		}
	}
	if state, rows := attempt(t, conn, postgres.RoleQuery, "", `set local app.fill = '1'; select from resource`); state != "" || rows != 0 {
		t.Errorf("nobody, with the key of a group: got %s and %d rows, want none", state, rows)
	}
}

// TestFillPlans: the plans of the roles that find open Tasks read no table whole.
func TestFillPlans(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	fill(t, url)
	conn := connect(t, url)
	id := referral.UUID{1}
	lead := postgres.Search{Type: "Task", Fill: 7919, Lead: []search.KeyRange{{Low: 7919, High: 7919}}, Count: 20, Bytes: 1 << 20}
	byID := lead
	byID.Lead, byID.IDs = nil, []referral.UUID{id}
	type plan struct {
		role, query string
		args        []any
	}
	plans := map[string]plan{}
	for name, s := range map[string]postgres.Search{"by the group": lead, "by its id": byID} {
		query, args := s.SQL(sender)
		if len(s.IDs) > 0 {
			args[6] = []string{id.String()} // the simple protocol has text only
		}
		args[len(args)-1] = []string{id.String()} // likewise
		plans[name] = plan{postgres.RoleQuery, query, args}
	}
	ids := []string{id.String()}
	plans["hold"] = plan{postgres.RoleProcessor, postgres.HoldOpenSQL, []any{sender, ids}}
	plans["read"] = plan{postgres.RoleProcessor, postgres.OpenSQL, []any{sender, ids, 1 << 20}}
	plans["taken"] = plan{postgres.RoleProcessor, postgres.TakenSQL, []any{sender, ids}}
	plans["senders"] = plan{postgres.RoleQuery, postgres.OpenSendersSQL, []any{sender, 7919}}
	plans["closed"] = plan{postgres.RoleQuery, postgres.ClosedSQL, []any{sender, ids}}
	plans["share"] = plan{postgres.RoleProcessor, postgres.SharedSQL, []any{sender, ids, recipient, 1}}
	for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
		for name, p := range plans {
			got := explain(t, conn, p.role, mode, p.query, p.args...)
			if strings.Contains(got, "Seq Scan") || !strings.Contains(got, "Index") {
				t.Errorf("%s, %s:\n%s", name, mode, got)
			}
		}
	}
}

// explain returns the plan of a query as the role.
func explain(t testing.TB, conn *pgx.Conn, role, mode, query string, args ...any) string {
	t.Helper()
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	marks := make([]string, len(args))
	for i := range args {
		marks[i] = "$" + string(rune('1'+i))
	}
	for _, setting := range []string{"set local role " + role, "set local app.org = '" + sender + "'", "set local plan_cache_mode = " + mode, "prepare statement as " + query} {
		if _, err := tx.Exec(t.Context(), setting); err != nil {
			t.Fatalf("%s: %v", setting, err)
		}
	}
	rows, err := tx.Query(t.Context(), "explain execute statement ("+strings.Join(marks, ", ")+")", append([]any{pgx.QueryExecModeSimpleProtocol}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "deallocate statement"); err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}
