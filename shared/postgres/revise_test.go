package postgres_test

import (
	"errors"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
)

// TestOvertakenIsTriedAgain: a deadlock, a serialization failure or a plan of before a migration is PostgreSQL's word that
// nothing was written, and that the same may work now.
func TestOvertakenIsTriedAgain(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"40001", "40P01", "0A000"} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			url := pgtest.New(t)
			db := open(t, url, postgres.RoleProcessor)
			for _, statement := range []string{
				`create sequence tries`,
				`create function overtaken() returns trigger language plpgsql security definer as $$
				begin
					if nextval('tries') % 3 > 0 then
						raise exception using errcode = '` + code + `', message = 'overtaken';
					end if;
					return new;
				end
				$$`,
				`create trigger overtaken before insert on submission for each row execute function overtaken()`,
			} {
				execute(t, url, statement)
			}
			if settled, err := db.Settle(t.Context(), submission(t, sender, 1)); err != nil || !settled[0] {
				t.Errorf("Settle: got %v, %v; want settled", settled, err)
			}
			decided := 0
			settled, err := db.Revise(t.Context(), submission(t, sender, 2), postgres.Lookup{}, func(*postgres.Found) error {
				decided++
				return nil
			})
			if err != nil || !settled || decided != 3 {
				t.Errorf("Revise: got %v, %v after %d decisions; want settled after 3", settled, err, decided)
			}
			if got := one[int64](t, url, `select count(*) from submission`); got != 2 {
				t.Errorf("got %d submissions, want 2", got)
			}
		})
	}
}

// TestReviseWritesNothingUndecided: an error of decide leaves nothing, and the connection is as good as before.
func TestReviseWritesNothingUndecided(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	db := open(t, url, postgres.RoleProcessor)
	undecided := postgres.ErrBusy
	s := submission(t, sender, 1)
	for range 10 { // more than there are connections
		if _, err := db.Revise(t.Context(), s, postgres.Lookup{}, func(*postgres.Found) error { return undecided }); !errors.Is(err, undecided) {
			t.Fatalf("got %v, want the error of decide", err)
		}
	}
	if got := one[int64](t, url, `select count(*) from submission`); got != 0 {
		t.Errorf("got %d submissions, want none", got)
	}
	if settled, err := db.Settle(t.Context(), s); err != nil || !settled[0] {
		t.Errorf("got %v, %v, want settled", settled, err)
	}
}
