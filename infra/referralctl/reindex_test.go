package main

import (
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/secrets/secretstest"
)

func TestReindex(t *testing.T) {
	t.Setenv("DATABASE_URL", "")
	referralctl(t, "", "reindex").want(t, exitUsage, "", "DATABASE_URL")
	url := pgtest.New(t)
	referralctl(t, "", "reindex", "--database-url", url).want(t, 0, "Indexed 0 resources; 0 keys were missing.\n", "")
	referralctl(t, "", "--json", "reindex", "--database-url", url).want(t, 0, `{"vid":0,"done":0,"total":0,"keys":0}`, "")
	referralctl(t, "", "reindex", "--after", "7", "--database-url", "postgres://127.0.0.1:1/none").want(t, exitFailed, "", "--after 7")
}

// TestStoreOfASecret: who migrates and indexes anew takes the store of a secret as the functions do, and no two stores.
func TestStoreOfASecret(t *testing.T) {
	settings(t)
	url := pgtest.Empty(t)
	secretstest.Serve(t, func() string { return secretstest.Database(t, url) })
	t.Setenv("REFERRAL_DATABASE_SECRET", "referral/store")
	referralctl(t, "", "migrate").want(t, 0, "Applied", "")
	referralctl(t, "", "migrate").want(t, 0, "at its newest migration already", "")
	referralctl(t, "", "reindex").want(t, 0, "Indexed 0 resources", "")
	for _, command := range []string{"migrate", "reindex"} {
		referralctl(t, "", command, "--database-url", url).want(t, exitUsage, "", "DATABASE_URL must be unset where REFERRAL_DATABASE_SECRET is set")
	}
}
