package postgres_test

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
)

func TestErrorsTellWhetherTheStoreIsDownOrBusy(t *testing.T) {
	type kind struct{ Unavailable, Busy bool }
	down, busy, neither := kind{Unavailable: true}, kind{Busy: true}, kind{}
	for state, want := range map[string]kind{
		"08006": down, "25006": down, "28P01": down, "3D000": down, "42P01": down, "53300": down, "57P01": down, "57P03": down,
		"40001": busy, "40P01": busy, "53000": busy, "53100": busy, "53200": busy, "53400": busy, "55P03": busy, "57014": busy,
		"58000": busy, "58030": busy, "25P03": busy,
		"22021": neither, "23505": neither, "42501": neither, "42601": neither, "54001": neither, "XX000": neither, "57000": neither,
	} {
		err := postgres.Reduce("read", &pgconn.PgError{Code: state})
		got := kind{errors.Is(err, postgres.ErrUnavailable), errors.Is(err, postgres.ErrBusy)}
		if got != want {
			t.Errorf("%s: got %+v, want %+v", state, got, want)
		}
	}
}
