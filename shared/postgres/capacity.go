package postgres

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// Capacity is how many connections a PostgreSQL server has for its applications.
type Capacity struct {
	Server   string // tells servers apart, by whatever address they are reached
	Max      int    // max_connections
	Reserved int    // superuser_reserved_connections and, since PostgreSQL 16, reserved_connections
}

// Usable is what is left for logins without privileges.
func (c Capacity) Usable() int { return c.Max - c.Reserved }

// Share is what a whole deployment may take. The rest is for who migrates, mends and looks, and for a new release's
// connections beside the old one's.
func (c Capacity) Share() int { return c.Max * 7 / 10 }

func (c Capacity) String() string {
	return fmt.Sprintf("%d (max_connections %d, %d of them reserved)", c.Usable(), c.Max, c.Reserved)
}

// ErrCapacity says that pools are larger than the server allows. It is an ErrUnavailable: nothing is wrong with what
// was asked of the store.
var ErrCapacity = fmt.Errorf("%w: too many connections are configured", ErrUnavailable)

// ReadCapacity connects to the database by the URL and BeforeConnect of c, and asks its server.
func ReadCapacity(ctx context.Context, c Config) (capacity Capacity, err error) {
	err = c.ask(ctx, "read max_connections", func(conn *pgx.Conn) error {
		capacity, err = capacityOf(ctx, conn)
		return err
	})
	return capacity, err
}

// ask lets read, an operation, ask the server of the database, on a connection of its own.
func (c Config) ask(ctx context.Context, operation string, read func(*pgx.Conn) error) error {
	conn, err := c.connect(ctx, func(*pgx.ConnConfig) {})
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		conn.Close(ctx) // it has answered; how it ends is of no interest
	}()
	return reduce(operation, read(conn))
}

// The same by socket or TCP, and whatever time zone the database or login has.
const capacitySQL = `select extract(epoch from pg_postmaster_start_time())::text || ' ' || current_setting('port'),
	current_setting('max_connections')::int,
	current_setting('superuser_reserved_connections')::int + coalesce(current_setting('reserved_connections', true)::int, 0)`

func capacityOf(ctx context.Context, conn *pgx.Conn) (c Capacity, err error) {
	// Not prepared first: one round trip.
	err = conn.QueryRow(ctx, capacitySQL, pgx.QueryExecModeExec).Scan(&c.Server, &c.Max, &c.Reserved)
	return c, err
}

// withinCapacity refuses the connections of a pool that is larger than its server allows, or of a deployment that may come
// to take more than its share. It asks once, with the first connection: a round trip that only the first statement waits for.
func withinCapacity(size int32, total int) func(context.Context, *pgx.Conn) error {
	var known atomic.Bool
	return func(ctx context.Context, conn *pgx.Conn) error {
		if known.Load() {
			return nil
		}
		c, err := capacityOf(ctx, conn)
		if err != nil {
			return err
		}
		if int(size) > c.Usable() {
			return fmt.Errorf("%w: a pool of %d, and the server has %v", ErrCapacity, size, c)
		}
		if total > c.Share() {
			return fmt.Errorf("%w: all pools may come to %d, and 0.7 of the server's max_connections are %d", ErrCapacity, total, c.Share())
		}
		known.Store(true)
		return nil
	}
}
