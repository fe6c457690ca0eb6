package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
)

type reindexCommand struct {
	storeFlags
	After int64 `placeholder:"VID" help:"Go on from where an earlier run was ended: the number that it printed."`
}

// Help is printed by reindex --help.
func (*reindexCommand) Help() string { return "It needs a login that is a member of referral_reindex." }

// Run reindexes.
func (r *reindexCommand) Run(ctx context.Context, s *streams) error {
	store, err := r.config(s)
	if err != nil {
		return err
	}
	b := newBar(s, 0)
	reached := postgres.Reindexed{VID: r.After}
	err = postgres.Reindex(ctx, store, r.After, func(now postgres.Reindexed) {
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
