// Command referralctl is the operator's command. So far it brings the store to its newest migration.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
)

type commands struct {
	Migrate migrate `cmd:"" help:"Bring the store to its newest migration. Safe while servers run, and to repeat."`
}

type migrate struct {
	DatabaseURL string `env:"DATABASE_URL" placeholder:"URL" help:"The store, as the owner of its tables."`
}

// Run migrates.
func (m *migrate) Run(ctx context.Context) error {
	if m.DatabaseURL == "" {
		return errors.New("which database? Set DATABASE_URL or --database-url")
	}
	applied, err := postgres.Migrate(ctx, m.DatabaseURL)
	if err != nil {
		return err
	}
	if applied == 0 {
		fmt.Println("The store is at its newest migration already.")
		return nil
	}
	fmt.Printf("Applied %d migrations.\n", applied)
	return nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	command := kong.Parse(&commands{}, kong.Name("referralctl"), kong.UsageOnError(),
		kong.Description("Operate the Referral FHIR Server."), kong.BindTo(ctx, (*context.Context)(nil)))
	command.FatalIfErrorf(command.Run())
}
