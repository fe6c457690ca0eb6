package postgres_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
)

// errcodes returns the fields of the lines of a list of SQLSTATEs, by the code that each begins with. Comments, empty
// lines and sections are left out.
func errcodes(t testing.TB, file string) map[string][]string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	codes := map[string][]string{}
	for line := range strings.Lines(string(content)) {
		if fields := strings.Fields(line); len(fields) >= 3 && len(fields[0]) == 5 {
			codes[fields[0]] = fields[1:]
		}
	}
	return codes
}

// TestEverySQLStateHasItsClass holds the table against the list of all codes, that list against those of the servers that
// are installed here, and what is unknown must be nothing that is ever refused for good.
func TestEverySQLStateHasItsClass(t *testing.T) {
	list := errcodes(t, filepath.Join("testdata", "errcodes.txt"))
	if len(list) < 250 {
		t.Fatalf("got %d codes, want all", len(list))
	}
	for code, want := range list {
		if got := postgres.ClassOf(code); string(got) != want[0] {
			t.Errorf("%s (%s): got class %s, want %s", code, want[1], got, want[0])
		}
	}
	installed, err := filepath.Glob("/usr/share/postgresql/*/errcodes.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range installed {
		for code, fields := range errcodes(t, file) {
			if _, listed := list[code]; !listed {
				t.Errorf("%s has %s (%s), which testdata/errcodes.txt lacks", file, code, fields[1])
			}
		}
	}
	for _, code := range []string{"", "2", "22", "ZZ999", "23999", "42999", "99999"} {
		if got := postgres.ClassOf(code); got != postgres.ClassBug {
			t.Errorf("%q: got class %s, want bug", code, got)
		}
	}
}

func TestErrorsTellWhetherTheStoreIsDownOrBusy(t *testing.T) {
	type kind struct{ Unavailable, Busy bool }
	down, busy, neither := kind{Unavailable: true}, kind{Busy: true}, kind{}
	want := map[postgres.Class]kind{
		postgres.ClassUnavailable: down, postgres.ClassBusy: busy, postgres.ClassResource: busy,
		postgres.ClassData: neither, postgres.ClassConflict: neither, postgres.ClassSecurity: neither, postgres.ClassBug: neither,
	}
	for code := range errcodes(t, filepath.Join("testdata", "errcodes.txt")) {
		err := postgres.Reduce("read", &pgconn.PgError{Code: code, ConstraintName: "submission_key"})
		got := kind{errors.Is(err, postgres.ErrUnavailable), errors.Is(err, postgres.ErrBusy)}
		if diff := cmp.Diff(want[postgres.ClassOf(code)], got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", code, diff)
		}
	}
}

// TestClassOfUniqueViolation: only one constraint is about what a caller chose.
func TestClassOfUniqueViolation(t *testing.T) {
	for constraint, want := range map[string]postgres.Class{
		"submission_key": postgres.ClassConflict, "resource_pkey": postgres.ClassBusy, "history_pkey": postgres.ClassBusy,
		"resource_vid_key": postgres.ClassBug, "": postgres.ClassBug,
	} {
		if got := (&postgres.Error{SQLState: "23505", Constraint: constraint}).Class(); got != want {
			t.Errorf("%q: got class %s, want %s", constraint, got, want)
		}
	}
	if got := (&postgres.Error{SQLState: "42501", Connecting: true}).Class(); got != postgres.ClassUnavailable {
		t.Errorf("no right to connect: got class %s, want unavailable", got)
	}
}
