package secrets_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/secrets"
)

// TestStoreOutlivesARotation: nobody who connects with a password that has just changed notices. Every use has a pool of
// its own, whose first connection is refused.
func TestStoreOutlivesARotation(t *testing.T) {
	l := loginOf(t, pgtest.New(t))
	l.execute(t, "grant "+postgres.RoleProcessor+", "+postgres.RoleQuery+" to "+l.name)
	s := newService(t, l.rotate(t, "zqx-first"))
	c := newSetup(s)
	d := secrets.NewDatabase(c.Config)
	if err := connect(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	decided := errors.New("nothing is to be written")
	for _, test := range []struct {
		name, role string
		use        func(*postgres.DB) error
		want       error
	}{
		{"ready", postgres.RoleQuery, func(db *postgres.DB) error { return db.Ready(t.Context()) }, nil},
		{"read", postgres.RoleQuery, func(db *postgres.DB) error {
			_, _, err := db.Submission(t.Context(), submission.Org, referral.Digest{1})
			return err
		}, nil},
		{"revise", postgres.RoleProcessor, func(db *postgres.DB) error {
			_, err := db.Revise(t.Context(), &postgres.Settlement{Org: submission.Org}, postgres.Lookup{}, func(*postgres.Found) error { return decided })
			return err
		}, decided},
		{"listen", postgres.RoleQuery, func(db *postgres.DB) error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			go func() { // ends the wait as soon as there is a connection that listens
				defer cancel()
				for n := 0; n == 0 && ctx.Err() == nil; time.Sleep(5 * time.Millisecond) {
					_ = l.admin.QueryRow(ctx, `select count(*) from pg_stat_activity where application_name = 'referral_query listening'`).Scan(&n)
				}
			}()
			_, _, err := db.Await(ctx, submission.Org, referral.Digest{9})
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return errors.New("nobody listens")
			}
			return err
		}, nil},
	} {
		db, err := postgres.Open(postgres.Config{Role: test.role, BeforeConnect: d.BeforeConnect})
		if err != nil {
			t.Fatal(err)
		}
		s.put(l.rotate(t, "zqx-"+test.name))
		c.clock.advance(time.Minute) // a version is used for longer: only the refusal tells of the next one
		if err := test.use(db); !errors.Is(err, test.want) {
			t.Errorf("%s: got error %v, want %v", test.name, err, test.want)
		}
		db.Close()
	}
}
