package postgres_test

import (
	"os"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }
