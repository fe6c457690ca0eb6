package postgres_test

import (
	"slices"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
)

// FuzzClassOf holds that no SQLSTATE but one of a few classes says that a value can never be stored, and that each has a class.
func FuzzClassOf(f *testing.F) {
	for _, seed := range []string{"22P02", "40001", "57P01", "", "XX000", "00000", "2", "22\x00\xff\xfe", "99999"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, sqlstate string) {
		switch class := postgres.ClassOf(sqlstate); class {
		case postgres.ClassData:
			if len(sqlstate) != 5 || !slices.Contains([]string{"21", "22", "23", "54"}, sqlstate[:2]) {
				t.Errorf("%q is taken for a value that can never be stored", sqlstate)
			}
		case postgres.ClassUnavailable, postgres.ClassBusy, postgres.ClassResource, postgres.ClassConflict, postgres.ClassSecurity, postgres.ClassBug:
		default:
			t.Errorf("%q is of the class %q", sqlstate, class)
		}
	})
}
