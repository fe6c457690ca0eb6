package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/awslambda"
	"github.com/ausbizconsulting/referral-fhir-server/shared/env"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
)

type retentionCommand struct {
	Plan    planCommand    `cmd:"" help:"Say what is kept longer than it has to be, by class and organisation. Changes nothing."`
	Run     removeCommand  `cmd:"" help:"Remove what is kept longer than it has to be; without --yes only say what."`
	Hold    holdCommand    `cmd:"" help:"Keep a patient's record, a submission, or all of an organisation, whatever its time: a legal hold."`
	Release releaseCommand `cmd:"" help:"Lift a legal hold."`
	Holds   holdsCommand   `cmd:"" help:"List legal holds."`

	Register registerCommand `cmd:"" help:"Print the register of removed records: who, for which time, and when. It is patient data."`
}

// needsRetention is part of what --help says.
const needsRetention = "It needs the store, by DATABASE_URL or REFERRAL_DATABASE_SECRET, a login that is a member of referral_retention. "

// The least that the law of an Australian state asks for; RETENTION.md has the sources.
const (
	lawfulYears    = 7
	lawfulChildAge = 25
)

// periods are how long what is stored is kept.
type periods struct {
	Years           int    `default:"7" env:"REFERRAL_RETENTION_YEARS" placeholder:"N" help:"A patient's record is kept for so many years after the last was written: ${default}."`
	ChildAge        int    `default:"25" env:"REFERRAL_RETENTION_CHILD_AGE" placeholder:"N" help:"And until the patient is so old: ${default}."`
	SubmissionYears int    `default:"7" env:"REFERRAL_RETENTION_SUBMISSION_YEARS" placeholder:"N" help:"A submission that was rejected, cancelled or never settled is kept for so many years: ${default}."`
	BelowLaw        string `placeholder:"TEXT" help:"Why less than 7 years, or than until 25, is lawful here: for the audit."`
}

func (p *periods) retention() (postgres.Retention, error) {
	for _, years := range []int{p.Years, p.ChildAge, p.SubmissionYears} {
		if years < 1 || years > 200 {
			return postgres.Retention{}, usageError{errors.New("--years, --child-age and --submission-years are 1 to 200")}
		}
	}
	if less := p.Years < lawfulYears || p.SubmissionYears < lawfulYears || p.ChildAge < lawfulChildAge; less && strings.TrimSpace(p.BelowLaw) == "" {
		return postgres.Retention{}, usageError{fmt.Errorf("less than %d years, or than until %d, is less than the law of some states asks for: say with --below-law why it is lawful here",
			lawfulYears, lawfulChildAge)}
	}
	return postgres.Retention{Years: p.Years, ChildAge: p.ChildAge, SubmissionYears: p.SubmissionYears, Now: time.Now()}, nil
}

// openRetention opens the store as the role that removes.
func openRetention() (*postgres.DB, error) {
	v := env.Read(os.LookupEnv)
	db := awslambda.Store(v, lookUpAWS, postgres.RoleRetention)
	if err := v.Err(); err != nil {
		if db != nil {
			db.Close()
		}
		return nil, usageError{fmt.Errorf("%w; %s", err, useRunningStack)}
	}
	return db, nil
}

// retained is records of one class and organisation, as a plan sums them up.
type retained struct {
	Class       string    `json:"class"`
	Org         string    `json:"org"`
	Due         int       `json:"due"`         // records, with
	Resources   int       `json:"resources"`   // so many resources
	Submissions int       `json:"submissions"` // and bodies of submissions
	Held        int       `json:"held"`        // records
	Later       int       `json:"later"`       // for a child's sake, or since no date of birth is known
	TooLarge    int       `json:"tooLarge"`
	Oldest      time.Time `json:"oldest"` // of the due: when the last of it was written
}

// plan sums up all records that are old enough to be looked at.
func plan(ctx context.Context, s *streams, db *postgres.DB, p postgres.Retention) ([]retained, int, error) {
	all, due := []retained{}, 0
	b, looked := newBar(s, 0), 0
	defer b.clear()
	err := db.Records(ctx, p, func(r postgres.Record) error {
		i := slices.IndexFunc(all, func(x retained) bool { return x.Class == r.Class && x.Org == r.Org })
		if i < 0 {
			i, all = len(all), append(all, retained{Class: r.Class, Org: r.Org})
		}
		x := &all[i]
		switch {
		case r.Due(p.Now):
			due++
			x.Due, x.Resources, x.Submissions = x.Due+1, x.Resources+r.Resources, x.Submissions+r.Submissions
			if x.Oldest.IsZero() || r.Last.Before(x.Oldest) {
				x.Oldest = r.Last
			}
		case r.TooLarge:
			x.TooLarge++
		case r.Held:
			x.Held++
		default:
			x.Later++
		}
		looked++
		b.draw(looked, fmt.Sprintf("%d records looked at, %d due", looked, due), false)
		return nil
	})
	slices.SortFunc(all, func(a, b retained) int { return cmp.Or(cmp.Compare(a.Class, b.Class), cmp.Compare(a.Org, b.Org)) })
	return all, due, err
}

func printPlan(s *streams, all []retained, due int) error {
	if s.json {
		return s.printJSON(map[string]any{"dryRun": true, "due": due, "groups": all})
	}
	const row = "%-10s  %-16s  %7s  %9s  %11s  %7s  %7s  %9s  %s\n"
	if len(all) > 0 {
		fmt.Fprintf(s.out, row, "class", "organisation", "due", "resources", "submissions", "held", "later", "too large", "oldest")
	}
	for _, x := range all {
		oldest := "-"
		if !x.Oldest.IsZero() {
			oldest = x.Oldest.UTC().Format(time.DateOnly)
		}
		fmt.Fprintf(s.out, row, x.Class, x.Org, fmt.Sprint(x.Due), fmt.Sprint(x.Resources), fmt.Sprint(x.Submissions), fmt.Sprint(x.Held), fmt.Sprint(x.Later), fmt.Sprint(x.TooLarge), oldest)
	}
	_, err := fmt.Fprintf(s.out, "%d records are due. Nothing was changed: retention run --yes --reason removes them.\n", due)
	return err
}

type planCommand struct{ periods }

// Help is printed by retention plan --help.
func (*planCommand) Help() string {
	return "A record is all that is about one patient, whoever sent it. Records that are kept a while longer are counted as held (by a legal " +
		"hold), later (until the patient is 25) or too large (more than 5,000 resources: an operator has to look). " + needsRetention
}

// Run plans.
func (c *planCommand) Run(ctx context.Context, s *streams) error {
	p, err := c.retention()
	if err != nil {
		return err
	}
	db, err := openRetention()
	if err != nil {
		return err
	}
	defer db.Close()
	all, due, err := plan(ctx, s, db, p)
	if err != nil {
		return err
	}
	return printPlan(s, all, due)
}

type removeCommand struct {
	periods
	reasoned
	Max  int `default:"0" placeholder:"N" help:"Stop after so many records; 0, the default, means all."`
	Rate int `default:"20" placeholder:"N" help:"Records a second at most, 1 to 1000: ${default}."`
}

// Help is printed by retention run --help.
func (*removeCommand) Help() string {
	return "Removes content, versions and index of each record that is due, in one transaction with a row of the audit for each resource and " +
		"submission. What is left says that it was there: reads are answered with 410, and the same request sent again has settled and does not " +
		"settle anew. Servers may run. Interrupted, the same command goes on. " + needsRetention
}

// Run removes.
func (c *removeCommand) Run(ctx context.Context, s *streams) error {
	p, err := c.retention()
	if err != nil {
		return err
	}
	if c.Max < 0 || c.Rate < 1 || c.Rate > 1000 {
		return usageError{errors.New("--max is a number from 0, and --rate 1 to 1000 records a second")}
	}
	if err := c.check(); err != nil {
		return err
	}
	db, err := openRetention()
	if err != nil {
		return err
	}
	defer db.Close()
	all, due, err := plan(ctx, s, db, p)
	if err != nil {
		return err
	}
	if !c.Yes {
		return printPlan(s, all, due)
	}
	if c.Max > 0 {
		due = min(due, c.Max)
	}
	removed, busy, err := c.remove(ctx, s, db, p, due)
	if err != nil {
		return unfinished(fmt.Sprintf("%d records were removed", removed), err)
	}
	if s.json {
		return s.printJSON(map[string]int{"removed": removed, "busy": busy})
	}
	text := fmt.Sprintf("Removed %d records.", removed)
	if busy > 0 {
		text += fmt.Sprintf(" %d were being written to: the same command tries them again.", busy)
	}
	_, err = fmt.Fprintln(s.out, text)
	return err
}

// errEnough ends a run that has removed as many as it may.
var errEnough = errors.New("enough")

// remove removes up to limit records, and counts those that something else had locked.
func (c *removeCommand) remove(ctx context.Context, s *streams, db *postgres.DB, p postgres.Retention, limit int) (removed, busy int, err error) {
	operation := postgres.Operation{Operator: operator(), Reason: strings.TrimSpace(c.Reason)}
	if c.BelowLaw != "" {
		operation.Reason += "; " + c.BelowLaw
	}
	b := newBar(s, limit)
	defer b.clear()
	pace := time.NewTicker(time.Second / time.Duration(c.Rate))
	defer pace.Stop()
	err = db.Records(ctx, p, func(r postgres.Record) error {
		if removed == limit {
			return errEnough
		}
		if !r.Due(p.Now) {
			return nil
		}
		select {
		case <-pace.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		done, err := db.Remove(ctx, p, r, operation)
		switch {
		case errors.Is(err, postgres.ErrBusy):
			busy++
		case err != nil:
			return err
		case done:
			removed++
		}
		b.draw(removed, fmt.Sprintf("%d removed", removed), removed == limit)
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return removed, busy, err
}
