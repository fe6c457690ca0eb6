package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// A commit that was answered must outlive the machine (PostgreSQL 15 §20.5, Write Ahead Log). synchronous_commit may be
// set for the server, a database or a login; all its other values wait for the disk.
const durabilitySQL = `select coalesce(array_agg(name order by name), '{}') from pg_settings
	where name in ('fsync', 'full_page_writes', 'synchronous_commit') and setting = 'off'`

// NotDurable connects to the database by the URL and BeforeConnect of c, and returns the names of the settings with which
// its server may lose what it has committed; none: it is durable, for this login, as far as PostgreSQL knows.
func NotDurable(ctx context.Context, c Config) (settings []string, err error) {
	err = c.ask(ctx, "read whether commits are durable", func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, durabilitySQL, pgx.QueryExecModeExec).Scan(&settings)
	})
	return settings, err
}
