package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/dlq"
)

// group is dead letters of one kind, as a dry run sums them up.
type group struct {
	Org     string    `json:"org"`
	Type    string    `json:"type"`
	Class   string    `json:"class"`
	Code    string    `json:"code"`
	Letters int       `json:"letters"`
	Oldest  time.Time `json:"oldest"`
}

// groups sums up letters, the oldest first; the most numerous group comes first.
func groups(letters []letter) []group {
	all := []group{}
	for _, l := range letters {
		i := slices.IndexFunc(all, func(g group) bool {
			return g.Org == l.Org && g.Type == l.Type && g.Class == l.Class && g.Code == l.Code
		})
		if i < 0 {
			i = len(all)
			all = append(all, group{l.Org, l.Type, l.Class, l.Code, 0, l.AcceptedAt})
		}
		all[i].Letters++
	}
	slices.SortStableFunc(all, func(a, b group) int { return cmp.Compare(b.Letters, a.Letters) })
	return all
}

// dryRun says which letters would be meant.
func dryRun(ctx context.Context, s *streams, q *dlq.Queue, f dlq.Filter, limit int, what string) error {
	letters, err := look(ctx, s, q, f, limit)
	if err != nil {
		return err
	}
	all := groups(letters)
	if s.json {
		return s.printJSON(map[string]any{"dryRun": true, "letters": len(letters), "groups": all})
	}
	fmt.Fprintf(s.out, "%d dead letters would be %s.\n", len(letters), what)
	for _, g := range all {
		fmt.Fprintf(s.out, "%8d  organisation %s, type %s, class %s, code %s; the oldest is %s old\n",
			g.Letters, text(g.Org), text(g.Type), text(g.Class), text(g.Code), age(g.Oldest))
	}
	_, err = fmt.Fprintln(s.out, "Nothing was changed. Do it with --yes and --reason.")
	return err
}

type replayLettersCommand struct {
	queues
	chosen
	reasoned
	Rate int `default:"100" placeholder:"N" help:"Letters a second at most, 1 to 500: ${default}."`
}

// Help is printed by dlq replay --help.
func (*replayLettersCommand) Help() string {
	return "Letters go to the queue as they are, and what has settled meanwhile does not settle twice. Where all are meant SQS itself moves " +
		"those that are visible (StartMessageMoveTask, to the queue of --queue-url); else each is received, sent and then deleted, in that " +
		"order. Interrupted, it says how far it came, and the same command goes on. " + needsStore + lookingHides
}

// Run replays.
func (c *replayLettersCommand) Run(ctx context.Context, s *streams) error {
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
	_, q, err := c.deadLetters(ctx)
	if err != nil {
		return err
	}
	if !c.Yes {
		return dryRun(ctx, s, q, filter, c.Max, "sent to "+path.Base(c.QueueURL)+" again")
	}
	operations, err := openOperations(false)
	if err != nil {
		return err
	}
	defer operations.store.Close()
	if err := operations.keep(ctx, "E", q.URL, c.Reason, c.Filter); err != nil {
		return err
	}
	progress := newBar(s, c.Max)
	var sent int
	if c.all() {
		sent, err = q.Move(ctx, c.QueueURL, c.Rate, func(moved, of int) {
			progress.total = of
			progress.draw(moved, "sent again", moved == of)
		})
	} else {
		sent, err = q.Replay(ctx, dlq.Replay{To: c.QueueURL, Filter: filter, Limit: c.Max, Rate: c.Rate, Sent: func(n int) {
			progress.draw(n, fmt.Sprintf("%d sent again", n), false)
		}})
	}
	progress.clear()
	s.audit(ctx, "dlq replay", q.URL, c.Reason, c.Filter, sent, err)
	if err != nil {
		return unfinished(fmt.Sprintf("%d dead letters were sent to %s again", sent, path.Base(c.QueueURL)), err)
	}
	depth, err := c.waiting(ctx, q)
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(map[string]int{"replayed": sent, "visible": depth.Visible, "inFlight": depth.InFlight})
	}
	_, err = fmt.Fprintf(s.out, "Sent %d dead letters to %s again; %d are left, %d of them received by others.\n",
		sent, path.Base(c.QueueURL), depth.Visible+depth.InFlight, depth.InFlight)
	return err
}

// unfinished is the error of what has ended before its time.
func unfinished(done string, err error) error {
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("interrupted: %s. The same command goes on", done)
	}
	return fmt.Errorf("%s before this, and the same command goes on: %w", done, err)
}

type discardLettersCommand struct {
	queues
	chosen
	reasoned
	archive
}

// Help is printed by dlq discard --help.
func (*discardLettersCommand) Help() string {
	return "A submission whose letter is discarded settles as rejected, and its sender is told that an operator has ended it. Each letter is " +
		"archived and read back before that, and then deleted. " + needsStore + "The keys REFERRAL_KD and REFERRAL_KM, or REFERRAL_KEYS_SECRET, " +
		"tell whose a letter is: what ingest did not accept ends nobody's submission. " + lookingHides
}

// Run discards.
func (c *discardLettersCommand) Run(ctx context.Context, s *streams) error {
	filter, err := c.filter()
	if err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return err
	}
	if c.Yes && c.all() {
		return usageError{errors.New("which? --yes needs --filter or --max: nobody means to discard every dead letter")}
	}
	settings, q, err := c.deadLetters(ctx)
	if err != nil {
		return err
	}
	if !c.Yes {
		return dryRun(ctx, s, q, filter, c.Max, "archived and deleted")
	}
	to, err := c.archive.open(settings)
	if err != nil {
		return err
	}
	operations, err := openOperations(true)
	if err != nil {
		return err
	}
	defer operations.store.Close()
	if err := operations.keep(ctx, "D", q.URL, c.Reason, c.Filter); err != nil {
		return err
	}
	kept := keeping{s: s, bar: newBar(s, c.Max)}
	err = q.Discard(ctx, filter, c.Max, to, operations.end, kept.one)
	return kept.end(ctx, "dlq discard", "discarded", q.URL, c.Reason, c.Filter, err)
}

type archiveLettersCommand struct {
	queues
	chosen
	archive
	Reason string `placeholder:"TEXT" help:"Why, for the audit."`
}

// Help is printed by dlq archive --help.
func (*archiveLettersCommand) Help() string {
	return "An object dead-letters/<organisation>/<submission>/<hash> holds all that it takes to send the letter again, and one beside " +
		"it the body that it claims. Each is read back. The letters stay in the queue; archiving again changes nothing. SQS deletes a " +
		"message 14 days after it was first sent, also from a dead-letter queue: run this every day. " + lookingHides
}

// Run archives.
func (c *archiveLettersCommand) Run(ctx context.Context, s *streams) error {
	filter, err := c.filter()
	if err != nil {
		return err
	}
	settings, q, err := c.deadLetters(ctx)
	if err != nil {
		return err
	}
	to, err := c.archive.open(settings)
	if err != nil {
		return err
	}
	kept := keeping{s: s, bar: newBar(s, c.Max)}
	err = q.Archive(ctx, filter, c.Max, to, kept.one)
	return kept.end(ctx, "dlq archive", "archived", q.URL, c.Reason, c.Filter, err)
}

// keeping is an archiving under way.
type keeping struct {
	s    *streams
	bar  bar
	kept []dlq.Archived
	lost int // claims
}

func (k *keeping) one(a dlq.Archived) {
	k.kept = append(k.kept, a)
	if a.LostClaim {
		k.lost++
	}
	k.bar.draw(len(k.kept), fmt.Sprintf("%d archived", len(k.kept)), false)
}

// end tells, and audits, what was done.
func (k *keeping) end(ctx context.Context, action, done, queueURL, reason string, chosen map[string]string, failure error) error {
	k.bar.clear()
	k.s.audit(ctx, action, queueURL, reason, chosen, len(k.kept), failure)
	if failure != nil {
		return unfinished(fmt.Sprintf("%d dead letters were archived", len(k.kept)), failure)
	}
	if k.s.json {
		return k.s.printJSON(map[string]any{done: len(k.kept), "lostClaims": k.lost, "objects": k.kept})
	}
	text := fmt.Sprintf("%d dead letters were %s.", len(k.kept), done)
	if k.lost > 0 {
		text += fmt.Sprintf(" Of %d the body was not where claim checks are kept.", k.lost)
	}
	_, err := fmt.Fprintln(k.s.out, text)
	return err
}
