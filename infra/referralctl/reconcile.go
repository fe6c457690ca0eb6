package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/awslambda"
	"github.com/ausbizconsulting/referral-fhir-server/shared/env"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

type reconcileCommand struct {
	Files []string      `arg:"" optional:"" placeholder:"FILE" help:"Logs of the server or of the function ingest; none or -: standard input."`
	Grace time.Duration `default:"15m" help:"What was accepted less long ago may be on its way."`
}

// Help is printed by reconcile --help.
func (*reconcileCommand) Help() string {
	return "Holds what the log says was accepted against what the store has: each 202 has to have settled, or to be quarantined. Of the log it " +
		"reads the lines of accepted requests; text before the JSON of a line, as CloudWatch exports it, is no matter. Exit status 1: something " +
		"is missing. That may wait in the queue, behind an outage (referralctl queue), or in the dead-letter queue or its archive: referralctl dlq list " +
		"and replay. After a restore of the store to an earlier time, what settled since is missing, and a replay of the archive or the sender's " +
		"repetition settles it under the same id. It needs the store, by DATABASE_URL or REFERRAL_DATABASE_SECRET, a login that is a member of " +
		"referral_query, and the keys as the functions have them."
}

// accepted is a submission of the log.
type accepted struct {
	ID         string    `json:"id"`
	Org        string    `json:"org"`
	RequestID  string    `json:"requestId"`
	AcceptedAt time.Time `json:"acceptedAt"`
	digest     referral.Digest
}

// reconciled is what became of what was accepted.
type reconciled struct {
	Accepted    int        `json:"accepted"` // each submission once, however often it was sent
	Completed   int        `json:"completed"`
	Rejected    int        `json:"rejected"`
	Cancelled   int        `json:"cancelled"`
	Quarantined int        `json:"quarantined"`
	Waiting     int        `json:"waiting"` // accepted within the time of grace
	Foreign     int        `json:"foreign"` // ids that these keys have not made
	Missing     []accepted `json:"missing"`
}

// Run reconciles.
func (c *reconcileCommand) Run(ctx context.Context, s *streams) error {
	v := env.Read(os.LookupEnv)
	db, keys := awslambda.Store(v, postgres.RoleQuery), awslambda.Keys(v)
	if db != nil {
		defer db.Close()
	}
	if err := v.Err(); err != nil {
		return usageError{fmt.Errorf("%w; %s", err, useRunningStack)}
	}
	r := reconciled{Missing: []accepted{}}
	var all []accepted
	known := map[string]bool{}
	take := func(a accepted) {
		claimed, err := keys.Verify(a.Org, a.ID)
		if err != nil {
			r.Foreign++
			return
		}
		if name := a.Org + " " + string(claimed.Digest[:]); !known[name] {
			known[name] = true
			a.AcceptedAt, a.digest = claimed.AcceptedAt, claimed.Digest
			all = append(all, a)
		}
	}
	if err := c.read(s.in, take); err != nil {
		return err
	}
	b := newBar(s, len(all))
	for i, a := range all {
		if err := r.add(ctx, db, a, c.Grace); err != nil {
			b.clear()
			return err
		}
		b.draw(i+1, fmt.Sprintf("%d missing", len(r.Missing)), i+1 == len(all))
	}
	b.clear()
	if err := r.print(s); err != nil {
		return err
	}
	if len(r.Missing) > 0 {
		return errToldAlready
	}
	return nil
}

// add looks up what became of a submission.
func (r *reconciled) add(ctx context.Context, db *postgres.DB, a accepted, grace time.Duration) error {
	r.Accepted++
	submission, found, err := db.Submission(ctx, a.Org, a.digest)
	switch {
	case err != nil:
		return err
	case !found && time.Since(a.AcceptedAt) < grace:
		r.Waiting++
	case !found:
		r.Missing = append(r.Missing, a)
	case submission.State == referral.Completed:
		r.Completed++
	case submission.State == referral.Rejected:
		r.Rejected++
	case submission.State == referral.Cancelled:
		r.Cancelled++
	default:
		r.Quarantined++
	}
	return nil
}

func (r *reconciled) print(s *streams) error {
	if s.json {
		return s.printJSON(r)
	}
	for i, a := range r.Missing {
		if i == 0 {
			fmt.Fprintf(s.out, "%-24s  %-16s  %-24s  %s\n", "accepted", "from", "request", "missing")
		}
		fmt.Fprintf(s.out, "%-24s  %-16s  %-24s  %s\n", a.AcceptedAt.UTC().Format("2006-01-02T15:04:05.000Z"), a.Org, clip(a.RequestID, 24), a.ID)
	}
	text := fmt.Sprintf("%d accepted: %d completed, %d rejected, %d cancelled, %d quarantined, %d on their way, %d missing",
		r.Accepted, r.Completed, r.Rejected, r.Cancelled, r.Quarantined, r.Waiting, len(r.Missing))
	if r.Foreign > 0 {
		text += fmt.Sprintf("; %d ids are not of these keys", r.Foreign)
	}
	_, err := fmt.Fprintln(s.out, text+".")
	return err
}

// read calls take with each accepted request of the files.
func (c *reconcileCommand) read(stdin io.Reader, take func(accepted)) error {
	files := c.Files
	if len(files) == 0 {
		files = []string{"-"}
	}
	for _, name := range files {
		if name == "-" {
			if err := readLog(stdin, take); err != nil {
				return fmt.Errorf("standard input: %w", err)
			}
			continue
		}
		file, err := os.Open(name)
		if err != nil {
			return usageError{err}
		}
		err = readLog(file, take)
		if err := errors.Join(err, file.Close()); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// maxLine is how long a line of a log may be.
const maxLine = 1 << 20

func readLog(r io.Reader, take func(accepted)) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		start := bytes.IndexByte(lines.Bytes(), '{')
		if start < 0 {
			continue
		}
		var line struct {
			Msg, Route, Org, Submission, RequestID string
			Status                                 int
		}
		isWrite := func() bool {
			return !strings.HasPrefix(line.Route, "GET ") && !strings.Contains(line.Route, "/_status/")
		}
		if json.Unmarshal(lines.Bytes()[start:], &line) == nil && line.Msg == "request" && line.Status/100 == 2 && line.Submission != "" && isWrite() {
			take(accepted{ID: line.Submission, Org: line.Org, RequestID: line.RequestID})
		}
	}
	return lines.Err()
}
