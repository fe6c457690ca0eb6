package main

import (
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
)

func TestReindex(t *testing.T) {
	t.Setenv("DATABASE_URL", "")
	referralctl(t, "", "reindex").want(t, exitUsage, "", "DATABASE_URL")
	url := pgtest.New(t)
	referralctl(t, "", "reindex", "--database-url", url).want(t, 0, "Indexed 0 resources; 0 keys were missing.\n", "")
	referralctl(t, "", "--json", "reindex", "--database-url", url).want(t, 0, `{"vid":0,"done":0,"total":0,"keys":0}`, "")
	referralctl(t, "", "reindex", "--after", "7", "--database-url", "postgres://127.0.0.1:1/none").want(t, exitFailed, "", "--after 7")
}
