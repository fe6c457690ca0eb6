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

// ErrUnavailable says that the store did not answer: it is down, unreachable, or the connection broke. Whether a
// write that was under way has happened is not known, whatever the driver says of it.
var ErrUnavailable = errors.New("the store did not answer")

// reduce returns err in terms of Error, ErrUnavailable and the context's errors, with the operation before it, and
// nil for nil. Nothing of the driver's own text is kept.
func reduce(operation string, err error) error {
	if err == nil {
		return nil
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return fmt.Errorf("%s: %w", operation, &Error{
			SQLState: pg.Code, Constraint: pg.ConstraintName, Table: pg.TableName, Column: pg.ColumnName,
		})
	}
	for _, known := range []error{context.DeadlineExceeded, context.Canceled} {
		if errors.Is(err, known) {
			return fmt.Errorf("%s: %w", operation, known)
		}
	}
	return fmt.Errorf("%s: %w (%T)", operation, ErrUnavailable, errors.Unwrap(err))
}
