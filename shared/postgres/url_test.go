package postgres_test

import (
	"strings"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
)

// TestDatabasesElsewhereAreVerified: what goes over a network goes to whom it is meant for.
func TestDatabasesElsewhereAreVerified(t *testing.T) {
	t.Setenv("PGSSLMODE", "") // so that only the URL counts
	const unsecure = "verify-full"
	for url, want := range map[string]string{
		"postgres://u@127.0.0.1:5432/d":                               "",
		"postgres://u@localhost/d?sslmode=disable":                    "",
		"postgres://u@[::1]/d":                                        "",
		"postgres://u@/d?host=/run/postgresql":                        "",
		"postgres://u@db.example.org/d?sslmode=verify-full":           "",
		"postgres://u@203.0.113.9/d?sslmode=verify-full":              "",
		"postgres://u@127.0.0.1,db.example.org/d?sslmode=verify-full": "",
		"postgres://u@db.example.org/d":                               unsecure,
		"postgres://u@db.example.org/d?sslmode=disable":               unsecure,
		"postgres://u@db.example.org/d?sslmode=prefer":                unsecure,
		"postgres://u@db.example.org/d?sslmode=require":               unsecure,
		"postgres://u@db.example.org/d?sslmode=verify-ca":             unsecure,
		"postgres://u@127.0.0.1,db.example.org/d":                     unsecure,
		"postgres://u@localhost.example.org/d":                        unsecure,
		"postgres://u@127.0.0.1.example.org/d":                        unsecure,
		"postgres://u:zqx@[":                                          "cannot be parsed",
		"postgres://u:zqx@db.example.org/d?sslmode=nothing":           "cannot be parsed",
	} {
		err := postgres.CheckURL(url)
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "zqx")) {
			t.Errorf("%s: got error %v, want %q", url, err, want)
		}
		if want == "" {
			continue
		}
		if _, err := postgres.Open(postgres.Config{URL: url, Role: postgres.RoleQuery}); err == nil {
			t.Errorf("%s: it was opened", url)
		}
		if _, err := postgres.Migrate(t.Context(), postgres.Config{URL: url}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: Migrate: got error %v, want %q", url, err, want)
		}
	}
}
