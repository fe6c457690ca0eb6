package secrets_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/shared/env/envtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/secrets"
	"github.com/ausbizconsulting/referral-fhir-server/shared/secrets/secretstest"
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

// TestOneConnectionOutlivesARotation: nor does who migrates the store, indexes it anew, or asks its server something.
func TestOneConnectionOutlivesARotation(t *testing.T) {
	l := loginOf(t, pgtest.New(t))
	l.execute(t, "alter role "+l.name+" superuser")
	s := newService(t, l.rotate(t, "zqx-first"))
	c := newSetup(s)
	d := secrets.NewDatabase(c.Config)
	if err := connect(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	for name, use := range map[string]func(postgres.Config) error{
		"migrate": func(c postgres.Config) error { _, err := postgres.Migrate(t.Context(), c); return err },
		"reindex": func(c postgres.Config) error {
			return postgres.Reindex(t.Context(), c, 0, func(postgres.Reindexed) {})
		},
		"capacity":   func(c postgres.Config) error { _, err := postgres.ReadCapacity(t.Context(), c); return err },
		"durability": func(c postgres.Config) error { _, err := postgres.NotDurable(t.Context(), c); return err },
	} {
		s.put(l.rotate(t, "zqx-"+name))
		c.clock.advance(time.Minute)
		if err := use(postgres.Config{BeforeConnect: d.BeforeConnect}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		absent := errors.New("no credentials")
		err := use(postgres.Config{BeforeConnect: func(context.Context, *pgx.ConnConfig) error { return absent }})
		if !errors.Is(err, postgres.ErrUnavailable) {
			t.Errorf("%s without credentials: got error %v, want ErrUnavailable: they may come", name, err)
		}
	}
}

// TestStoreFromSettings: it is of a URL or of a secret, which is read when it is first needed.
func TestStoreFromSettings(t *testing.T) {
	url := pgtest.New(t)
	s := newService(t, secretstest.Database(t, url))
	s.configure(t)
	for _, test := range []struct {
		name      string
		variables map[string]string
		any       bool
		wrong     string
	}{
		{"none", nil, false, ""},
		{"a URL", map[string]string{"DATABASE_URL": url}, true, ""},
		{"a secret", map[string]string{"REFERRAL_DATABASE_SECRET": secretID}, true, ""},
		{"both", map[string]string{"DATABASE_URL": url, "REFERRAL_DATABASE_SECRET": secretID}, false, "DATABASE_URL"},
		{"an insecure URL", map[string]string{"DATABASE_URL": "postgres://u@db.example.org/d"}, false, "DATABASE_URL"},
	} {
		v := envtest.Settings(test.variables)
		got := secrets.StoreFromSettings(v, load, nil)
		if err := v.Err(); (got != nil) != test.any || (err == nil) != (test.wrong == "") || !strings.Contains(fmt.Sprint(err), test.wrong) || s.requests() > 0 {
			t.Errorf("%s: got %v, %v, want any %t, and what is wrong with %q", test.name, got, err, test.any, test.wrong)
		}
		if got == nil {
			continue
		}
		if capacity, err := postgres.ReadCapacity(t.Context(), *got); err != nil || capacity.Max == 0 {
			t.Errorf("%s: got %v, %v", test.name, capacity, err)
		}
		s.requests()
	}
}
