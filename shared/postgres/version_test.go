package postgres_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// revise writes the next version of a resource in a settlement of its own, n, addressed to readers; no content deletes.
func revise(t testing.TB, db *postgres.DB, r postgres.Resource, n int, content string, readers ...string) postgres.Resource {
	t.Helper()
	s := submission(t, sender, n)
	r.Version, r.Content, r.Readers, r.Deleted = max(r.Version, 1)+1, content, readers, content == ""
	r.Keys = nil
	// Nothing replaces a deletion: the resource comes back as if it were new.
	if r.Replaces = (&postgres.Replaced{}); strings.Contains(content, "again") {
		r.Replaces = nil
	}
	s.Resources, s.Request, s.Patient, s.BundleType = []postgres.Resource{r}, "", "", "update"
	s.Answers = []referral.Answer{{Status: 200, Version: r.Name()}}
	settled, err := db.Revise(t.Context(), s, postgres.Lookup{}, func(*postgres.Found) error { return nil })
	if err != nil || !settled {
		t.Fatalf("revise: %v, %v", settled, err)
	}
	return r
}

// versioned is a patient that the recipient comes to read in version 2, that was deleted in 3 and is back in 4.
func versioned(t testing.TB, url string) referral.UUID {
	t.Helper()
	db := open(t, url, postgres.RoleProcessor)
	r := settleFrom(t, db, sender, 1).Resources[0]
	r = revise(t, db, r, 2, `"active":true`, recipient)
	r = revise(t, db, r, 3, "", recipient)
	revise(t, db, r, 4, `"gender":"again"`, recipient)
	return r.ID
}

func TestVersionsAreForThoseWhoReadThem(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	id := versioned(t, url)
	name := func(n int) string { return fmt.Sprintf("Patient/%s/_history/%d", id, n) }
	names := []string{name(4), name(1), name(3), name(2), name(5), name(0), "Task/" + id.String() + "/_history/1", "Patient/x/_history/1"}
	text, both := open(t, url, "none"), open(t, url, postgres.RoleQuery)
	for org, want := range map[string][]string{
		sender: {name(1), name(2), name(3), name(4)}, recipient: {name(2), name(3), name(4)}, unrelated: nil, "": nil,
	} {
		for layer, db := range map[string]*postgres.DB{"text alone": text, "text and policy": both} {
			got, err := db.Versions(t.Context(), org, names)
			if err != nil || !slices.Equal(slices.Sorted(maps.Keys(got)), want) {
				t.Errorf("%s, organisation %q: got %v, %v, want %v", layer, org, slices.Sorted(maps.Keys(got)), err, want)
			}
			for name, v := range got {
				if v.Name() != name || v.Deleted != (v.Number == 3) || (v.Content == "") != v.Deleted {
					t.Errorf("%s: got %v, deleted %v", name, v, v.Deleted)
				}
			}
		}
		args := []any{org, [][16]byte{id, id, id, id}, []int32{1, 2, 3, 4}, []string{"Patient", "Patient", "Patient", "Patient"}, 1 << 20}
		seen, err := both.As(t.Context(), org, postgres.WithoutTenantRule(postgres.ContentsSQL), args)
		if err != nil || seen != len(want) {
			t.Errorf("policy alone, organisation %q: saw %d rows, %v, want %d", org, seen, err, len(want))
		}
	}
}

// However much there is to show, it is read up to a limit, in the order of the names.
func TestVersionsEndAtTheLimit(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	db := open(t, url, postgres.RoleProcessor)
	s := submission(t, sender, 1)
	for i := range s.Resources {
		s.Resources[i].Content = `"x":"` + strings.Repeat("x", postgres.MaxVersionsBytes/2) + `"`
	}
	store(t, db, s)
	names := []string{s.Resources[2].Name(), s.Resources[0].Name(), s.Resources[1].Name()}
	got, err := db.Versions(t.Context(), sender, names)
	want := slices.Sorted(slices.Values(names[:2]))
	if err != nil || !slices.Equal(slices.Sorted(maps.Keys(got)), want) {
		t.Errorf("got %v, %v, want %v", slices.Sorted(maps.Keys(got)), err, want)
	}
}

func TestReadTellsDeletedFromNeverKnown(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	db := open(t, url, postgres.RoleProcessor)
	r := settleFrom(t, db, sender, 1, recipient).Resources[0]
	text, both := open(t, url, "none"), open(t, url, postgres.RoleQuery)
	type state struct {
		found, deleted bool
		number         int
	}
	check := func(what string, wants map[string]state) {
		t.Helper()
		for org, want := range wants {
			for layer, db := range map[string]*postgres.DB{"text alone": text, "text and policy": both} {
				v, found, err := db.Read(t.Context(), org, "Patient", r.ID)
				if got := (state{found, v.Deleted, v.Number}); err != nil || got != want {
					t.Errorf("%s, %s, organisation %s: got %+v, %v, want %+v", what, layer, org, got, err, want)
				}
			}
			seen, err := both.As(t.Context(), org, postgres.WithoutTenantRule(postgres.ReadSQL), []any{org, [16]byte(r.ID), r.Type})
			if err != nil || seen == 1 != want.found {
				t.Errorf("%s, policy alone, organisation %s: saw %d rows, %v", what, org, seen, err)
			}
		}
	}
	check("created", map[string]state{sender: {true, false, 1}, recipient: {true, false, 1}, unrelated: {}})
	r = revise(t, db, r, 2, "", recipient)
	check("deleted", map[string]state{sender: {true, true, 2}, recipient: {true, true, 2}, unrelated: {}})
	r = revise(t, db, r, 3, `"gender":"again"`, recipient)
	check("back", map[string]state{sender: {true, false, 3}, recipient: {true, false, 3}, unrelated: {}})
	revise(t, db, r, 4, `"active":false`)
	check("no longer addressed", map[string]state{sender: {true, false, 4}, recipient: {}, unrelated: {}})
}

func TestHistoryIsNewestFirstAndForItsReaders(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	id := versioned(t, url)
	for n := range 4 {
		for _, table := range []string{"resource", "history"} {
			execute(t, url, `update `+table+` set last_updated = $1 where version = $2 and id = $3`, minute.Add(time.Duration(n)*time.Second), n+1, [16]byte(id))
		}
	}
	type page struct {
		numbers     []int
		total       int
		more, known bool
	}
	text, both := open(t, url, "none"), open(t, url, postgres.RoleQuery)
	for name, test := range map[string]struct {
		org  string
		h    postgres.History
		want page
	}{
		"sender":            {sender, postgres.History{}, page{[]int{4, 3, 2, 1}, 4, false, true}},
		"reader":            {recipient, postgres.History{}, page{[]int{4, 3, 2}, 3, false, true}},
		"unrelated":         {unrelated, postgres.History{}, page{}},
		"another type":      {sender, postgres.History{Type: "Task"}, page{}},
		"first page":        {sender, postgres.History{Count: 3}, page{[]int{4, 3, 2}, 4, true, true}},
		"second page":       {sender, postgres.History{Count: 3, Before: 2}, page{[]int{1}, 4, false, true}},
		"page that is full": {recipient, postgres.History{Count: 3}, page{[]int{4, 3, 2}, 3, false, true}},
		"bytes":             {sender, postgres.History{Bytes: 1}, page{[]int{4}, 4, true, true}},
		"bytes, then":       {sender, postgres.History{Bytes: 1, Before: 4}, page{[]int{3, 2}, 4, true, true}}, // a deletion has none
		"since":             {sender, postgres.History{Since: minute.Add(2 * time.Second)}, page{[]int{4, 3}, 2, false, true}},
		"since, page":       {sender, postgres.History{Since: minute.Add(2 * time.Second), Count: 1}, page{[]int{4}, 2, true, true}},
		"since later":       {sender, postgres.History{Since: minute.Add(time.Hour)}, page{nil, 0, false, true}},
	} {
		h := test.h
		h.ID = id
		if h.Type == "" {
			h.Type = "Patient"
		}
		if h.Count == 0 {
			h.Count = 20
		}
		if h.Bytes == 0 {
			h.Bytes = 1 << 20
		}
		for layer, db := range map[string]*postgres.DB{"text alone": text, "text and policy": both} {
			v, known, err := db.History(t.Context(), test.org, h)
			got := page{total: v.Total, more: v.More, known: known}
			for i, version := range v.Found {
				got.numbers = append(got.numbers, version.Number)
				if version.Deleted != (version.Number == 3) || v.Revives[i] != (version.Number == 4) {
					t.Errorf("%s: version %d: deleted %v, revives %v", name, version.Number, version.Deleted, v.Revives[i])
				}
			}
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(page{})); err != nil || diff != "" {
				t.Errorf("%s, %s: %v (-want +got):\n%s", name, layer, err, diff)
			}
		}
	}
	for org, want := range map[string]int{sender: 4, recipient: 3, unrelated: 0} {
		args := []any{org, [16]byte(id), "Patient", time.Time{}, 9, 20, 1 << 20}
		if seen, err := both.As(t.Context(), org, postgres.WithoutTenantRule(postgres.HistorySQL), args); err != nil || seen != want {
			t.Errorf("policy alone, organisation %s: saw %d rows, %v, want %d", org, seen, err, want)
		}
	}
}
