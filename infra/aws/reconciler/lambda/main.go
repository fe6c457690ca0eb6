// Command lambda holds what ingest accepted, by its log, against what has settled, as referralctl reconcile does, as an AWS
// Lambda function on a schedule: no poll of a sender and no alarm of the queue tells of a message that the queue has lost.
//
// It promises that an invocation that succeeds has looked up every submission that the log says was accepted in the hours
// before, but for the newest quarter of an hour, and has written to its log how many have neither settled nor are
// quarantined, and which; where the log says that lines of it were dropped, it fails. It changes nothing.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/ledger"
	"github.com/ausbizconsulting/referral-fhir-server/shared/awslambda"
	"github.com/ausbizconsulting/referral-fhir-server/shared/env"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/telemetry"
)

func main() { awslambda.Main("reconciler", start) }

const (
	// grace is for what was just accepted: it may be on its way.
	grace = 15 * time.Minute
	// named is how many of the overdue have a line of their own.
	named = 100
)

func start(ctx context.Context, v *env.Settings) (any, error) {
	r, err := open(ctx, v, os.Stderr)
	return r.reconcile, err
}

func open(ctx context.Context, v *env.Settings, log io.Writer) (reconciler, error) {
	r := reconciler{group: v.String("REFERRAL_INGEST_LOG", ""), log: awslambda.Log(v, log), now: time.Now}
	v.Require("REFERRAL_INGEST_LOG")
	r.store, r.keys = awslambda.Store(v, awslambda.AWS, postgres.RoleQuery), awslambda.Keys(v, awslambda.AWS)
	if err := v.Err(); err != nil {
		return reconciler{}, err
	}
	aws, err := awslambda.AWS(ctx)
	if err != nil {
		return reconciler{}, err
	}
	r.logs = cloudwatchlogs.NewFromConfig(aws)
	return r, nil
}

type reconciler struct {
	logs  *cloudwatchlogs.Client
	group string // of ingest's log
	store *postgres.DB
	keys  *referral.Keys
	log   *slog.Logger
	now   func() time.Time
}

// event is what the schedule says.
type event struct {
	Hours int `json:"hours"` // to look back; 0 is 1
}

// sums are those of one invocation.
type sums struct {
	accepted int // lines
	foreign  int // of them, with ids that these keys have not made
	dropped  int // lines that the log says it lacks
	overdue  map[ledger.Name]bool
}

func (r reconciler) reconcile(ctx context.Context, e event) error {
	end := r.now().Add(-grace)
	filter := fmt.Sprintf(`{ ($.msg = "request" && $.status < 300) || ($.msg = %q) }`, telemetry.LinesDropped)
	from, until := end.Add(-time.Duration(max(1, e.Hours))*time.Hour).UnixMilli(), end.UnixMilli()
	pages := cloudwatchlogs.NewFilterLogEventsPaginator(r.logs, &cloudwatchlogs.FilterLogEventsInput{
		LogGroupName: &r.group, FilterPattern: &filter, StartTime: &from, EndTime: &until,
	})
	s := sums{overdue: map[ledger.Name]bool{}}
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("read the log of ingest after %d lines: %w", s.accepted, err)
		}
		var entries []ledger.Entry
		for _, line := range page.Events {
			if line.Message == nil {
				continue
			}
			entry, dropped := ledger.Parse([]byte(*line.Message))
			if s.dropped += dropped; entry != nil {
				entries = append(entries, *entry)
			}
		}
		if err := r.add(ctx, &s, entries); err != nil {
			return fmt.Errorf("look up what became of submissions, after %d: %w", s.accepted, err)
		}
	}
	r.log.LogAttrs(ctx, slog.LevelInfo, "reconciled", slog.Int("overdue", len(s.overdue)), slog.Int("accepted", s.accepted),
		slog.Time("from", time.UnixMilli(from)), slog.Time("until", time.UnixMilli(until)))
	if s.dropped > 0 {
		return fmt.Errorf("the log of ingest lacks %d lines, and what was accepted by them is not known", s.dropped)
	}
	if s.foreign > 0 {
		return fmt.Errorf("%d of %d accepted submissions have ids that are not of these keys: nobody knows what became of them", s.foreign, s.accepted)
	}
	return nil
}

// add looks up what became of submissions.
func (r reconciler) add(ctx context.Context, s *sums, entries []ledger.Entry) error {
	s.accepted += len(entries)
	said := map[ledger.Name]ledger.Entry{}
	for _, e := range entries {
		submission, err := r.keys.Verify(e.Org, e.ID)
		if err != nil {
			s.foreign++
			continue
		}
		said[ledger.Name{Org: e.Org, Digest: submission.Digest}] = e
	}
	states, err := ledger.States(ctx, r.store, slices.Collect(maps.Keys(said)))
	if err != nil {
		return err
	}
	for name, e := range said {
		if states[name] != "" || s.overdue[name] {
			continue
		}
		s.overdue[name] = true
		if len(s.overdue) <= named {
			r.log.LogAttrs(ctx, slog.LevelError, "overdue", slog.String("submission", e.ID), slog.String("org", e.Org), slog.String("requestId", e.RequestID))
		}
	}
	return nil
}
