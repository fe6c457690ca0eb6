package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

// Error is PostgreSQL's error reduced to what can hold no patient data: its message and detail quote values.
type Error struct {
	SQLState   string // PostgreSQL errcodes-appendix.html
	Constraint string
	Table      string
	Column     string
	Connecting bool // no session came about
}

func (e *Error) Error() string {
	text := "SQLSTATE " + e.SQLState
	for _, name := range []string{e.Table, e.Column, e.Constraint} {
		if name != "" {
			text += " " + name
		}
	}
	return text
}

// Unwrap returns ErrUnavailable when it is the store as a whole that cannot be used now, whatever is asked of it, and
// ErrBusy when the same may succeed later.
func (e *Error) Unwrap() error {
	switch {
	case e.Connecting || unavailableStates[e.SQLState] || unavailableStates[e.SQLState[:2]]:
		return ErrUnavailable
	case busyStates[e.SQLState] || busyStates[e.SQLState[:2]]:
		return ErrBusy
	}
	return nil
}

// unavailableStates are SQLSTATEs, and whole classes of them, that say so.
var unavailableStates = map[string]bool{
	"08":    true, // connection exception
	"25006": true, // read-only: a fail-over is under way
	"28":    true, // credentials: they rotate
	"3D000": true, // no such database
	"42703": true, // no such column, and
	"42P01": true, // no such table: the migration has not run
	"53300": true, // too many connections
	"57P01": true, // shut down by an administrator
	"57P02": true, // a crash
	"57P03": true, // starting up
}

// busyStates are SQLSTATEs, and whole classes of them, that may be gone when the same is tried again.
var busyStates = map[string]bool{
	"25P03": true, // idle in the transaction for too long
	"40001": true, // serialization failure
	"40P01": true, // deadlock
	"53":    true, // out of disk, memory or another resource
	"55P03": true, // a lock was not to be had
	"57014": true, // cancelled: statement_timeout
	"58":    true, // the system around PostgreSQL failed
}

// ErrUnavailable says that the store did not answer or cannot be used now: it is down, unreachable, failing over,
// or the connection broke. Whether a write that was under way has happened is not known, whatever the driver says.
var ErrUnavailable = errors.New("the store is unavailable")

// ErrBusy says that the store works but did not do this now, and wrote nothing of it: a lock, a time-out or a resource
// stood in the way. Trying again may help.
var ErrBusy = errors.New("the store is busy")

// reduce returns err in terms of Error, ErrUnavailable and the context's errors, with the operation before it, and
// nil for nil. Nothing of the driver's own text is kept.
func reduce(operation string, err error) error {
	if err == nil {
		return nil
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		_, connecting := errors.AsType[*pgconn.ConnectError](err)
		return fmt.Errorf("%s: %w", operation, &Error{
			SQLState: pg.Code, Constraint: pg.ConstraintName, Table: pg.TableName, Column: pg.ColumnName, Connecting: connecting,
		})
	}
	if errors.Is(err, ErrCapacity) {
		return fmt.Errorf("%s: %w", operation, err) // of this package's making
	}
	for _, known := range []error{context.DeadlineExceeded, context.Canceled} {
		if errors.Is(err, known) {
			return fmt.Errorf("%s: %w", operation, known)
		}
	}
	return fmt.Errorf("%s: %w (%T)", operation, ErrUnavailable, errors.Unwrap(err))
}
