package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"path"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrate brings the database, by the URL and BeforeConnect of c, to the newest migration and returns how many it applied. It
// needs the rights of the tables' owner. Several may run at once: a session lock lets one work and the others find it done.
// ErrUnavailable says that calling it again may help; any other error that something is wrong with the database or a
// migration. It names the migration's file and the SQLSTATE, without PostgreSQL's own words, which may quote rows. The
// URL is one that CheckURL takes.
func Migrate(ctx context.Context, c Config) (applied int, err error) {
	if err := c.check(); err != nil {
		return 0, fmt.Errorf("migrate: %w", err)
	}
	config, err := pgx.ParseConfig(c.URL)
	if err != nil {
		return 0, errors.New("migrate: the database URL cannot be parsed")
	}
	config.ConnectTimeout = connectTimeout
	config.RuntimeParams["lock_timeout"] = "1s"
	db := stdlib.OpenDB(*config, stdlib.OptionBeforeConnect(c.beforeMigrating))
	defer db.Close()
	if _, err := again(func() (struct{}, error) { return struct{}{}, db.PingContext(ctx) }); err != nil {
		return 0, migrateError(err)
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return 0, err
	}
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return 0, fmt.Errorf("migrate: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithSessionLocker(locker))
	if err != nil {
		return 0, fmt.Errorf("migrate: %w", err)
	}
	for try := 1; ; try++ {
		results, err := provider.Up(ctx)
		applied += len(results)
		if err == nil {
			return applied, nil
		}
		if pg, ok := errors.AsType[*pgconn.PgError](err); !ok || pg.Code != lockNotAvailable || try == maxMigrateTries {
			return applied, migrateError(err)
		}
		select {
		case <-time.After(migratePause):
		case <-ctx.Done():
			return applied, migrateError(ctx.Err())
		}
	}
}

// beforeMigrating is BeforeConnect, whose errors say nothing of the database.
func (c Config) beforeMigrating(ctx context.Context, config *pgx.ConnConfig) error {
	if c.BeforeConnect == nil {
		return nil
	}
	if err := c.BeforeConnect(ctx, config); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}

// A migration that waits for a table holds up all who come behind it. So it waits for no longer than lock_timeout, which is less than
// theirs, lets them by for migratePause, and tries again: a minute and a half in all.
const (
	lockNotAvailable = "55P03" // PostgreSQL errcodes-appendix.html
	migratePause     = 2 * time.Second
	maxMigrateTries  = 30
)

func migrateError(err error) error {
	operation := "migrate"
	if partial, ok := errors.AsType[*goose.PartialError](err); ok {
		operation += " " + path.Base(partial.Failed.Source.Path)
	}
	pg, refused := errors.AsType[*pgconn.PgError](err)
	switch {
	case refused && strings.HasPrefix(pg.Code, "42"):
		// To a reader a missing table says that the store is not there yet; here that a migration is wrong.
		return errors.New(reduce(operation, err).Error())
	case refused, lostConnection(err), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return reduce(operation, err)
	}
	return fmt.Errorf("%s: %w", operation, err) // goose's own, which knows no rows
}

// lostConnection tells whether err is that of a connection that did not come about or broke.
func lostConnection(err error) bool {
	for _, known := range []error{io.EOF, io.ErrUnexpectedEOF, driver.ErrBadConn, sql.ErrConnDone, net.ErrClosed} {
		if errors.Is(err, known) {
			return true
		}
	}
	_, connecting := errors.AsType[*pgconn.ConnectError](err)
	_, network := errors.AsType[net.Error](err)
	return connecting || network || pgconn.SafeToRetry(err)
}
