package processor_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/processor"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// raising is a trigger that fails one insert of many, with the SQLSTATE which the resource names.
const raising = `
create function raise() returns trigger language plpgsql as $$ begin
	if new.content ~ 'raise-[0-9A-Z]{5}' then
		raise exception 'a test wants this' using errcode = substring(new.content from 'raise-([0-9A-Z]{5})');
	end if;
	return new;
end $$;
create trigger raise before insert on resource for each row execute function raise()`

// TestEverySQLStateInTheMiddle lets one insert of a settlement fail with each SQLSTATE of PostgreSQL in turn. What can never
// be stored ends as rejected; all else, a conflict of an unknown key included, is an error, leaves nothing, and settles when
// the fault is gone. make chaos tries all, make test every fifth.
func TestEverySQLStateInTheMiddle(t *testing.T) {
	f := newFixture(t)
	f.execute(t, raising)
	states, err := os.ReadFile("../shared/postgres/testdata/errcodes.txt")
	if err != nil {
		t.Fatal(err)
	}
	again := map[string]*queue.Message{}
	for i, found := range regexp.MustCompile(`(?m)^([0-9A-Z]{5})\s`).FindAllSubmatch(states, -1) {
		code := string(found[1])
		if code[:2] <= "02" || *sweep > 1 && i%5 != 0 { // success and warnings; the short form
			continue
		}
		m := f.transaction(i, "transaction", entry("POST", "Patient", "", patient("", "p-"+code), ""),
			entry("POST", "Patient", "", patient("", "raise-"+code), ""))
		state, err := f.Settle(t.Context(), m, 1)
		if postgres.ClassOf(code) == postgres.ClassData {
			if err != nil || state != referral.Rejected {
				t.Errorf("%s: got %q, %v, want rejected", code, state, err)
			}
			continue
		}
		if err == nil || f.state(t, m) != "" {
			t.Errorf("%s: got %q and an error %v, want an error and no row", code, state, err)
		}
		again[code] = m
	}
	if got := value[int64](t, f, `select count(*) from resource`); got != 0 || len(again) < 30 {
		t.Errorf("got %d resources of %d settlements that failed", got, len(again))
	}
	f.execute(t, `drop trigger raise on resource`)
	for code, m := range again {
		if state, err := f.Settle(t.Context(), m, 2); err != nil || state != referral.Completed && state != processor.Known {
			t.Errorf("%s, when it is gone: got %q, %v", code, state, err)
		}
	}
	if got, want := value[int64](t, f, `select count(*) from resource`), int64(2*len(again)); got != want {
		t.Errorf("got %d resources, want %d", got, want)
	}
}
