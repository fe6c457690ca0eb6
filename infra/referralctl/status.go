package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/client"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

type statusCommand struct {
	connection
	Submission string `arg:"" name:"id|url" help:"Id of a submission, or the status URL that came with the 202."`
	Follow     bool   `help:"Wait until it has settled."`
}

// Help is printed by status --help.
func (*statusCommand) Help() string {
	return "With --json it prints what the server answers: a Bundle of type batch-response when the submission has " +
		"settled, an OperationOutcome before that. Exit status 1 when it was rejected or cancelled."
}

// Run asks for the status.
func (c *statusCommand) Run(ctx context.Context, s *streams) error {
	server, err := c.open()
	if err != nil {
		return err
	}
	id, err := submissionID(c.Submission, server.Base.String())
	if err != nil {
		return err
	}
	outcome, again, err := server.Status(ctx, id)
	if err == nil && c.Follow && !outcome.State.Settled() {
		outcome, err = server.Follow(ctx, id, again)
	}
	if refusal, ok := errors.AsType[*client.Error](err); ok && refusal.Status == http.StatusNotFound {
		return errors.New("no such submission: the id is wrong, of another server (see --server) or of another organisation (see --key)")
	}
	if err != nil {
		return explain(err, server.Base)
	}
	if s.json {
		if _, err := fmt.Fprintln(s.out, strings.TrimSpace(string(outcome.Body))); err != nil {
			return err
		}
	} else {
		printOutcome(s, outcome, again)
	}
	if outcome.State == referral.Rejected || outcome.State == referral.Cancelled {
		return errToldAlready
	}
	return nil
}

// submissionID returns the id in what the caller gave: the id itself, or a status URL of the server.
func submissionID(given, base string) (string, error) {
	if !strings.Contains(given, "/") {
		return given, nil
	}
	id := client.StatusID(given)
	switch {
	case id == "":
		return "", usageError{errors.New("a status URL ends in /fhir/_status/ and an id")}
	case given != strings.TrimSuffix(base, "/")+"/fhir/_status/"+id:
		// The key is sent to the server that the caller chose, and not to whatever a pasted URL names.
		return "", usageError{fmt.Errorf("the URL is not one of %s; say --server %s if you mean that server",
			base, strings.TrimSuffix(given, "/fhir/_status/"+id))}
	}
	return id, nil
}

func printOutcome(s *streams, o client.Outcome, again time.Duration) {
	switch o.State {
	case referral.Completed:
		fmt.Fprintf(s.out, "completed (%s): the server made %d resources\n", o.Status, len(o.Resources))
		for _, location := range o.Resources {
			fmt.Fprintln(s.out, " ", location)
		}
	case referral.Rejected:
		fmt.Fprintf(s.out, "rejected (%s): %s\n", o.Status, o.Issue)
	case referral.Cancelled:
		fmt.Fprintf(s.out, "cancelled (%s)\n", o.Status)
	default:
		fmt.Fprintf(s.out, "%s: %s\nAsk again in %v, or wait with --follow.\n", o.State, o.Progress, again)
	}
}
