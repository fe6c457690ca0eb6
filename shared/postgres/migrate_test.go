package postgres_test

import (
	"testing"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
)

// TestMigrateHoldsNobodyUp: while a migration waits for whoever has read a table for long, such as a dump, others read on.
func TestMigrateHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	s := store(t, open(t, url, postgres.RoleProcessor), submission(t, sender, 1))
	dump, admin := connect(t, url), connect(t, url)
	tx, err := dump.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	if _, err := tx.Exec(t.Context(), `lock table resource in access share mode`); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Exec(t.Context(), `delete from goose_db_version where version_id >= 11`); err != nil {
		t.Fatal(err)
	}
	migrated := make(chan error, 1)
	go func() {
		_, err := postgres.Migrate(t.Context(), postgres.Config{URL: url})
		migrated <- err
	}()
	for waits := false; !waits; {
		if err := admin.QueryRow(t.Context(), `select exists (select from pg_locks where relation = 'resource'::regclass and not granted)`).Scan(&waits); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now()
	if _, _, err := open(t, url, postgres.RoleQuery).Read(t.Context(), sender, "Patient", s.Resources[0].ID); err != nil {
		t.Errorf("a read while the migration waits: %v after %v", err, time.Since(start))
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-migrated; err != nil {
		t.Errorf("the migration, once it may: %v", err)
	}
}

// TestMigrationsRunAgain: from 00005 on.
func TestMigrationsRunAgain(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	admin := connect(t, url)
	for from := 11; from >= 5; from-- {
		if _, err := admin.Exec(t.Context(), `delete from goose_db_version where version_id >= $1`, from); err != nil {
			t.Fatal(err)
		}
		if _, err := postgres.Migrate(t.Context(), postgres.Config{URL: url}); err != nil {
			t.Errorf("from %d: %v", from, err)
		}
	}
}
