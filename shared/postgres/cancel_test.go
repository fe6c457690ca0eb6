package postgres_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

func cancellation(s *postgres.Settlement) postgres.Cancellation {
	return postgres.Cancellation{Org: s.Org, Digest: s.Digest, AcceptedAt: s.AcceptedAt, Client: "test", RequestID: "cancel"}
}

func cancel(t testing.TB, db *postgres.DB, s *postgres.Settlement) referral.State {
	t.Helper()
	state, err := db.Cancel(t.Context(), cancellation(s))
	if err != nil {
		t.Fatalf("cancel: %v", err)
	}
	return state
}

func TestCancelBeforeTheMessageComes(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	query, processor := open(t, url, postgres.RoleQuery), open(t, url, postgres.RoleProcessor)
	s := submission(t, sender, 1, recipient)
	for range 2 {
		if got := cancel(t, query, s); got != referral.Cancelled {
			t.Errorf("got %s, want cancelled", got)
		}
	}
	if settled, err := processor.Settle(t.Context(), s); err != nil || settled[0] {
		t.Errorf("the message settled: %v, %v", settled, err)
	}
	got, found, err := query.Submission(t.Context(), sender, s.Digest)
	if err != nil || !found || got.State != referral.Cancelled || !got.AcceptedAt.Equal(s.AcceptedAt) || len(got.Resources) != 0 {
		t.Errorf("got %v, %v, state %s", found, err, got.State)
	}
	for what, counted := range map[string]struct {
		query string
		want  int
	}{
		"resources":    {`select count(*) from resource`, 0},
		"listing rows": {`select count(*) from listing where state = 'cancelled'`, 1},
		"audit rows":   {`select count(*) from audit where action = 'D' and outcome = '0'`, 1},
	} {
		var n int
		if err := connect(t, url).QueryRow(t.Context(), counted.query).Scan(&n); err != nil || n != counted.want {
			t.Errorf("%s: got %d, %v, want %d", what, n, err, counted.want)
		}
	}
	listed, err := query.List(t.Context(), sender, postgres.List{Count: 20})
	if err != nil || len(listed.Submissions) != 1 || listed.Counts[referral.Cancelled] != 1 {
		t.Errorf("list: got %d, %v, %v", len(listed.Submissions), listed.Counts, err)
	}
	// What it would have held a key for is free for another.
	other := submission(t, sender, 2)
	other.Key = s.Key
	store(t, processor, other)
}

func TestCancelOfWhatIsSettledOrQuarantined(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	query, processor := open(t, url, postgres.RoleQuery), open(t, url, postgres.RoleProcessor)
	for n, test := range []struct{ state, want referral.State }{
		{referral.Completed, referral.Completed},
		{referral.Rejected, referral.Rejected},
		{referral.Quarantined, referral.Cancelled},
	} {
		s := submission(t, sender, n)
		if s.State = test.state; s.State != referral.Completed {
			s.Resources = nil
		}
		store(t, processor, s)
		for range 2 {
			if got := cancel(t, query, s); got != test.want {
				t.Errorf("%s: got %s, want %s", test.state, got, test.want)
			}
		}
		if settled, err := processor.Settle(t.Context(), s); err != nil || settled[0] {
			t.Errorf("%s: settled after that: %v, %v", test.state, settled, err)
		}
		listed, err := query.List(t.Context(), sender, postgres.List{Count: 20, States: []referral.State{test.want}})
		if err != nil || len(listed.Submissions) != 1 || len(listed.Counts) == 0 {
			t.Errorf("%s: listed %d times as %s, %v", test.state, len(listed.Submissions), test.want, err)
		}
		var rows int
		if err := connect(t, url).QueryRow(t.Context(), `select count(*) from listing where d = $1`, s.Digest[:]).Scan(&rows); err != nil || rows != 1 {
			t.Errorf("%s: got %d listing rows, %v, want 1", test.state, rows, err)
		}
	}
}

// Who awaits the settlement is told of the end, too.
func TestCancelIsAwaited(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	query := open(t, url, postgres.RoleQuery)
	query.NeverLook()
	s := submission(t, sender, 1)
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	var both sync.WaitGroup
	both.Go(func() {
		if got, found, err := query.Await(ctx, sender, s.Digest); err != nil || !found || got.State != referral.Cancelled {
			t.Errorf("got %v, state %s, %v", found, got.State, err)
		}
	})
	cancel(t, open(t, url, postgres.RoleQuery), s)
	both.Wait()
}

// A digest is an organisation's own: nobody cancels another's.
func TestCancelOfAnotherTouchesNothing(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	query, processor := open(t, url, postgres.RoleQuery), open(t, url, postgres.RoleProcessor)
	s := submission(t, sender, 1, recipient)
	other := *s
	other.Org = recipient
	if got := cancel(t, query, &other); got != referral.Cancelled {
		t.Errorf("got %s, want its own row cancelled", got)
	}
	store(t, processor, s)
	seen, err := query.As(t.Context(), recipient, `update submission set state = 'cancelled' where org = $1 returning 1`, []any{sender})
	if err != nil || seen != 0 {
		t.Errorf("policy alone: changed %d rows, %v", seen, err)
	}
	if _, err := query.As(t.Context(), recipient, `update submission set state = 'completed' where org = $1 and state = 'quarantined' returning 1`, []any{recipient}); err != nil {
		t.Errorf("of what there is not: %v", err)
	}
}

// TestCancelAndSettleHaveOneWinner lets each come while the other one is under way, and then both at once.
func TestCancelAndSettleHaveOneWinner(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	query, processor := open(t, url, postgres.RoleQuery), open(t, url, postgres.RoleProcessor)
	for n, outcome := range []struct {
		end     string
		settled bool
	}{{"commit", false}, {"rollback", true}} {
		s := submission(t, sender, n)
		conn := connect(t, url)
		for _, statement := range []string{"begin", "set local role referral_query", "select set_config('app.org', '" + sender + "', true)"} {
			if _, err := conn.Exec(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := conn.Exec(t.Context(), `insert into submission (org, d, accepted_at, key_kind, key, client, request_id, state, settled_at, attempts, bundle_type, content, encoding, sha256, listed)
			values ($1, $2, now(), 'random', sha256($2), 'c', 'r', 'cancelled', now(), 1, '', '', 'zstd', sha256(''), true)`, sender, s.Digest[:]); err != nil {
			t.Fatal(err)
		}
		var both sync.WaitGroup
		both.Go(func() {
			if settled, err := processor.Settle(t.Context(), s); err != nil || settled[0] != outcome.settled {
				t.Errorf("cancel, then %s: settled %v, %v, want %v", outcome.end, settled, err, outcome.settled)
			}
		})
		waitForLock(t, url)
		if _, err := conn.Exec(t.Context(), outcome.end); err != nil {
			t.Fatal(err)
		}
		both.Wait()
	}
	for n := range 40 {
		s := submission(t, sender, 10+n)
		var both sync.WaitGroup
		var settled []bool
		var state referral.State
		var settleErr, cancelErr error
		both.Go(func() { settled, settleErr = processor.Settle(t.Context(), s) })
		both.Go(func() { state, cancelErr = query.Cancel(t.Context(), cancellation(s)) })
		both.Wait()
		if settleErr != nil || cancelErr != nil || settled[0] == (state == referral.Cancelled) {
			t.Fatalf("settled %v, %v; cancel found %s, %v", settled, settleErr, state, cancelErr)
		}
		if got, _, err := query.Submission(t.Context(), sender, s.Digest); err != nil || got.State != state || len(got.Resources) > 0 != settled[0] {
			t.Fatalf("got state %s with %d resources, %v, want %s", got.State, len(got.Resources), err, state)
		}
	}
}

// waitForLock returns when somebody in the database waits for a transaction to end.
func waitForLock(t testing.TB, url string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	conn := connect(t, url)
	for waiting := false; !waiting; {
		if err := conn.QueryRow(ctx, `select exists (select from pg_stat_activity
			where datname = current_database() and wait_event_type = 'Lock')`).Scan(&waiting); err != nil {
			t.Fatal(err)
		}
	}
}
