package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/dlq"
	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/ledger"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

type reconcileCommand struct {
	queues
	archive
	Files   []string      `arg:"" optional:"" placeholder:"FILE" help:"Logs of the server or of the function ingest; none or -: standard input."`
	Objects bool          `help:"Hold what is in object storage against the store as well, or without FILE alone: claimed bodies and archived dead letters."`
	Grace   time.Duration `default:"15m" help:"What was accepted less long ago may be on its way."`
	Repair  bool          `help:"Send again what is missing and held in object storage. Without it nothing is changed."`
	Reason  string        `placeholder:"TEXT" help:"Why, for the audit: a ticket and a few words, never patient data. Needed with --repair."`
	Rate    int           `default:"100" placeholder:"N" help:"Messages a second at most, 1 to 500: ${default}."`
	Max     int           `default:"0" placeholder:"N" help:"Send so many again at most; 0, the default, means all."`
}

// Help is printed by reconcile --help.
func (*reconcileCommand) Help() string {
	return "Holds what was accepted against what the store has: each 202 has to have settled, or to be quarantined. Of the log it " +
		"reads the lines of accepted requests; text before the JSON of a line, as CloudWatch exports it, is no matter. What is missing is " +
		"looked for in the dead-letter queue (where REFERRAL_QUEUE_URL is set), in the archive of dead letters and among claimed bodies; it may also wait in the " +
		"queue, behind an outage. --repair sends what object storage holds again, as it was: what has settled meanwhile does not settle twice, and after " +
		"an interruption the same command goes on. What nothing holds its sender has to send again. Exit status 1: something is missing, or lines of the log are. It needs the store, by DATABASE_URL or " +
		"REFERRAL_DATABASE_SECRET, a login that is a member of referral_query, with --repair of referral_processor too, and the keys as the " +
		"functions have them. A body is kept before its message is sent: with --objects, one whose sender was told of a failure is missing, too."
}

// accepted is a submission of the ledger.
type accepted struct {
	ID         string    `json:"id"`
	Org        string    `json:"org"`
	RequestID  string    `json:"requestId"`
	AcceptedAt time.Time `json:"acceptedAt"` // of a claimed body, until it is looked into, when it was kept
	// Held says where it is: deadLetters, archived, claimed, or empty: nowhere.
	Held        string `json:"held,omitempty"`
	Quarantined bool   `json:"quarantined,omitempty"` // the store says so, and it is not in the dead-letter queue
	digest      referral.Digest
}

func (a *accepted) name() ledger.Name { return ledger.Name{Org: a.Org, Digest: a.digest} }

// describe takes from the message what a claimed body's key does not tell.
func (a *accepted) describe(l *dlq.Letter) {
	a.ID, a.RequestID, a.AcceptedAt = l.ID(), l.Message.RequestID, l.Since()
}

// reconciled is what became of what was accepted.
type reconciled struct {
	Accepted    int         `json:"accepted"` // each submission once, however often it was sent
	Completed   int         `json:"completed"`
	Rejected    int         `json:"rejected"`
	Cancelled   int         `json:"cancelled"`
	Quarantined int         `json:"quarantined"`
	Waiting     int         `json:"waiting"`         // accepted within the time of grace
	Foreign     int         `json:"foreign"`         // ids that these keys have not made
	Dropped     int         `json:"dropped"`         // lines that the log says it lacks: what they told is not known
	Queue       *queueDepth `json:"queue,omitempty"` // where something is missing: what is missing may be in it
	Repaired    int         `json:"repaired"`        // sent again
	Missing     []*accepted `json:"missing"`

	quarantined []*accepted
}

// Run reconciles.
func (c *reconcileCommand) Run(ctx context.Context, s *streams) error {
	if c.Repair && strings.TrimSpace(c.Reason) == "" {
		return usageError{errors.New("why? --repair needs --reason, which is kept in the audit")}
	}
	if err := checkRate(c.Rate); err != nil {
		return err
	}
	states, err := openSubmissions()
	if err != nil {
		return err
	}
	defer states.store.Close()
	found, err := c.openHolders(ctx, states.keys)
	if err != nil {
		return err
	}
	r := reconciled{Missing: []*accepted{}}
	all, err := c.ledger(ctx, s, &r, found)
	if err != nil {
		return err
	}
	b := newBar(s, len(all))
	for some := range slices.Chunk(all, 1000) {
		if err := r.add(ctx, states.store, some, c.Grace); err != nil {
			b.clear()
			return err
		}
		b.draw(r.Accepted, fmt.Sprintf("%d missing", len(r.Missing)), r.Accepted == len(all))
	}
	b.clear()
	if err := r.locate(ctx, found); err != nil {
		return err
	}
	var failure error
	if c.Repair {
		failure = c.repair(ctx, s, &r, found)
	}
	if err := r.print(s); err != nil || failure != nil {
		return errors.Join(failure, err)
	}
	if len(r.Missing) > r.Repaired || r.Dropped > 0 {
		return errToldAlready
	}
	return nil
}

// ledger returns what was accepted, each submission once.
func (c *reconcileCommand) ledger(ctx context.Context, s *streams, r *reconciled, found *holders) (all []*accepted, err error) {
	known := map[ledger.Name]*accepted{}
	take := func(a accepted) {
		if known[a.name()] == nil {
			known[a.name()] = &a
			all = append(all, &a)
		}
	}
	r.Dropped, err = c.read(s.in, func(e *ledger.Entry) {
		claimed, err := found.keys.Verify(e.Org, e.ID)
		if err != nil {
			r.Foreign++
			return
		}
		take(accepted{ID: e.ID, Org: e.Org, RequestID: e.RequestID, AcceptedAt: claimed.AcceptedAt, digest: claimed.Digest})
	})
	if err != nil {
		return nil, err
	}
	return all, found.list(ctx, func(a accepted) {
		if c.Objects {
			take(a)
		}
	})
}

// add looks up what became of submissions.
func (r *reconciled) add(ctx context.Context, store *postgres.DB, all []*accepted, grace time.Duration) error {
	names := make([]ledger.Name, len(all))
	for i, a := range all {
		names[i] = a.name()
	}
	states, err := ledger.States(ctx, store, names)
	if err != nil {
		return err
	}
	for _, a := range all {
		r.Accepted++
		switch state := states[a.name()]; {
		case state == "" && time.Since(a.AcceptedAt) < grace:
			r.Waiting++
		case state == "":
			r.Missing = append(r.Missing, a)
		case state == referral.Completed:
			r.Completed++
		case state == referral.Rejected:
			r.Rejected++
		case state == referral.Cancelled:
			r.Cancelled++
		default:
			r.Quarantined++
			r.quarantined = append(r.quarantined, a)
		}
	}
	return nil
}

func (r *reconciled) print(s *streams) error {
	if s.json {
		return s.printJSON(r)
	}
	const row = "%-24s  %-16s  %-24s  %-11s  %s\n"
	held := map[string]int{}
	for i, a := range r.Missing {
		if i == 0 {
			fmt.Fprintf(s.out, row, "accepted", "from", "request", "held", "missing")
		}
		held[a.Held]++
		fmt.Fprintf(s.out, row, a.AcceptedAt.UTC().Format("2006-01-02T15:04:05.000Z"), a.Org, clip(dash(a.RequestID), 24), dash(a.Held), a.ID)
	}
	text := fmt.Sprintf("%d accepted: %d completed, %d rejected, %d cancelled, %d quarantined, %d on their way, %d missing",
		r.Accepted, r.Completed, r.Rejected, r.Cancelled, r.Quarantined, r.Waiting, len(r.Missing))
	if r.Foreign > 0 {
		text += fmt.Sprintf("; %d ids are not of these keys", r.Foreign)
	}
	fmt.Fprintln(s.out, text+".")
	if r.Dropped > 0 {
		fmt.Fprintf(s.out, "%d lines of the log are missing, since standard error did not take them in time: what they told is not known.\n", r.Dropped)
	}
	if q := r.Queue; q != nil && q.Visible+q.InFlight+q.Delayed > 0 {
		fmt.Fprintf(s.out, "The queue has %d messages, which may be among them: look again when it is empty.\n", q.Visible+q.InFlight+q.Delayed)
	}
	if n := held[heldDead]; n > 0 {
		fmt.Fprintf(s.out, "%d in the dead-letter queue (deadLetters): referralctl dlq replay.\n", n)
	}
	switch n := held[heldArchived] + held[heldClaimed]; {
	case r.Repaired > 0:
		fmt.Fprintf(s.out, "%d were sent again, %d are left to be: look again when the queue is empty.\n", r.Repaired, n-r.Repaired)
	case n > 0:
		fmt.Fprintf(s.out, "%d in object storage (archived, claimed): the same command with --repair and --reason sends them again.\n", n)
	}
	if n := held[""]; n > 0 {
		fmt.Fprintf(s.out, "%d nowhere that was looked: ask each sender to send that request again, with the same Idempotency-Key or the same Bundle; "+
			"it settles as the same submission. A request that had neither has to be sent as a new one.\n", n)
	}
	return nil
}
