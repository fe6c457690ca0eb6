package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/submit"
)

type submitCommand struct {
	connection
	Files       []string      `arg:"" name:"file" help:"Files, directories, or - for standard input." type:"path"`
	Concurrency int           `default:"8" placeholder:"N" help:"How many Bundles to post at once: ${default}."`
	Follow      bool          `default:"true" negatable:"" help:"Follow each submission until it has settled; --no-follow ends with the 202."`
	FollowFor   time.Duration `default:"10m" placeholder:"TIME" help:"How long to follow one submission: ${default}."`
	State       string        `placeholder:"FILE" type:"path" help:"Remember here what was sent, so that the same command goes on where it stopped."`
}

// Help is printed by submit --help.
func (*submitCommand) Help() string {
	return "A file holds one Bundle; one that ends in .ndjson, and standard input, hold one after another. Each is sent " +
		"with an Idempotency-Key made of its content: what is lost on the way is sent again and settles once, and the same " +
		"content is the same submission. With --json it prints a line for each Bundle and one with the summary. " +
		"Exit status 1 when a Bundle was rejected, cancelled, failed or did not settle in time."
}

// maxConcurrency keeps a typing error from opening a million connections.
const maxConcurrency = 256

// Run submits.
func (c *submitCommand) Run(ctx context.Context, s *streams) (err error) {
	if c.Concurrency < 1 || c.Concurrency > maxConcurrency {
		return usageError{fmt.Errorf("--concurrency is 1 to %d", maxConcurrency)}
	}
	server, err := c.open()
	if err != nil {
		return err
	}
	inputs, err := submit.Open(c.Files, s.in)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return usageError{err}
		}
		return err
	}
	config := submit.Config{Client: server, Documents: inputs.All(), Concurrency: c.Concurrency}
	if c.Follow {
		config.Follow = c.FollowFor
	}
	if c.State != "" {
		if config.State, err = submit.OpenState(c.State); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, config.State.Close()) }()
	}
	progress := newProgress(s, inputs.Total())
	config.Report = progress.report
	summary, err := submit.Run(ctx, config)
	progress.end(summary)
	if err != nil {
		if err = explain(err, server.Base); ctx.Err() != nil {
			err = errors.New("interrupted")
		}
		if c.State != "" {
			err = fmt.Errorf("%w\nThe same command goes on where this one stopped", err)
		}
		return err
	}
	if c.Follow && summary.Completed < summary.Documents || summary.Rejected+summary.Cancelled+summary.Failed > 0 {
		return errToldAlready
	}
	return nil
}
