package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/dlq"
	"github.com/ausbizconsulting/referral-fhir-server/shared/blob"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

type sweepCommand struct {
	queues
	claims
	reasoned
}

// sweepMargin is how much longer than the queue keeps a message its body is kept.
const sweepMargin = 24 * time.Hour

// Help is printed by sweep --help.
func (*sweepCommand) Help() string {
	return "Removes claimed bodies that are older than the queues keep a message, and a day, and whose submission has settled, or is not known: " +
		"then its sender was told of a failure, and no message went with it. Kept are those of quarantined submissions and of dead letters and, while there are " +
		"messages in the queue, of what is not known. After a restore of the store run referralctl reconcile --objects first: what has " +
		"settled since is not known. Of the archive below dead-letters/ nothing is removed. " + needsStore + "The login has to be a member of referral_query, too. " + lookingHides
}

// swept is what a sweep came to.
type swept struct {
	DryRun  bool  `json:"dryRun"`
	Settled int   `json:"settled"` // removed, or would be: of submissions that have settled
	Unknown int   `json:"unknown"` // and of none that is known
	Bytes   int64 `json:"bytes"`   // of both
	Young   int   `json:"young"`   // kept, since a message may still claim them
	Needed  int   `json:"needed"`  // kept for a submission that has not settled
	Others  int   `json:"others"`  // left alone: no claimed bodies
}

// Run sweeps.
func (c *sweepCommand) Run(ctx context.Context, s *streams) error {
	if err := c.check(); err != nil {
		return err
	}
	settings, q, err := c.deadLetters(ctx)
	if err != nil {
		return err
	}
	store, err := c.claims.open(settings)
	if err != nil {
		return err
	}
	if store == nil {
		return usageError{errors.New("where are claimed bodies? Set REFERRAL_BLOB_BUCKET or REFERRAL_BLOB_DIR")}
	}
	states, err := openSubmissions()
	if err != nil {
		return err
	}
	defer states.store.Close()
	b, err := c.broom(ctx, q, states, store)
	if err != nil {
		return err
	}
	done := swept{DryRun: !c.Yes}
	audit := func(context.Context) error { return nil }
	if c.Yes {
		operations, err := openOperations(false)
		if err != nil {
			return err
		}
		defer operations.store.Close()
		chosen := map[string]string{"claims": "before " + b.before.UTC().Format(time.RFC3339)}
		if err := operations.keep(ctx, "D", c.QueueURL, c.Reason, chosen); err != nil {
			return err
		}
		audit = func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second) // also when it is interrupted
			defer cancel()
			chosen["removed"], chosen["bytes"] = strconv.Itoa(done.Settled+done.Unknown), strconv.FormatInt(done.Bytes, 10)
			return operations.keep(ctx, "D", c.QueueURL, c.Reason, chosen)
		}
	}
	progress := newBar(s, 0)
	err = store.List(ctx, "", func(o blob.Object) error {
		remove, err := b.look(ctx, o, &done)
		if err != nil || !remove {
			return err
		}
		done.Bytes += o.Size
		progress.draw(0, fmt.Sprintf("%d to be removed", done.Settled+done.Unknown), false)
		if done.DryRun {
			return nil
		}
		return store.Delete(ctx, o.Key)
	})
	progress.clear()
	if err = errors.Join(err, audit(ctx)); err != nil {
		return unfinished(fmt.Sprintf("%d claimed bodies were removed", done.Settled+done.Unknown), err)
	}
	return done.print(s)
}

// broom knows what may be removed.
type broom struct {
	states  *submissions
	store   blob.Store
	before  time.Time       // what was kept later may be claimed by a message
	claimed map[string]bool // by dead letters
	waiting bool            // whether there are messages in the queue
}

func (c *sweepCommand) broom(ctx context.Context, q *dlq.Queue, states *submissions, store blob.Store) (*broom, error) {
	b := &broom{states: states, store: store, claimed: map[string]bool{}}
	var longest time.Duration
	for _, url := range []string{c.QueueURL, q.URL} {
		retention, err := retentionOf(ctx, q.Client, url)
		if err != nil {
			return nil, err
		}
		longest = max(longest, retention)
	}
	b.before = time.Now().Add(-longest - sweepMargin)
	ask := queueCommand{queues: c.queues}
	depth, _, err := ask.readDepth(ctx, q.Client, c.QueueURL)
	if err != nil {
		return nil, err
	}
	b.waiting = depth.Visible+depth.InFlight+depth.Delayed > 0
	_, err = q.Scan(ctx, dlq.Filter{}, 0, func(_ context.Context, letters []*dlq.Letter) error {
		for _, l := range letters {
			if l.Newer {
				return dlq.ErrNewer // it may claim a body
			}
			if l.Message != nil && l.Message.Claim != "" {
				b.claimed[l.Message.Claim] = true
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if depth, err = c.waiting(ctx, q); err == nil && depth.InFlight > 0 {
		err = fmt.Errorf("others have received %d dead letters, so that it cannot be told which bodies those claim; run it again when they are done", depth.InFlight)
	}
	return b, err
}

func retentionOf(ctx context.Context, client *sqs.Client, url string) (time.Duration, error) {
	const name = types.QueueAttributeNameMessageRetentionPeriod
	out, err := client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{name}})
	if err != nil {
		return 0, fmt.Errorf("ask %s: %w", url, err)
	}
	seconds, err := strconv.Atoi(out.Attributes[string(name)])
	if err != nil {
		return 0, fmt.Errorf("ask %s: %s is no number", url, name)
	}
	return time.Duration(seconds) * time.Second, nil
}

// look tells whether an object may be removed, and counts it.
func (b *broom) look(ctx context.Context, o blob.Object, done *swept) (remove bool, err error) {
	org, digest, err := queue.ParseClaim(o.Key)
	if err != nil || strings.HasPrefix(o.Key, dlq.Prefix) {
		done.Others++
		return false, nil //nolint:nilerr // a letter of the archive, or nothing of ours
	}
	if o.Modified.After(b.before) {
		done.Young++
		return false, nil
	}
	var state referral.State
	if digest != (referral.Digest{}) {
		if state, err = b.states.state(ctx, org, digest); err != nil {
			return false, err
		}
	}
	if b.claimed[o.Key] || state == referral.Quarantined || state == "" && b.waiting {
		done.Needed++
		return false, nil
	}
	renewed, err := b.renewed(ctx, o.Key)
	switch {
	case err != nil:
		return false, err
	case renewed:
		done.Young++
		return false, nil
	case state == "":
		done.Unknown++
	default:
		done.Settled++
	}
	return true, nil
}

// renewed tells whether a body has been kept again since it was listed: its sender has sent the request again, and a message
// may claim it by now.
func (b *broom) renewed(ctx context.Context, key string) (renewed bool, err error) {
	err = b.store.List(ctx, key, func(o blob.Object) error {
		renewed = renewed || o.Key == key && o.Modified.After(b.before)
		return nil
	})
	return renewed, err
}

func (d *swept) print(s *streams) error {
	if s.json {
		return s.printJSON(d)
	}
	what, end := "were removed", ""
	if d.DryRun {
		what, end = "would be removed", "\nNothing was changed. Do it with --yes and --reason."
	}
	_, err := fmt.Fprintf(s.out, "%d claimed bodies %s, %d bytes: %d of submissions that have settled, %d of none that is known. %d are kept since they are young, %d since they are needed.%s\n",
		d.Settled+d.Unknown, what, d.Bytes, d.Settled, d.Unknown, d.Young, d.Needed, end)
	return err
}
