package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
)

type reindexCommand struct {
	DatabaseURL string `env:"DATABASE_URL" placeholder:"URL" help:"The store, as a login that is a member of referral_reindex."`
	After       int64  `placeholder:"VID" help:"Go on from where an earlier run was ended: the number that it printed."`
}

// Run reindexes.
func (r *reindexCommand) Run(ctx context.Context, s *streams) error {
	if r.DatabaseURL == "" {
		return usageError{errors.New("which database? Set DATABASE_URL or --database-url")}
	}
	b := newBar(s, 0)
	reached := postgres.Reindexed{VID: r.After}
	err := postgres.Reindex(ctx, r.DatabaseURL, r.After, func(now postgres.Reindexed) {
		reached, b.total = now, now.Total
		b.draw(now.Done, fmt.Sprintf("%d keys added", now.Keys), now.Done == now.Total)
	})
	b.clear()
	if s.json {
		return errors.Join(err, s.printJSON(reached))
	}
	if err != nil {
		fmt.Fprintf(s.err, "Ended after %d of %d resources; go on with --after %d.\n", reached.Done, reached.Total, reached.VID)
		return err
	}
	_, err = fmt.Fprintf(s.out, "Indexed %d resources; %d keys were missing.\n", reached.Done, reached.Keys)
	return err
}
