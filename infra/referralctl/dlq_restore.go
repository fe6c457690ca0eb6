package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/dlq"
	"github.com/ausbizconsulting/referral-fhir-server/shared/awslambda"
	"github.com/ausbizconsulting/referral-fhir-server/shared/env"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

type restoreLettersCommand struct {
	queues
	chosen
	reasoned
	archive
	Rate int `default:"100" placeholder:"N" help:"Letters a second at most, 1 to 500: ${default}."`
}

// Help is printed by dlq restore --help.
func (*restoreLettersCommand) Help() string {
	return "Letters go to the dead-letter queue as they were, to be looked at and replayed from there, and bodies that they claim to where " +
		"claim checks are kept. Those that are in the queue already, or whose submission has settled, are left out: doing it again changes " +
		"nothing. It needs the store, by DATABASE_URL or REFERRAL_DATABASE_SECRET, a login that is a member of referral_query, with --yes of " +
		"referral_processor too, and the keys as the functions have them. " + lookingHides
}

// Run restores.
func (c *restoreLettersCommand) Run(ctx context.Context, s *streams) error {
	filter, err := c.filter()
	if err != nil {
		return err
	}
	if err := checkRate(c.Rate); err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return err
	}
	settings, q, err := c.deadLetters(ctx)
	if err != nil {
		return err
	}
	from, err := c.archive.open(settings)
	if err != nil {
		return err
	}
	states, err := openSubmissions()
	if err != nil {
		return err
	}
	defer states.store.Close()
	progress := newBar(s, c.Max)
	restoring := dlq.Restoring{
		From: from, Filter: filter, Limit: c.Max, Rate: c.Rate, Dry: !c.Yes, Wanted: states.unsettled,
		Done: func(n int) { progress.draw(n, fmt.Sprintf("%d put back", n), false) },
	}
	if c.Yes {
		operations, err := openOperations(false)
		if err != nil {
			return err
		}
		defer operations.store.Close()
		if err := operations.keep(ctx, "E", q.URL, c.Reason, c.Filter); err != nil {
			return err
		}
	}
	done, err := q.Restore(ctx, restoring)
	progress.clear()
	if c.Yes {
		s.audit(ctx, "dlq restore", q.URL, c.Reason, c.Filter, done.Restored, err)
	}
	if err != nil {
		return unfinished(fmt.Sprintf("%d dead letters were put back", done.Restored), err)
	}
	if s.json {
		return s.printJSON(struct {
			dlq.Restored
			DryRun bool `json:"dryRun"`
		}{done, !c.Yes})
	}
	what := "were put back"
	if !c.Yes {
		what = "would be put back"
	}
	text := fmt.Sprintf("%d archived dead letters %s; %d are in the queue already, of %d the submission has settled.", done.Restored, what, done.There, done.Unwanted)
	if done.Bodiless > 0 {
		text += fmt.Sprintf(" Of %d the body is neither where claim checks are kept nor in the archive.", done.Bodiless)
	}
	if !c.Yes {
		text += "\nNothing was changed. Do it with --yes and --reason."
	}
	_, err = fmt.Fprintln(s.out, text)
	return err
}

func checkRate(rate int) error {
	if rate < 1 || rate > 500 {
		return usageError{errors.New("--rate is 1 to 500 letters a second")}
	}
	return nil
}

// submissions is where it is asked what became of a submission.
type submissions struct {
	store *postgres.DB
	keys  *referral.Keys
}

// openSubmissions opens the store for reading, with the settings that the functions have.
func openSubmissions() (*submissions, error) {
	v := env.Read(os.LookupEnv)
	s := &submissions{store: awslambda.Store(v, lookUpAWS, postgres.RoleQuery), keys: awslambda.Keys(v, lookUpAWS)}
	if err := v.Err(); err != nil {
		if s.store != nil {
			s.store.Close()
		}
		return nil, usageError{fmt.Errorf("%w; %s", err, useRunningStack)}
	}
	return s, nil
}

// state is what became of a submission that org sent, or empty: nothing that the store knows of.
func (s *submissions) state(ctx context.Context, org string, digest referral.Digest) (referral.State, error) {
	submission, found, err := s.store.Submission(ctx, org, digest)
	if err != nil || !found || submission.Org != org {
		return "", err
	}
	return submission.State, nil
}

// unsettled tells whether the submission of an archived letter may still settle. What is of no submission, too, is for an
// operator to look at.
func (s *submissions) unsettled(ctx context.Context, k dlq.Kept) (bool, error) {
	claimed, err := s.keys.Verify(k.Org, k.ID)
	if err != nil {
		return true, nil //nolint:nilerr // it is of no submission
	}
	state, err := s.state(ctx, k.Org, claimed.Digest)
	return state == "" || state == referral.Quarantined, err
}
