package postgres

import "cmp"

// Class is what an SQLSTATE says of what was asked of the store.
type Class string

// The classes of errors.
const (
	ClassUnavailable Class = "unavailable" // the store as a whole cannot be used now, whatever is asked of it
	ClassBusy        Class = "busy"        // a lock, a time-out or another transaction: the same may succeed at once
	ClassResource    Class = "resource"    // disk, memory or a damaged file: the same succeeds once an operator has helped
	ClassData        Class = "data"        // a value that can never be stored
	ClassConflict    Class = "conflict"    // a key that is taken
	ClassSecurity    Class = "security"    // a right that the application's role lacks
	ClassBug         Class = "bug"         // the statement's own, or unknown: nobody knows whether the same may succeed
)

// ClassOf returns the class of an SQLSTATE (PostgreSQL errcodes-appendix.html): that of the code itself, else that of
// all that begin with the same two characters, else ClassBug. So what is unknown is never taken for what can never be
// stored.
func ClassOf(sqlstate string) Class {
	if len(sqlstate) != 5 {
		return ClassBug
	}
	return cmp.Or(classes[sqlstate], classes[sqlstate[:2]], ClassBug)
}

// classes has SQLSTATEs, and under two characters all that begin with them. What an outage brings about is never a bug:
// those are counted, and after a few the message is taken out of the queue. A null or a check that a row breaks is one, too:
// no value of a sender's gets there, but a schema may be ahead of this release.
var classes = map[string]Class{
	"08":    ClassUnavailable, // connection exception
	"25006": ClassUnavailable, // read-only: a fail-over is under way
	"28":    ClassUnavailable, // credentials: they rotate
	"3D000": ClassUnavailable, // no such database
	"3F000": ClassUnavailable, // no such schema
	"42703": ClassUnavailable, // no such column,
	"42883": ClassUnavailable, // no such function, and
	"42P01": ClassUnavailable, // no such table: the migration has not run
	"53300": ClassUnavailable, // too many connections
	"57":    ClassUnavailable, // shut down, crashed, starting up
	"F0":    ClassUnavailable, // the server's configuration file

	"0A000": ClassBusy, // a cached plan must not change its result type: a migration has run; the next one is new
	"25P03": ClassBusy, // idle in the transaction for too long
	"25P04": ClassBusy, // the transaction took too long
	"26000": ClassBusy, // a prepared statement is not there,
	"42P05": ClassBusy, // or is already: a pooler has changed the connection
	"40":    ClassBusy, // rolled back: serialization failure, deadlock
	"55006": ClassBusy, // an object is in use
	"55P03": ClassBusy, // a lock was not to be had
	"57014": ClassBusy, // cancelled: statement_timeout
	"72000": ClassBusy, // the snapshot is too old

	"53":    ClassResource, // out of disk, memory or another resource
	"58":    ClassResource, // the system around PostgreSQL failed
	"XX001": ClassResource, // damaged data,
	"XX002": ClassResource, // or a damaged index

	"22":    ClassData, // data exception,
	"2200H": ClassBug,  // but a sequence at its end

	"23505": ClassConflict, // unique

	"42501": ClassSecurity, // insufficient privilege, and row-level security
}
