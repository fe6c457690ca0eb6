package postgres_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// settleAt stores s as settled n seconds into a certain minute.
func settleAt(t testing.TB, url string, db *postgres.DB, n int, s *postgres.Settlement) *postgres.Settlement {
	t.Helper()
	store(t, db, s)
	execute(t, url, `update submission set settled_at = $1 where d = $2`, minute.Add(time.Duration(n)*time.Second), s.Digest[:])
	return s
}

var minute = time.Date(2026, 11, 22, 3, 4, 0, 0, time.UTC)

// numbers are those that submission made the listed from.
func numbers(listed postgres.Listed) []int {
	var all []int
	for _, s := range listed.Submissions {
		all = append(all, int(s.AcceptedAt.UnixMilli()-1790000000000))
	}
	return all
}

func TestListBySenderAndAddressee(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	db := open(t, url, postgres.RoleProcessor)
	settleAt(t, url, db, 1, submission(t, sender, 1, recipient))
	settleAt(t, url, db, 2, submission(t, sender, 2, recipient, unrelated))
	rejected := submission(t, sender, 3)
	rejected.State, rejected.Resources, rejected.Priority = referral.Rejected, nil, ""
	settleAt(t, url, db, 3, rejected)
	routine := submission(t, recipient, 4, sender)
	routine.Priority = "routine"
	settleAt(t, url, db, 4, routine)
	// The recipient may read of this one what is not the request: it must not learn the priority by asking for it.
	partial := submission(t, sender, 5, recipient)
	partial.Resources[1].Readers = nil
	settleAt(t, url, db, 5, partial)

	text, both := open(t, url, "none"), open(t, url, postgres.RoleQuery)
	for _, test := range []struct {
		org    string
		list   postgres.List
		want   []int  // newest first
		counts [2]int // completed, rejected
	}{
		{sender, postgres.List{}, []int{5, 4, 3, 2, 1}, [2]int{4, 1}},
		{recipient, postgres.List{}, []int{5, 4, 2, 1}, [2]int{4, 0}},
		{unrelated, postgres.List{}, []int{2}, [2]int{1, 0}},
		{"", postgres.List{}, nil, [2]int{}},
		{"%", postgres.List{}, nil, [2]int{}},
		{sender, postgres.List{States: []referral.State{referral.Rejected}}, []int{3}, [2]int{4, 1}},
		{sender, postgres.List{States: []referral.State{referral.Rejected, referral.Completed}}, []int{5, 4, 3, 2, 1}, [2]int{4, 1}},
		{sender, postgres.List{States: []referral.State{referral.Quarantined}}, nil, [2]int{4, 1}},
		{sender, postgres.List{Sender: sender}, []int{5, 3, 2, 1}, [2]int{3, 1}},
		{sender, postgres.List{Sender: recipient}, []int{4}, [2]int{1, 0}},
		{recipient, postgres.List{Sender: unrelated}, nil, [2]int{}},
		{sender, postgres.List{Addressee: recipient}, []int{5, 2, 1}, [2]int{3, 0}},
		{sender, postgres.List{Addressee: sender}, []int{4}, [2]int{1, 0}},
		{recipient, postgres.List{Addressee: recipient}, []int{5, 2, 1}, [2]int{3, 0}},
		{recipient, postgres.List{Addressee: unrelated}, nil, [2]int{}}, // though 2 is, which is not the recipient's to know
		{sender, postgres.List{Since: minute.Add(4 * time.Second)}, []int{5, 4}, [2]int{2, 0}},
		{sender, postgres.List{Priorities: []string{"routine"}}, []int{4}, [2]int{1, 0}},
		{sender, postgres.List{Priorities: []string{"urgent", "stat"}}, []int{5, 2, 1}, [2]int{3, 0}},
		{recipient, postgres.List{Priorities: []string{"urgent"}}, []int{2, 1}, [2]int{2, 0}},
		{recipient, postgres.List{Priorities: []string{"urgent"}, Sender: sender, Addressee: recipient, Since: minute.Add(2 * time.Second)}, []int{2}, [2]int{1, 0}},
	} {
		test.list.Count = 20
		for layer, db := range map[string]*postgres.DB{"text alone": text, "text and policy": both} {
			listed, err := db.List(t.Context(), test.org, test.list)
			if err != nil || listed.More || !slices.Equal(numbers(listed), test.want) {
				t.Errorf("%s, organisation %q, %+v: got %v, more %v, %v, want %v", layer, test.org, test.list, numbers(listed), listed.More, err, test.want)
			}
			counts := [2]int{listed.Counts[referral.Completed], listed.Counts[referral.Rejected]}
			if counts != test.counts || listed.Counts[referral.Quarantined] != 0 {
				t.Errorf("%s, organisation %q, %+v: got counts %v, want %v", layer, test.org, test.list, listed.Counts, test.counts)
			}
			for _, s := range listed.Submissions {
				alone, _, err := db.Submission(t.Context(), test.org, s.Digest)
				if diff := cmp.Diff(alone, s); err != nil || diff != "" {
					t.Errorf("organisation %q: %v; read alone it is another (-alone +listed):\n%s", test.org, err, diff)
				}
			}
		}
	}
	query, args := postgres.List{Count: 20}.PageSQL(unrelated)
	if seen, err := both.As(t.Context(), unrelated, postgres.WithoutTenantRule(query), args); err != nil || seen != 1 {
		t.Errorf("policy alone: saw %d rows, %v, want 1", seen, err)
	}
	// The page meets submission's policy, too; the counts meet listing's alone.
	if seen, err := both.As(t.Context(), unrelated, `select from listing`, nil); err != nil || seen != 1 {
		t.Errorf("policy of listing alone: saw %d rows, %v, want 1", seen, err)
	}
}

func TestListPagesMissNoneAndRepeatNone(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	db := open(t, url, postgres.RoleProcessor)
	var want []int
	for n := range 23 {
		settleAt(t, url, db, n/4, submission(t, sender, n)) // several at one instant
		want = append(want, n)
	}
	for deadline := time.Now().Add(30 * time.Second); ; { // others may be writing in the same cluster, and followers wait for them
		listed, err := db.List(t.Context(), sender, postgres.List{Count: len(want), After: postgres.Place{Forward: true, Number: 1}})
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("a follower sees %d of %d, %v", len(listed.Submissions), len(want), err)
		}
		if len(listed.Submissions) == len(want) {
			break
		}
	}
	for _, count := range []int{1, 4, 23} {
		for direction, l := range map[string]postgres.List{
			"newest first": {Count: count}, "forward": {Count: count, After: postgres.Place{Forward: true, Number: 1}},
		} {
			var got []int
			for more := true; more; {
				listed, err := db.List(t.Context(), sender, l)
				if err != nil || len(listed.Submissions) > count {
					t.Fatalf("%s by %d: %d, %v", direction, count, len(listed.Submissions), err)
				}
				got, more = append(got, numbers(listed)...), listed.More
				if l.After = listed.Newer; !listed.More {
					break
				}
				if next := listed.Places[len(listed.Places)-1]; direction == "newest first" || next != listed.Newer {
					l.After = next
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s by %d (-want +got):\n%s", direction, count, diff)
			}
		}
	}
}

func TestListCountsUpToALimit(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	execute(t, url, `
		insert into listing (org, settled_at, d, sender, state)
		select $1, now() - n * interval '1 second', decode(md5(n::text), 'hex'), $1, case when n < 10 then 'rejected' else 'completed' end
		from generate_series(1, 2000) n`, sender)
	listed, err := open(t, url, postgres.RoleQuery).List(t.Context(), sender, postgres.List{Count: 1})
	if want := map[referral.State]int{"completed": postgres.MaxListCount, "rejected": 9, "quarantined": 0, "cancelled": 0}; err != nil || !cmp.Equal(want, listed.Counts) {
		t.Errorf("got %v, %v, want %v", listed.Counts, err, want)
	}
}

// A follower reads while one writer has stalled before its commit: what commits later bears an earlier time than what
// the follower has seen, and is seen all the same, once. Transactions are numbered for the whole cluster: this test does
// not run beside others.
func TestFollowerMissesNothingThatCommitsLate(t *testing.T) {
	url := pgtest.New(t)
	processor, reader := open(t, url, postgres.RoleProcessor), open(t, url, postgres.RoleQuery)
	settleFrom(t, processor, sender, 1)
	first, err := reader.List(t.Context(), sender, postgres.List{Count: 20})
	if err != nil || !slices.Equal(numbers(first), []int{1}) {
		t.Fatalf("got %v, %v", numbers(first), err)
	}
	place, got := first.Newer, []int(nil)
	follow := func(want ...int) {
		t.Helper()
		listed, err := reader.List(t.Context(), sender, postgres.List{Count: 20, After: place})
		for deadline := time.Now().Add(10 * time.Second); err == nil && len(listed.Submissions) < len(want) && time.Now().Before(deadline); {
			listed, err = reader.List(t.Context(), sender, postgres.List{Count: 20, After: place}) // autovacuum may be writing
		}
		if err != nil || !slices.Equal(numbers(listed), want) || listed.Counts != nil {
			t.Errorf("got %v, %v, want %v", numbers(listed), err, want)
		}
		got, place = append(got, numbers(listed)...), listed.Newer
	}
	follow()
	stalled := stall(t, url, `update submission set attempts = 2 where org = $1`, sender) // takes its number now …
	settleFrom(t, processor, sender, 2)
	settleFrom(t, processor, sender, 3)
	follow() // … so that nothing behind it is shown,
	if newest, err := reader.List(t.Context(), sender, postgres.List{Count: 20}); err != nil || !slices.Equal(numbers(newest), []int{3, 2, 1}) {
		t.Errorf("newest first: got %v, %v, want all that there is", numbers(newest), err)
	}
	if err := stalled.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	follow(1, 2, 3) // and everything once it has ended: 1 was written again
	follow()
	settleFrom(t, processor, sender, 4)
	follow(4)
	if want := []int{1, 2, 3, 4}; !slices.Equal(got, want) {
		t.Errorf("in all: got %v, want %v", got, want)
	}
}

// The number of a transaction that was rolled back comes again after a crash: no place may be behind it.
func TestFollowerStaysAtWhatIsWritten(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	settleFrom(t, open(t, url, postgres.RoleProcessor), sender, 1)
	written := one[int64](t, url, `select max(xid) from listing`)
	if err := stall(t, url, `select pg_current_xact_id()`).Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	reader, l := open(t, url, postgres.RoleQuery), postgres.List{Count: 1}
	for deadline := time.Now().Add(10 * time.Second); ; {
		listed, err := reader.List(t.Context(), sender, l)
		if err != nil || listed.Newer.Number > written {
			t.Fatalf("got place %d, %v, want at most %d", listed.Newer.Number, err, written)
		}
		if l.After = listed.Newer; listed.Newer.Number == written { // others may be writing in the same cluster
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("got place %d, want %d", listed.Newer.Number, written)
		}
	}
}

// A dump restored into another cluster meets followers whose places are ahead of it: they are told so, and not that
// there is nothing new.
func TestFollowerOfAnotherClusterIsRefused(t *testing.T) {
	t.Parallel()
	db := open(t, pgtest.New(t), postgres.RoleQuery)
	here, err := db.List(t.Context(), sender, postgres.List{Count: 1})
	if err != nil {
		t.Fatal(err)
	}
	for ahead, want := range map[int64]error{0: nil, 1 << 40: postgres.ErrPlace} {
		place := here.Newer
		place.Number += ahead
		if _, err := db.List(t.Context(), sender, postgres.List{Count: 1, After: place}); !errors.Is(err, want) {
			t.Errorf("%d ahead: got %v, want %v", ahead, err, want)
		}
	}
}

// stall runs query in a transaction that goes on.
func stall(t testing.TB, url, query string, args ...any) pgx.Tx {
	t.Helper()
	tx, err := connect(t, url).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback(context.Background()) })
	if _, err := tx.Exec(t.Context(), query, args...); err != nil {
		t.Fatal(err)
	}
	return tx
}

// What the release before this one settles, and what it has settled, is listed as well: it knows neither the table nor
// the column authored.
func TestListHasWhatAnEarlierReleaseSettled(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	db := open(t, url, postgres.RoleProcessor)
	want := settleFrom(t, db, sender, 1, recipient)
	quarantined := submission(t, sender, 2)
	quarantined.State, quarantined.Resources, quarantined.Priority = referral.Quarantined, nil, ""
	store(t, db, quarantined)
	const read = `select string_agg(concat_ws(' ', org, sender, state, priority, settled_at), ', ' order by org) from listing`
	before := one[string](t, url, read)
	for _, statement := range []string{
		`drop function list_submission cascade`, `drop table listing`,
		`drop policy update_resource on resource`, `drop policy delete_resource on resource`,
		`drop policy cancel_submission on submission`, `drop policy cancel_quarantined on submission`,
		`drop policy supersede_owned on history`, `alter table resource drop column accepted_at, drop column owner cascade, drop column d`, `alter table history drop column accepted_at, drop column d, drop column deleted cascade`,
		`alter table submission drop column authored, drop column listed, drop column answers, drop column "return"`, `create table str (h int8)`,
		`delete from goose_db_version where version_id > 1`,
	} {
		execute(t, url, statement)
	}
	if _, err := postgres.Migrate(t.Context(), postgres.Config{URL: url}); err != nil {
		t.Fatal(err)
	}
	if got := one[string](t, url, read); got != before {
		t.Errorf("what had settled:\ngot  %s\nwant %s", got, before)
	}
	conn := connect(t, url)
	for _, statement := range []string{
		`set role referral_processor`, `select set_config('app.org', '` + sender + `', false)`, `
		insert into submission (org, d, accepted_at, key_kind, key, client, request_id, state, settled_at, attempts, readers,
			bundle_type, request, priority, content, encoding, sha256)
		select org, substr(sha256(d), 1, 16), accepted_at, key_kind, sha256(key), client, request_id, state, settled_at, attempts, readers,
			bundle_type, request, priority, content, encoding, sha256
		from submission where state = 'completed'`,
	} {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	listed, err := db.List(t.Context(), recipient, postgres.List{Count: 20, Priorities: []string{want.Priority}})
	if err != nil || len(listed.Submissions) != 2 {
		t.Errorf("what settles now: got %d, %v, want 2", len(listed.Submissions), err)
	}
}

// one runs a query of one value as the superuser.
func one[T any](t testing.TB, url, query string) T {
	t.Helper()
	var value T
	if err := connect(t, url).QueryRow(t.Context(), query).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}
