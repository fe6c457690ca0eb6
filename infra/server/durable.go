package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
)

// checkDurable fails when the PostgreSQL of a database may lose what it has committed: what is answered with 202 and
// what has settled would rest on it. With the development clients, which serve this machine alone, it warns.
func (s *server) checkDurable(ctx context.Context, database postgres.Config) error {
	off, err := postgres.NotDurable(ctx, database)
	if err != nil || len(off) == 0 {
		return err
	}
	if s.settings.clients == principal.DevelopmentClients {
		s.log.Warn("PostgreSQL may lose what it has committed", slog.Any("off", off))
		return nil
	}
	return fmt.Errorf("PostgreSQL may lose what it has committed: switch on %s", strings.Join(off, ", "))
}
