package postgres_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

func TestStandingTellsThePaceOfOnesOwnOnly(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	db := open(t, url, postgres.RoleProcessor)
	settleAt(t, url, db, 1, submission(t, sender, 1, recipient))
	last := settleAt(t, url, db, 2, submission(t, sender, 2, recipient))
	settleAt(t, url, db, 3, submission(t, recipient, 3, sender))
	rejected := submission(t, sender, 4)
	rejected.State, rejected.Resources = referral.Quarantined, nil
	settleAt(t, url, db, 4, rejected)
	unsettled := submission(t, sender, 5)
	pace := postgres.Pace{SettledAt: minute.Add(2 * time.Second), Took: minute.Add(2 * time.Second).Sub(last.AcceptedAt)}
	for name, test := range map[string]struct {
		org   string
		d     referral.Digest
		found bool
		want  postgres.Pace
	}{
		"no row":          {sender, unsettled.Digest, false, pace},
		"settled":         {sender, last.Digest, true, postgres.Pace{}},
		"quarantined":     {sender, rejected.Digest, true, postgres.Pace{}},
		"nothing settled": {unrelated, unsettled.Digest, false, postgres.Pace{}},
	} {
		_, found, got, err := open(t, url, postgres.RoleQuery).Standing(t.Context(), test.org, test.d)
		if err != nil || found != test.found || !got.SettledAt.Equal(test.want.SettledAt) || got.Took.Round(time.Millisecond) != test.want.Took {
			t.Errorf("%s: got found %v, %+v, %v, want %v, %+v", name, found, got, err, test.found, test.want)
		}
	}
}

func TestSubmissionHasItsAnswersForTheSenderAlone(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	s := submission(t, sender, 1, recipient)
	at := minute
	s.Return = referral.ReturnRepresentation
	s.Answers = []referral.Answer{
		{Status: 200, Version: s.Resources[0].Name(), LastModified: &at}, {Status: 404, Outcome: []byte(`{"resourceType":"OperationOutcome"}`)},
		{Status: 200, Read: true, Matches: []string{s.Resources[1].Name()}},
	}
	store(t, open(t, url, postgres.RoleProcessor), s)
	db := open(t, url, postgres.RoleQuery)
	for org, want := range map[string][]referral.Answer{sender: s.Answers, recipient: nil} {
		got, found, err := db.Submission(t.Context(), org, s.Digest)
		if diff := cmp.Diff(want, got.Answers); err != nil || !found || diff != "" || (got.Return == s.Return) != (org == sender) {
			t.Errorf("organisation %s: found %v, return %q, %v (-want +got):\n%s", org, found, got.Return, err, diff)
		}
	}
}

// The bytes hold all that was sent: a reader of a part has none of them.
func TestOriginalIsForWhoMayReadAllOfIt(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	processor := open(t, url, postgres.RoleProcessor)
	text, both := open(t, url, "none"), open(t, url, postgres.RoleQuery)
	for n, test := range []struct {
		name    string
		change  func(*postgres.Settlement)
		readers bool
	}{
		{"all", func(*postgres.Settlement) {}, true},
		{"one is not addressed", func(s *postgres.Settlement) { s.Resources[1].Readers = nil }, false},
		{"updated", func(s *postgres.Settlement) {
			for _, r := range s.Resources {
				s.Answers = append(s.Answers, referral.Answer{Status: 201, Version: r.Name()})
			}
		}, true},
		{"one failed", func(s *postgres.Settlement) {
			s.Answers = []referral.Answer{{Status: 201, Version: s.Resources[0].Name()}, {Status: 404}}
		}, false},
		{"one was read", func(s *postgres.Settlement) {
			s.Answers = []referral.Answer{{Status: 201, Version: s.Resources[0].Name()}, {Status: 200, Version: s.Resources[1].Name(), Read: true}}
		}, false},
		{"one was found", func(s *postgres.Settlement) {
			s.Answers = []referral.Answer{{Status: 201, Version: s.Resources[0].Name()}, {Status: 200, Version: s.Resources[1].Name(), LastModified: &minute}}
		}, false},
		{"one was found among what is new", func(s *postgres.Settlement) {
			s.Answers = []referral.Answer{{Status: 201, Version: s.Resources[0].Name()}, {Status: 200, Version: s.Resources[0].Name()}}
		}, false},
		{"a patch", func(s *postgres.Settlement) { s.BundleType = "patch" }, false},
		{"rejected", func(s *postgres.Settlement) { s.State, s.Resources = referral.Rejected, nil }, false},
	} {
		s := submission(t, sender, n, recipient)
		s.Content = []byte(strings.Repeat("x", n+1))
		test.change(s)
		store(t, processor, s)
		for org, want := range map[string]bool{sender: true, recipient: test.readers, unrelated: false, "": false} {
			for layer, db := range map[string]*postgres.DB{"text alone": text, "text and policy": both} {
				got, found, err := db.Original(t.Context(), org, s.Digest)
				if err != nil || found != want || found && string(got.Content) != string(s.Content) {
					t.Errorf("%s, %s, organisation %q: got found %v, %v, want %v", test.name, layer, org, found, err, want)
				}
			}
			if seen, err := both.As(t.Context(), org, postgres.WithoutTenantRule(postgres.OriginalSQL), []any{org, s.Digest[:]}); err != nil || seen == 1 != want {
				t.Errorf("%s, policy alone, organisation %q: saw %d rows, %v", test.name, org, seen, err)
			}
		}
	}
}

// A version that has been superseded is still what was sent.
func TestOriginalOutlivesItsVersions(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	db := open(t, url, postgres.RoleProcessor)
	s := settleFrom(t, db, sender, 1, recipient)
	r := revise(t, db, s.Resources[0], 2, `"active":true`)
	revise(t, db, r, 3, "")
	for _, org := range []string{sender, recipient} {
		if _, found, err := db.Original(t.Context(), org, s.Digest); err != nil || !found {
			t.Errorf("organisation %s: got found %v, %v", org, found, err)
		}
		got, _, err := db.Submission(t.Context(), org, s.Digest)
		if err != nil || len(got.Resources) != 3 {
			t.Errorf("organisation %s: got %d resources, %v, want 3", org, len(got.Resources), err)
		}
	}
}
