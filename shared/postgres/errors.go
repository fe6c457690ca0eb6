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
	Ungranted  bool // a right is missing that the migrations grant, which is no row's fault
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

// Class returns what the error says of what was asked of the store.
func (e *Error) Class() Class {
	class := ClassOf(e.SQLState)
	switch {
	case e.Connecting:
		return ClassUnavailable
	case e.Ungranted:
		return ClassResource
	case class == ClassConflict && madeMeanwhile[e.Constraint]:
		return ClassBusy
	case class == ClassConflict && e.Constraint != keyConstraint:
		return ClassBug // the ids are the server's own
	}
	return class
}

// keyConstraint is broken by a submission whose key another one holds.
const keyConstraint = "submission_key"

// madeMeanwhile are broken by a row that another transaction has just made: the next look finds it.
var madeMeanwhile = map[string]bool{"resource_pkey": true, "history_pkey": true}

// Unwrap returns ErrUnavailable when it is the store as a whole that cannot be used now, whatever is asked of it, and
// ErrBusy when the same may succeed later.
func (e *Error) Unwrap() error {
	return unwrapped[e.Class()]
}

var unwrapped = map[Class]error{ClassUnavailable: ErrUnavailable, ClassBusy: ErrBusy, ClassResource: ErrBusy}

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
			Ungranted: pg.Routine == "aclcheck_error", // row-level security has the same SQLSTATE from another one
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
