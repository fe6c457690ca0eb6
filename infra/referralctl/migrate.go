package main

import (
	"context"
	"fmt"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
)

type migrateCommand struct{ storeFlags }

// Help is printed by migrate --help.
func (*migrateCommand) Help() string { return "It needs a login that owns the tables." }

// Run migrates.
func (m *migrateCommand) Run(ctx context.Context, s *streams) error {
	store, err := m.config(s)
	if err != nil {
		return err
	}
	applied, err := postgres.Migrate(ctx, store)
	if err != nil {
		return err
	}
	switch {
	case s.json:
		return s.printJSON(map[string]int{"applied": applied})
	case applied == 0:
		fmt.Fprintln(s.out, "The store is at its newest migration already.")
	default:
		fmt.Fprintf(s.out, "Applied %d migrations.\n", applied)
	}
	return nil
}
