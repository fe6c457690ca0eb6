package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
)

type migrateCommand struct {
	DatabaseURL string `env:"DATABASE_URL" placeholder:"URL" help:"The store, as the owner of its tables."`
}

// Run migrates.
func (m *migrateCommand) Run(ctx context.Context, s *streams) error {
	if m.DatabaseURL == "" {
		return usageError{errors.New("which database? Set DATABASE_URL or --database-url")}
	}
	applied, err := postgres.Migrate(ctx, m.DatabaseURL)
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
