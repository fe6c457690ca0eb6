package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// The application's roles, made by the first migration. Neither can pass row-level security by.
const (
	RoleProcessor = "referral_processor"
	RoleQuery     = "referral_query"
)

// Config says how to reach the store.
type Config struct {
	URL      string // of a login that is a member of Role; empty: BeforeConnect says all of it
	Role     string // RoleProcessor or RoleQuery
	MaxConns int32  // 0: 4. More than the server allows: every operation is refused with ErrCapacity
	Total    int    // connections of the whole deployment at its most, which is held against the server's Share; 0: not known

	// BeforeConnect changes what each connection is made with, such as a password that rotates; nil: nothing does. After
	// PostgreSQL has refused the password it is asked once more.
	BeforeConnect func(context.Context, *pgx.ConnConfig) error
}

// connectTimeout is for a host that swallows packets, aliveTimeout for a connection that has been idle for a second to
// show that it is not dead: a Lambda function sleeps between events, and none of its packets is missed.
const (
	connectTimeout = 3 * time.Second
	aliveTimeout   = time.Second
)

// DB is a pool of connections to the store. It is safe for concurrent use.
type DB struct {
	pool     *pgxpool.Pool
	listener *listener
	records  *gathering
}

// check is CheckURL where there is a URL to be checked.
func (c Config) check() error {
	if c.BeforeConnect != nil {
		return nil
	}
	return CheckURL(c.URL)
}

// Open returns a DB that connects when it is first used: a store that is down now may be up then. The only error
// is that of CheckURL.
func Open(c Config) (*DB, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	config, err := pgxpool.ParseConfig(c.URL)
	if err != nil {
		return nil, errURL
	}
	config.MaxConns = c.MaxConns
	if config.MaxConns == 0 {
		config.MaxConns = 4
	}
	config.PingTimeout = aliveTimeout
	config.AfterConnect = withinCapacity(config.MaxConns, c.Total)
	config.BeforeConnect = c.BeforeConnect
	config.ConnConfig.ConnectTimeout = connectTimeout
	config.ConnConfig.RuntimeParams["role"] = c.Role
	config.ConnConfig.RuntimeParams["application_name"] = c.Role
	config.ConnConfig.RuntimeParams["timezone"] = "UTC"
	config.ConnConfig.RuntimeParams["statement_timeout"] = "10s"
	config.ConnConfig.RuntimeParams["lock_timeout"] = "3s"
	config.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"] = "10s"
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		return nil, reduce("open", err)
	}
	return &DB{pool, newListener(config.ConnConfig, c.BeforeConnect), newGathering()}, nil
}

// Close waits for connections in use and closes all.
func (db *DB) Close() {
	db.listener.close()
	db.pool.Close()
}

// Ready tells whether the store answers.
func (db *DB) Ready(ctx context.Context) error {
	conn, err := db.acquire(ctx)
	if err != nil {
		return reduce("ready", err)
	}
	defer conn.Release()
	return reduce("ready", conn.Ping(ctx))
}

// Connections is how many are open, in use or not, but for the one on which those who wait hear of settlements.
func (db *DB) Connections() int { return int(db.pool.Stat().TotalConns()) }

// acquire returns a connection of the pool, which is to be released.
func (db *DB) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	return again(func() (*pgxpool.Conn, error) { return db.pool.Acquire(ctx) })
}

// connect returns a connection of its own as c says, made with what configure sets.
func (c Config) connect(ctx context.Context, configure func(*pgx.ConnConfig)) (*pgx.Conn, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	config, err := pgx.ParseConfig(c.URL)
	if err != nil {
		return nil, errURL
	}
	config.ConnectTimeout = connectTimeout
	configure(config)
	conn, err := again(func() (*pgx.Conn, error) {
		config := config.Copy()
		if c.BeforeConnect != nil {
			if err := c.BeforeConnect(ctx, config); err != nil {
				return nil, err
			}
		}
		return pgx.ConnectConfig(ctx, config)
	})
	return conn, reduce("connect", err)
}

// again connects once more where PostgreSQL refuses the password: there may be another one by now.
func again[T any](connect func() (T, error)) (T, error) {
	conn, err := connect()
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == invalidPassword {
		return connect()
	}
	return conn, err
}

const invalidPassword = "28P01" // PostgreSQL errcodes-appendix.html

// statement is a query on behalf of an organisation; read is given its rows, nil: there is nothing to read.
type statement struct {
	org   string
	query string
	args  []any
	read  func(pgx.Rows) error
}

// as runs query after app.org is set for it, in one transaction and one round trip.
func (db *DB) as(ctx context.Context, org, query string, args []any, read func(pgx.Rows) error) error {
	return db.run(ctx, statement{org, query, args, read})
}

// run runs each statement after app.org is set for it, all in one transaction and one round trip: what is pipelined
// up to one Sync is one transaction (PostgreSQL protocol-flow.html#PROTOCOL-FLOW-PIPELINING).
func (db *DB) run(ctx context.Context, statements ...statement) error {
	conn, err := db.acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	batch := &pgx.Batch{}
	for _, s := range statements {
		batch.Queue(`select set_config('app.org', $1, true)`, s.org)
		batch.Queue(s.query, s.args...)
	}
	results := conn.SendBatch(ctx, batch)
	err = func() error {
		for _, s := range statements {
			if _, err := results.Exec(); err != nil {
				return err
			}
			if err := readAll(results, s.read); err != nil {
				return err
			}
		}
		return nil
	}()
	// The transaction commits with the Sync that Close waits for: without its answer nothing is known.
	return errors.Join(err, results.Close())
}

func readAll(results pgx.BatchResults, read func(pgx.Rows) error) error {
	if read == nil {
		_, err := results.Exec()
		return err
	}
	rows, err := results.Query()
	if err != nil {
		return err
	}
	defer rows.Close()
	if err := read(rows); err != nil {
		return err
	}
	rows.Close()
	return rows.Err()
}
