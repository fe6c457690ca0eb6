package postgres_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// TestInterruptedRemovalGoesOn: ended in the middle, nothing is half removed, and the next run does the rest.
func TestInterruptedRemovalGoesOn(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	processor, db := open(t, url, postgres.RoleProcessor), open(t, url, postgres.RoleRetention)
	const all = 12
	for n := range all {
		s := born(t, submission(t, sender, n), "1970")
		s.AcceptedAt = s.AcceptedAt.Add(time.Second)
		store(t, processor, s)
	}
	p := lawful(7)
	ctx, end := context.WithCancel(t.Context())
	done := 0
	err := db.Records(ctx, p, func(r postgres.Record) error {
		if done == 5 {
			end()
		}
		removed, err := db.Remove(ctx, p, r, operation)
		if removed {
			done++
		}
		return err
	})
	if !errors.Is(err, context.Canceled) || done != 5 {
		t.Fatalf("got %d removed, %v, want 5 and that it was ended", done, err)
	}
	for _, query := range []string{
		`select count(*)::text from resource`,
		`select (3 * count(*))::text from submission where content <> ''`,
		`select (3 * count(*))::text from listing`,
	} {
		if got := column(t, url, query); got[0] != "21" {
			t.Errorf("%s: got %s, want 21", query, got[0])
		}
	}
	if got := removeDue(t, db, p); got != all-5 {
		t.Errorf("then: got %d removed, want %d", got, all-5)
	}
	if got := column(t, url, `select count(*)::text from audit where action = 'D'`); got[0] != "48" {
		t.Errorf("got %s rows of the audit, want 4 for each record", got[0])
	}
}

// TestRemovalNeverTakesWhatIsNewer: while records are removed, settlements refer to their patients and update them. Each
// patient ends either removed, and the settlement finds nobody, or as a whole, with what was written.
func TestRemovalNeverTakesWhatIsNewer(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	processor, db := open(t, url, postgres.RoleProcessor), open(t, url, postgres.RoleRetention)
	const all = 24
	var patients []*postgres.Settlement
	for n := range all {
		patients = append(patients, store(t, processor, born(t, submission(t, sender, n), "1970")))
	}
	var now time.Time
	if err := connect(t, url).QueryRow(t.Context(), `select clock_timestamp()`).Scan(&now); err != nil {
		t.Fatal(err)
	}
	p := postgres.Retention{Years: 7, ChildAge: 25, SubmissionYears: 7, Now: now.AddDate(7, 0, 0).Add(time.Millisecond)}
	written := make(chan map[referral.UUID]bool)
	go func() {
		did := map[referral.UUID]bool{}
		for n, patient := range slices.Backward(patients) {
			s := submission(t, sender, 1000+n)
			s.Patient, s.Resources = "", s.Resources[1:2]
			change(t, &s.Resources[0], `"subject":{"reference":"`+patient.Patient+`"}`)
			id := patient.Resources[0].ID
			_, err := processor.Revise(context.WithoutCancel(t.Context()), s, postgres.Lookup{Types: []string{"ServiceRequest"}, Refer: []referral.UUID{id}}, func(f *postgres.Found) error {
				if _, found := f.Reached[id]; !found {
					return errGone
				}
				return nil
			})
			if err != nil && !errors.Is(err, errGone) {
				t.Errorf("revise: %v", err)
			}
			did[id] = err == nil
		}
		written <- did
	}()
	removed := removeDue(t, db, p)
	did := <-written
	kept := 0
	for _, patient := range patients {
		id := patient.Resources[0].ID
		got := column(t, url, `select type from resource where id = $1::uuid or content like '%' || $1 || '%' order by type`, id.String())
		var want []string
		if did[id] {
			kept++
			want = []string{"Patient", "ServiceRequest", "ServiceRequest", "Task"}
		}
		if !slices.Equal(got, want) {
			t.Errorf("patient %s, newer written %v: got %v, want %v", id, did[id], got, want)
		}
	}
	if removed+kept != all {
		t.Errorf("got %d removed and %d kept of %d", removed, kept, all)
	}
}

var errGone = errors.New("gone")

// TestRemovalSeesWhoWasFirst: a settlement that refers to a patient, and has its lock, when the record has been looked at
// already: it counts when it has committed.
func TestRemovalSeesWhoWasFirst(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	processor, db := open(t, url, postgres.RoleProcessor), open(t, url, postgres.RoleRetention)
	patient := store(t, processor, born(t, submission(t, sender, 1), "1970"))
	var now time.Time
	if err := connect(t, url).QueryRow(t.Context(), `select clock_timestamp()`).Scan(&now); err != nil {
		t.Fatal(err)
	}
	p := postgres.Retention{Years: 7, ChildAge: 25, SubmissionYears: 7, Now: now.AddDate(7, 0, 0).Add(time.Millisecond)}
	found := records(t, db, p)[patient.Resources[0].ID.String()]
	lock, err := connect(t, url).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock.Exec(t.Context(), `select from resource where type = 'Patient' for key share`); err != nil {
		t.Fatal(err)
	}
	newer := submission(t, sender, 2)
	newer.Patient, newer.Resources = "", newer.Resources[1:2]
	change(t, &newer.Resources[0], `"subject":{"reference":"`+patient.Patient+`"}`)
	type result struct {
		removed bool
		err     error
	}
	results := make(chan result, 1)
	err = processor.SettleStalled(t.Context(), newer, func() {
		go func() {
			removed, err := db.Remove(context.WithoutCancel(t.Context()), p, found, operation)
			results <- result{removed, err}
		}()
		for len(column(t, url, `select pid::text from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`)) == 0 {
			time.Sleep(time.Millisecond)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := <-results; got.removed || got.err != nil {
		t.Errorf("got removed %v, %v, want all kept", got.removed, got.err)
	}
	if got := column(t, url, `select count(*)::text from resource`); got[0] != "4" {
		t.Errorf("got %s resources, want 4", got[0])
	}
}
