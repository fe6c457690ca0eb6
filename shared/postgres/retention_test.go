package postgres_test

import (
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

var operation = postgres.Operation{Operator: "jane@bastion", Reason: "CHG-1"}

// lawful is what the law asks for, years from now.
func lawful(years int) postgres.Retention {
	return postgres.Retention{Years: 7, ChildAge: 25, SubmissionYears: 7, Now: time.Now().AddDate(years, 0, 1)}
}

// born makes the Patient of s one who was born on a date, and its keys those of what it then says.
func born(t testing.TB, s *postgres.Settlement, date string) *postgres.Settlement {
	t.Helper()
	change(t, &s.Resources[0], s.Resources[0].Content+`,"birthDate":"`+date+`"`)
	return s
}

func change(t testing.TB, r *postgres.Resource, content string) {
	t.Helper()
	r.Content = content
	resource, err := fhir.Parse([]byte(`{"resourceType":"`+r.Type+`",`+content+`}`), r.Type, fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	r.Keys = search.Index(resource, func(reference string) string { return reference })
}

// records returns what Records finds, by patient; those without one are one.
func records(t testing.TB, db *postgres.DB, p postgres.Retention) map[string]postgres.Record {
	t.Helper()
	all := map[string]postgres.Record{}
	if err := db.Records(t.Context(), p, func(r postgres.Record) error {
		all[r.Patient] = r
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// removeDue removes what is due, and returns how many records that were.
func removeDue(t testing.TB, db *postgres.DB, p postgres.Retention) (count int) {
	t.Helper()
	if err := db.Records(t.Context(), p, func(r postgres.Record) error {
		if !r.Due(p.Now) {
			return nil
		}
		removed, err := db.Remove(t.Context(), p, r, operation)
		if removed {
			count++
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return count
}

// everything is all that the store holds, but for what a read of it changes.
func everything(t testing.TB, url string) []string {
	t.Helper()
	return column(t, url, `
		select x from (
			select 'resource ' || r::text as x from resource r union all select 'history ' || h::text from history h
			union all select 'submission ' || s::text from submission s union all select 'listing ' || l::text from listing l
			union all select 'idx ' || i::text from idx i union all select 'audit ' || a::text from audit a
			union all select 'hold ' || h::text from retention_hold h union all select 'removed ' || g::text from retention_register g
		) x order by 1`)
}

// TestRemoveLeavesTombstones: a record whose time is over goes as a whole, with its index, versions and body; what is left
// says that it was there, and that its submission has settled. Another's record stays as it is.
func TestRemoveLeavesTombstones(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	processor, query, db := open(t, url, postgres.RoleProcessor), open(t, url, postgres.RoleQuery), open(t, url, postgres.RoleRetention)
	s := born(t, submission(t, sender, 1, recipient), "1970-05")
	binary := postgres.Resource{ID: resourceID(sender, 1, 3), Type: "Binary", Readers: []string{recipient}, Content: `"contentType":"text/plain"`}
	s.Resources = append(s.Resources, binary) // names nobody
	store(t, processor, s)
	child := store(t, processor, born(t, submission(t, sender, 2, recipient), time.Now().AddDate(-10, 0, 0).Format(time.DateOnly)))
	provider := submission(t, sender, 3)
	provider.Patient, provider.Resources = "", provider.Resources[:1]
	provider.Resources[0].Type, provider.Resources[0].Keys = "Organization", nil
	store(t, processor, provider)
	before := everything(t, url)
	p := lawful(7)
	got := records(t, db, p)
	if r := got[s.Resources[0].ID.String()]; r.Class != postgres.ClassAdult || r.Resources != 4 || r.Submissions != 1 || r.Org != sender || !r.Due(p.Now) {
		t.Errorf("adult: got %+v %+v", r, got)
	}
	if r := got[child.Resources[0].ID.String()]; r.Class != postgres.ClassChild || r.Due(p.Now) || r.Until.Before(time.Now().AddDate(14, 11, 0)) {
		t.Errorf("child: got %+v until %v", r, r.Until)
	}
	if diff := cmp.Diff(before, everything(t, url)); diff != "" {
		t.Fatalf("looking changed something (-want +got):\n%s", diff)
	}
	if got := removeDue(t, db, p); got != 1+1 { // and the body of the provider's submission
		t.Errorf("got %d records removed, want 2", got)
	}
	for _, org := range []string{sender, recipient} {
		for _, r := range s.Resources {
			v, found, err := query.Read(t.Context(), org, r.Type, r.ID)
			if err != nil || !found || !v.Deleted || v.Number != 2 || v.Content != "" {
				t.Errorf("%s for %s: got %+v, found %v, %v; want the tombstone", r.Name(), org, v, found, err)
			}
			h, known, err := query.History(t.Context(), org, postgres.History{Type: r.Type, ID: r.ID, Count: 10, Bytes: 1 << 20})
			if err != nil || !known || len(h.Found) != 1 || !h.Found[0].Deleted {
				t.Errorf("history of %s for %s: got %v, %v", r.Name(), org, h.Found, err)
			}
		}
		found, _, err := query.Search(t.Context(), org, postgres.Search{Type: "Patient", Count: 10, Bytes: 1 << 20})
		if diff := cmp.Diff([]string{child.Resources[0].ID.String()}, versionIDs(found)); err != nil || diff != "" {
			t.Errorf("search by %s, %v (-want +got):\n%s", org, err, diff)
		}
	}
	if got := column(t, url, `select i::text from idx i where i.h > 0 and not exists (select from resource r where r.vid = i.vid)`); len(got) > 0 {
		t.Errorf("got keys %v of nothing", got)
	}
	listed, err := query.List(t.Context(), recipient, postgres.List{Count: 10})
	if err != nil || len(listed.Submissions) != 1 || listed.Submissions[0].Digest != child.Digest {
		t.Errorf("list: got %v, %v", listed.Submissions, err)
	}
	gone, found, err := query.Submission(t.Context(), sender, s.Digest)
	if err != nil || !found || gone.State != referral.Completed || gone.Patient+gone.Service+gone.Authored != "" || len(gone.Answers) != 1 || gone.Answers[0].Status != 410 {
		t.Errorf("submission: got %v, found %v, %v", gone, found, err)
	}
	if o, _, err := query.Original(t.Context(), sender, s.Digest); err != nil || len(o.Content) > 0 {
		t.Errorf("body: got %v, %v", o, err)
	}
	want := []string{"Binary/" + binary.ID.String(), "Patient/" + s.Resources[0].ID.String(), "ServiceRequest/" + s.Resources[1].ID.String(), "Task/" + s.Resources[2].ID.String()}
	if diff := cmp.Diff(want, column(t, url, `select entity from audit where action = 'D' and patient = $1::uuid and reason = 'CHG-1'
		and client = 'jane@bastion' and entity not like 'submission%' order by 1`, s.Resources[0].ID.String())); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
	if got := column(t, url, `select patient::text from retention_register where org = $1 and name = '' and first_at < last_at`, sender); !cmp.Equal(got, []string{s.Resources[0].ID.String()}) {
		t.Errorf("register: got %v", got)
	}
	again := *s
	if settled, err := processor.Settle(t.Context(), &again); err != nil || settled[0] {
		t.Errorf("the same sent again: got %v, %v, want that it has settled", settled, err)
	}
	other := submission(t, sender, 4)
	other.Key, other.Resources = s.Key, nil
	if _, err := processor.Settle(t.Context(), other); err == nil {
		t.Error("another with the same key: got it settled")
	}
	after := everything(t, url)
	if got := removeDue(t, db, p); got != 0 {
		t.Errorf("again: got %d removed", got)
	}
	if diff := cmp.Diff(after, everything(t, url)); diff != "" {
		t.Errorf("twice is not once (-want +got):\n%s", diff)
	}
	p = lawful(16)
	if got := removeDue(t, db, p); got != 1 {
		t.Errorf("when the child is 26: got %d removed, want 1", got)
	}
}

// TestWhenARecordEnds: seven years after the last was written, and not before the patient is 25; without a date of birth
// 25 years after; all that is one person's together.
func TestWhenARecordEnds(t *testing.T) {
	t.Parallel()
	today := time.Now().UTC()
	years := func(n int) string { return today.AddDate(-n, 0, 0).Format(time.DateOnly) }
	for name, test := range map[string]struct {
		birthDate string
		class     string
		from, to  time.Time // of Until
	}{
		"adult":        {years(40), postgres.ClassAdult, today.AddDate(7, 0, -1), today.AddDate(7, 0, 1)},
		"just grown":   {years(18), postgres.ClassAdult, today.AddDate(7, 0, -1), today.AddDate(7, 0, 1)},
		"seventeen":    {years(17), postgres.ClassChild, today.AddDate(8, 0, -2), today.AddDate(8, 0, 1)},
		"newborn":      {years(0), postgres.ClassChild, today.AddDate(25, 0, -2), today.AddDate(25, 0, 1)},
		"only a month": {"2020-02", postgres.ClassChild, time.Date(2045, 3, 1, 0, 0, 0, 0, time.UTC), time.Date(2045, 3, 1, 0, 0, 0, 0, time.UTC)},
		"only a year":  {"2020", postgres.ClassChild, time.Date(2045, 12, 31, 0, 0, 0, 0, time.UTC), time.Date(2045, 12, 31, 0, 0, 0, 0, time.UTC)},
		"no date":      {"", postgres.ClassUnknown, today.AddDate(25, 0, -1), today.AddDate(25, 0, 1)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.New(t)
			s := submission(t, sender, 1)
			if test.birthDate != "" {
				born(t, s, test.birthDate)
			}
			store(t, open(t, url, postgres.RoleProcessor), s)
			r := records(t, open(t, url, postgres.RoleRetention), lawful(7))[s.Resources[0].ID.String()]
			if r.Class != test.class || r.Until.Before(test.from) || r.Until.After(test.to) {
				t.Errorf("got %s until %v, want %s from %v to %v", r.Class, r.Until, test.class, test.from, test.to)
			}
		})
	}
}

// TestOnePersonIsOneRecord: a Patient sent twice, with one identifier, ends once; what another organisation wrote about the
// Patient counts and goes with it.
func TestOnePersonIsOneRecord(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	processor, db := open(t, url, postgres.RoleProcessor), open(t, url, postgres.RoleRetention)
	first, second := born(t, submission(t, sender, 1), "1970"), born(t, submission(t, sender, 2), "1970")
	change(t, &second.Resources[0], first.Resources[0].Content)
	store(t, processor, first)
	store(t, processor, second)
	report := submission(t, recipient, 3)
	report.Patient, report.Resources = "", report.Resources[1:2]
	change(t, &report.Resources[0], `"subject":{"reference":"Patient/`+first.Resources[0].ID.String()+`"}`)
	store(t, processor, report)
	unborn := store(t, processor, submission(t, unrelated, 4)) // at the same time, and another's
	all := records(t, db, lawful(7))
	r := all[first.Resources[0].ID.String()]
	if len(all) != 2 || r.Resources != 7 || r.Submissions != 3 || r.Class != postgres.ClassAdult {
		t.Errorf("got %+v, want one of seven resources, and the other", all)
	}
	if got := removeDue(t, db, lawful(7)); got != 1 {
		t.Errorf("got %d removed, want 1", got)
	}
	if diff := cmp.Diff([]string{unborn.Resources[0].ID.String(), unborn.Resources[1].ID.String(), unborn.Resources[2].ID.String()},
		column(t, url, `select id::text from resource order by 1`)); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

// TestABatchOfTwoPatientsGoesWithTheLast: the body of a submission about two patients stays while either is kept.
func TestABatchOfTwoPatientsGoesWithTheLast(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	processor, db := open(t, url, postgres.RoleProcessor), open(t, url, postgres.RoleRetention)
	s, child := born(t, submission(t, sender, 1), "1970"), born(t, submission(t, sender, 2), time.Now().AddDate(-10, 0, 0).Format(time.DateOnly))
	s.BundleType, s.Resources = "batch", append(s.Resources, child.Resources...)
	store(t, processor, s)
	for _, step := range []struct{ years, resources int }{{8, 3}, {16, 0}} {
		if got := removeDue(t, db, lawful(step.years)); got != 1 {
			t.Errorf("after %d years: got %d removed, want 1", step.years, got)
		}
		bodies := column(t, url, `select d::text from submission where content <> ''`)
		if got := column(t, url, `select id::text from resource`); len(got) != step.resources || len(bodies) != step.resources/3 {
			t.Errorf("after %d years: got %d resources and %d bodies, want %d and %d", step.years, len(got), len(bodies), step.resources, step.resources/3)
		}
	}
}

// TestDeletedAndUnsettledGoToo: what a client deleted is kept as the rest of the record; what was rejected, or never settled,
// goes by itself, and never settles then.
func TestDeletedAndUnsettledGoToo(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	processor, db := open(t, url, postgres.RoleProcessor), open(t, url, postgres.RoleRetention)
	s := store(t, processor, born(t, submission(t, sender, 1), "1970"))
	execute(t, url, `
		with d as (delete from resource where type <> 'Task' returning *)
		insert into history (id, version, type, org, readers, last_updated, meta, content, d, deleted)
		select id, version, type, org, readers, last_updated, meta, content, d, false from d
		union all select id, version + 1, type, org, readers, clock_timestamp(), '', '', null, true from d`)
	var ended []*postgres.Settlement
	for i, state := range []referral.State{referral.Rejected, referral.Quarantined} {
		e := submission(t, sender, 2+i)
		e.State, e.Resources, e.Outcome, e.Patient = state, nil, `{"resourceType":"OperationOutcome"}`, "Patient/of-whoever"
		ended = append(ended, store(t, processor, e))
	}
	if got := removeDue(t, db, lawful(6)); got != 0 {
		t.Errorf("after six years: got %d removed", got)
	}
	if got := removeDue(t, db, lawful(7)); got != 3 {
		t.Errorf("got %d removed, want 3", got)
	}
	if got := column(t, url, `select id::text from resource union select id::text from history where not deleted union select d::text from submission where content <> '' or outcome is not null`); len(got) > 0 {
		t.Errorf("got %v left", got)
	}
	for _, e := range append(ended, s) {
		again := *e
		again.State = referral.Completed
		if settled, err := processor.Settle(t.Context(), &again); err != nil || settled[0] {
			t.Errorf("sent again: got %v, %v, want that it has settled", settled, err)
		}
	}
}

// TestHoldKeeps: what a hold is on is not removed, whatever it is on, until it is lifted; without the look at holds it is.
func TestHoldKeeps(t *testing.T) {
	t.Parallel()
	for name, on := range map[string]func(*postgres.Settlement) postgres.Hold{
		"patient": func(s *postgres.Settlement) postgres.Hold {
			return postgres.Hold{Kind: "patient", Subject: s.Resources[0].ID.String()}
		},
		"sender":    func(*postgres.Settlement) postgres.Hold { return postgres.Hold{Kind: "organisation", Org: sender} },
		"addressee": func(*postgres.Settlement) postgres.Hold { return postgres.Hold{Kind: "organisation", Org: recipient} },
		"submission": func(s *postgres.Settlement) postgres.Hold {
			return postgres.Hold{Kind: "submission", Subject: hex.EncodeToString(s.Digest[:])}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.New(t)
			processor, db := open(t, url, postgres.RoleProcessor), open(t, url, postgres.RoleRetention)
			s := store(t, processor, born(t, submission(t, sender, 1, recipient), "1970"))
			p := lawful(7)
			found := records(t, db, p)[s.Resources[0].ID.String()]
			hold, err := db.Place(t.Context(), on(s), operation)
			if err != nil {
				t.Fatal(err)
			}
			if removed, err := db.Remove(t.Context(), p, found, operation); removed || err != nil {
				t.Errorf("held since it was found: got %v, %v, want it kept", removed, err)
			}
			if r := records(t, db, p)[s.Resources[0].ID.String()]; !r.Held || r.Due(p.Now) {
				t.Errorf("got %+v, want it held", r)
			}
			if removed, err := db.RemoveHeld(t.Context(), p, found, operation); !removed || err != nil {
				t.Errorf("control, without the look at holds: got %v, %v, want it removed", removed, err)
			}
			for _, absent := range []postgres.Hold{{Kind: "patient", Subject: s.Resources[0].ID.String()}, {Kind: "submission", Subject: "00"}} {
				if _, err := db.Place(t.Context(), absent, operation); !errors.Is(err, postgres.ErrNothingToHold) {
					t.Errorf("a hold on a %s that is not there: got %v", absent.Kind, err)
				}
			}
			standing, err := db.Holds(t.Context(), false)
			if err != nil || len(standing) != 1 || standing[0].Org != hold.Org || standing[0].Org == "" || standing[0].Reason != "CHG-1" || standing[0].PlacedBy != "jane@bastion" {
				t.Errorf("got holds %+v, %v", standing, err)
			}
			store(t, processor, born(t, submission(t, sender, 2, recipient), "1970"))
			if _, err := db.Lift(t.Context(), hold.Number, operation); err != nil {
				t.Fatal(err)
			}
			if _, err := db.Lift(t.Context(), hold.Number, operation); !errors.Is(err, postgres.ErrNoHold) {
				t.Errorf("lifted twice: got %v", err)
			}
			if got := removeDue(t, db, p); got != 1 {
				t.Errorf("after it was lifted: got %d removed, want 1", got)
			}
			if diff := cmp.Diff([]string{"C jane@bastion CHG-1", "U jane@bastion CHG-1"}, column(t, url,
				`select action || ' ' || client || ' ' || reason from audit where reason is not null and action <> 'D' order by id`)); diff != "" {
				t.Errorf("audit (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRetentionRoleDoesNoMore: the role that removes can neither change a resource or what is held, nor make up history.
func TestRetentionRoleDoesNoMore(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	s := settle(t, url, 1, recipient)
	db := open(t, url, postgres.RoleRetention)
	if _, err := db.Place(t.Context(), postgres.Hold{Kind: "patient", Subject: s.Resources[0].ID.String()}, operation); err != nil {
		t.Fatal(err)
	}
	conn := connect(t, url)
	for statement, want := range map[string]int{
		`update resource set content = ''`:            -1,
		`insert into resource select * from resource`: -1,
		`update history set content = ''`:             -1,
		`update submission set content = ''`:          -1,
		`update submission set d = d`:                 -1,
		`delete from submission`:                      -1,
		`insert into history (id, version, type, org, last_updated, meta, content, deleted) select id, 9, type, org, last_updated, '', 'x', true from resource`: -1,
		`insert into idx values (1, 1)`:              -1,
		`delete from audit`:                          -1,
		`select from audit`:                          -1,
		`delete from retention_register`:             -1,
		`update retention_register set name = ''`:    -1,
		`delete from retention_hold`:                 -1,
		`update retention_hold set subject = ''`:     -1,
		`update retention_hold set lifted_at = null`: -1,
		`update retention_hold set lifted_at = now(), lifted_by = 'x', lifted_for = 'y'`: 1,
		`select from resource`: 3,
	} {
		state, rows := attempt(t, conn, postgres.RoleRetention, "", statement)
		if want < 0 && state != "42501" || want >= 0 && (state != "" || rows != want) {
			t.Errorf("%s: got %q, %d rows, want %d", statement, state, rows, want)
		}
	}
	for _, role := range []string{postgres.RoleProcessor, postgres.RoleQuery} {
		for _, statement := range []string{`select from retention_register`, `select from retention_hold`, `delete from retention_hold`, `insert into retention_hold (org, kind, subject, reason, placed_by) values ($1, 'organisation', '', 'x', 'y')`, `delete from history`} {
			if state, _ := attempt(t, conn, role, sender, statement); state != "42501" {
				t.Errorf("%s as %s: got %q, want it denied", statement, role, state)
			}
		}
	}
}
