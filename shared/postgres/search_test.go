package postgres_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

func TestSearchFindsForSenderAndAddressedReader(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	s := settle(t, url, 1, recipient)
	request := s.Resources[1]
	identifier := keys(t, "ServiceRequest", "identifier", "http://example.org/"+sender+"|1")
	code := keys(t, "ServiceRequest", "identifier", "1,2")
	patient := keys(t, "ServiceRequest", "patient", s.Patient)
	none := keys(t, "ServiceRequest", "identifier", "9")
	text, both := open(t, url, "none"), open(t, url, postgres.RoleQuery)
	for name, test := range map[string]struct {
		search postgres.Search
		want   bool
	}{
		"list":                     {postgres.Search{}, true},
		"system and code":          {postgres.Search{Lead: identifier}, true},
		"code or another":          {postgres.Search{Lead: code}, true},
		"patient":                  {postgres.Search{Lead: patient}, true},
		"patient and code":         {postgres.Search{Lead: patient, Checks: [][]search.KeyRange{code}}, true},
		"patient and another code": {postgres.Search{Lead: patient, Checks: [][]search.KeyRange{none}}, false},
		"another code and patient": {postgres.Search{Lead: none, Checks: [][]search.KeyRange{patient}}, false},
		"_id":                      {postgres.Search{IDs: []referral.UUID{{1}, request.ID}}, true},
		"_id and patient":          {postgres.Search{IDs: []referral.UUID{request.ID}, Checks: [][]search.KeyRange{patient}}, true},
		"_id and another code":     {postgres.Search{IDs: []referral.UUID{request.ID}, Checks: [][]search.KeyRange{none}}, false},
		"_id of another type":      {postgres.Search{IDs: []referral.UUID{s.Resources[0].ID}}, false},
	} {
		test.search.Type, test.search.Count, test.search.Bytes = "ServiceRequest", 20, 1<<20
		for org, mayRead := range map[string]bool{sender: true, recipient: true, unrelated: false, "": false} {
			want := test.want && mayRead
			for layer, db := range map[string]*postgres.DB{"text alone": text, "text and policy": both} {
				found, more, err := db.Search(t.Context(), org, test.search)
				if err != nil || more || len(found) == 1 != want || want && found[0].ID != request.ID.String() {
					t.Errorf("%s, %s, organisation %q: got %v, more %v, %v, want found %v", name, layer, org, versionIDs(found), more, err, want)
				}
			}
			query, args := test.search.SQL(org)
			if len(test.search.IDs)+len(test.search.Lead) == 0 {
				args[6] = search.ListHash(sender) // with somebody else's list
			}
			seen, err := both.As(t.Context(), org, postgres.WithoutTenantRule(query), args)
			if err != nil || seen == 1 != want {
				t.Errorf("%s, policy alone, organisation %q: saw %d rows, %v, want seen %v", name, org, seen, err, want)
			}
		}
	}
}

func TestSearchPagesMissNoneAndRepeatNone(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	db := open(t, url, postgres.RoleProcessor)
	var want []string // newest first
	var ids []referral.UUID
	var values []string
	for n := range 50 {
		s := settleFrom(t, db, sender, n)
		settleFrom(t, db, unrelated, n)
		want = append([]string{s.Resources[1].ID.String()}, want...)
		ids = append(ids, s.Resources[1].ID)
		values = append(values, s.Patient)
	}
	for name, s := range map[string]postgres.Search{
		"list":     {},
		"patients": {Lead: keys(t, "ServiceRequest", "patient", strings.Join(values, ","))},
		"_id":      {IDs: ids},
	} {
		for _, count := range []int{1, 7, 25, 49, 50, 100} {
			var got []string
			s.Type, s.Count, s.Bytes, s.Before = "ServiceRequest", count, 1<<20, 0
			for more := true; more; {
				var found []postgres.Version
				var err error
				if found, more, err = db.Search(t.Context(), sender, s); err != nil {
					t.Fatal(err)
				}
				if len(found) > count || more && len(found) != count {
					t.Fatalf("%s by %d: a page of %d, more %v", name, count, len(found), more)
				}
				got = append(got, versionIDs(found)...)
				s.Before = found[len(found)-1].VID
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s by %d (-want +got):\n%s", name, count, diff)
			}
		}
	}
}

func TestSearchCutsPagesBySize(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	db := open(t, url, postgres.RoleProcessor)
	size := 0
	for n := range 5 {
		size = len(settleFrom(t, db, sender, n).Resources[0].Content)
	}
	for _, test := range []struct{ bytes, want int }{{1, 1}, {size, 1}, {size + 1, 2}, {4 * size, 4}, {4*size + 1, 5}} {
		found, more, err := db.Search(t.Context(), sender, postgres.Search{Type: "Patient", Count: 20, Bytes: test.bytes})
		if err != nil || len(found) != test.want || more != (test.want < 5) {
			t.Errorf("%d bytes of resources of %d: got %d, more %v, %v, want %d", test.bytes, size, len(found), more, err, test.want)
		}
	}
}

// Under row-level security an index serves only what is leakproof: plans are those of the application's role.
func TestPlansReadNoTableWhole(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	fill(t, url)
	id := referral.UUID{1}
	one := keys(t, "ServiceRequest", "identifier", "http://example.org/a|1")
	anySystem := keys(t, "ServiceRequest", "identifier", "1,2,3")
	patient := keys(t, "ServiceRequest", "patient", id.String())
	type statement struct {
		query string
		args  []any
	}
	statements := map[string]statement{
		"read":        {postgres.ReadSQL, []any{sender, id.String(), "Patient"}},
		"submission":  {postgres.SubmissionSQL, []any{sender, id[:]}},
		"versions":    {postgres.ContentsSQL, []any{sender, "{" + id.String() + "}", "{1}", "{Patient}", 1 << 20}},
		"history":     {postgres.HistorySQL, []any{sender, id.String(), "Patient", time.UnixMilli(1), 9, 20, 1 << 20}},
		"history, of": {postgres.CountVersionsSQL, []any{sender, id.String(), "Patient", time.UnixMilli(1)}},
		"pace":        {postgres.PaceSQL, []any{sender, id[:]}},
		"original":    {postgres.OriginalSQL, []any{sender, id[:]}},
	}
	for name, s := range map[string]postgres.Search{
		"list":                   {},
		"identifier":             {Lead: one},
		"identifier, any system": {Lead: anySystem},
		"patient":                {Lead: patient},
		"patient and identifier": {Lead: patient, Checks: [][]search.KeyRange{anySystem}},
		"_id":                    {IDs: []referral.UUID{id}},
		"_id and patient":        {IDs: []referral.UUID{id}, Checks: [][]search.KeyRange{patient}},
		"list, oldest first":     {Forward: true, After: 1 << 30},
		"list, below":            {Before: 1 << 30, Checks: [][]search.KeyRange{patient}},
		"list, settled":          {Settled: true},
		"patient, oldest first":  {Lead: patient, Forward: true, Settled: true, After: 1 << 30},
		"two patients":           {Lead: append(slices.Clone(patient), one...)},
		"names that begin alike": {Lead: keys(t, "Patient", "name", "smi")},
	} {
		s.Type, s.Count, s.Bytes = "ServiceRequest", 20, 1<<20
		query, args := s.SQL(sender)
		if len(s.IDs) > 0 {
			args[6] = []string{id.String()} // the simple protocol has text only
		}
		statements[name] = statement{query, args}
	}
	for name, l := range map[string]postgres.List{
		"newest":       {},
		"next page":    {After: postgres.Place{Number: 1}},
		"not complete": {States: []referral.State{referral.Rejected, referral.Quarantined}},
		"complete":     {States: []referral.State{referral.Completed}},
		"from and to":  {Sender: unrelated, Addressee: sender},
		"since":        {Since: time.UnixMilli(1), Priorities: []string{"stat", "urgent"}},
		"forward":      {After: postgres.Place{Forward: true, Number: 1}},
	} {
		l.Count = 20
		for part, sql := range map[string]func(string) (string, []any){"page": l.PageSQL, "counts": l.CountSQL} {
			if query, args := sql(sender); len(args) > 0 {
				statements["list, "+name+", "+part] = statement{query, args}
			}
		}
	}
	conn := connect(t, url)
	exec := func(query string, args ...any) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), query, args...); err != nil {
			t.Fatal(err)
		}
	}
	inOrder := map[string]bool{"list": true, "list, below": true, "list, oldest first": true, "list, settled": true, "identifier": true, "patient": true, "patient, oldest first": true}
	exec("set role referral_query")
	exec("select set_config('app.org', $1, false), set_config('app.horizon', '1073741824', false)", sender)
	for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
		exec("set plan_cache_mode = " + mode)
		for name, s := range statements {
			exec("prepare statement as " + s.query)
			marks := make([]string, len(s.args))
			for i := range s.args {
				marks[i] = "$" + string(rune('1'+i))
			}
			explain := "explain execute statement (" + strings.Join(marks, ", ") + ")"
			rows, err := conn.Query(t.Context(), explain, append([]any{pgx.QueryExecModeSimpleProtocol}, s.args...)...)
			if err != nil {
				t.Fatal(err)
			}
			plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil {
				t.Fatal(err)
			}
			text := strings.Join(plan, "\n")
			if strings.Contains(text, "Seq Scan") || !strings.Contains(text, "Index") {
				t.Errorf("%s, %s:\n%s", name, mode, text)
			}
			// What is read in the order of the index stops at a page: one sort, of the page, or within one settlement.
			if n := strings.Count(strings.ReplaceAll(text, "Incremental Sort", ""), "Sort Key:"); n > 1 && inOrder[name] {
				t.Errorf("%s, %s: sorts %d times:\n%s", name, mode, n, text)
			}
			exec("deallocate statement")
		}
	}
}

// fill makes 6,000 resources in 2,000 submissions of 20 organisations, with their index.
func fill(t testing.TB, url string) {
	t.Helper()
	execute(t, url, `
		insert into submission (org, d, accepted_at, key_kind, key, client, request_id, state, settled_at, attempts, bundle_type, content, encoding, sha256)
		select 'org' || n % 20, decode(md5(n::text), 'hex'), now(), 'random', sha256(n::text::bytea), 'c', 'r', 'completed', now(), 1, 'transaction', '', 'zstd', sha256('')
		from generate_series(1, 2000) n`)
	execute(t, url, `
		insert into listing (org, settled_at, d, sender, state)
		select $1, s.settled_at - random() * interval '1 year', s.d, s.org, s.state from submission s where s.org in ('org0', 'org1')`, sender)
	execute(t, url, `
		insert into resource (id, type, org, version, last_updated, vid, meta, content)
		select gen_random_uuid(), 'ServiceRequest', 'org' || n / 3 % 20, 1, now(), n / 3 * 1024 + n % 3, '', repeat('x', 300)
		from generate_series(1, 6000) n`)
	execute(t, url, `
		insert into history (id, type, org, version, last_updated, meta, content)
		select r.id, r.type, r.org, v, now(), '', r.content from resource r, generate_series(2, 3) v`)
	execute(t, url, `
		insert into idx (h, vid)
		select n * 7919 + k, n / 3 * 1024 + n % 3 from generate_series(1, 6000) n, generate_series(1, 2) k
		union select $1::int8, n * 1024 from generate_series(1, 100) n`, search.ListHash(sender))
	execute(t, url, `analyze`)
}

func keys(t testing.TB, resourceType, param, value string) []search.KeyRange {
	t.Helper()
	p, ok := search.Lookup(resourceType, param)
	if !ok {
		t.Fatalf("%s has no parameter %s", resourceType, param)
	}
	c, err := search.ParseCriterion(resourceType, p, "", value, "")
	if err != nil {
		t.Fatal(err)
	}
	return c.Keys
}

// connect connects as the superuser.
func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func execute(t testing.TB, url, query string, args ...any) {
	t.Helper()
	if _, err := connect(t, url).Exec(t.Context(), query, args...); err != nil {
		t.Fatal(err)
	}
}

func isUnavailable(err error) bool { return errors.Is(err, postgres.ErrUnavailable) }
