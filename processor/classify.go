package processor

import (
	"context"
	"errors"

	"github.com/ausbizconsulting/referral-fhir-server/shared/blob"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
)

// class is what a failure means for the message. What can never settle, and what conflicts with something else, is no
// failure: it settles as rejected.
type class string

const (
	classInfrastructure class = "infrastructure" // what processor needs is away: never the message's fault
	classTransient      class = "transient"      // something stood in the way, as another time it will not
	classSecurity       class = "security"       // not what ingest accepted, or not allowed: never tried again
	classBug            class = "bug"            // perhaps the message's fault: its tries are counted
)

// failure is why a message did not settle. code is an SQLSTATE or a word: it has nothing of the message.
type failure struct {
	class class
	code  string
}

// known are the errors of this process and its parts. What wraps two of them is what comes first.
var known = []struct {
	err error
	failure
}{
	{errPanic, failure{classBug, "panic"}},
	{errSlow, failure{classBug, "slow"}},
	{errNotTried, failure{classTransient, "not-tried"}},
	{errUnderWay, failure{classTransient, "under-way"}},
	{queue.ErrVersion, failure{classInfrastructure, "version"}}, // a newer processor will understand
	{queue.ErrEnvelope, failure{classSecurity, "envelope"}},
	{queue.ErrIntegrity, failure{classSecurity, "integrity"}},
	{ErrForged, failure{classSecurity, "forged"}},
	{blob.ErrNotFound, failure{classBug, "claim"}}, // it may yet come to be seen, or be put back
	{errClaims, failure{classInfrastructure, "claims"}},
	{context.DeadlineExceeded, failure{classTransient, "timeout"}}, // as of a store that swallows packets
	{context.Canceled, failure{classTransient, "timeout"}},
	{postgres.ErrUnavailable, failure{classInfrastructure, "unavailable"}},
	{postgres.ErrBusy, failure{classTransient, "busy"}},
}

// classify returns what err means. An error that nobody knows may be the message's fault: it is tried again, and counted.
func classify(err error) failure {
	if pg, ok := errors.AsType[*postgres.Error](err); ok {
		return failure{classes[pg.Class()], pg.SQLState}
	}
	for _, k := range known {
		if errors.Is(err, k.err) {
			return k.failure
		}
	}
	if e, ok := errors.AsType[*fhir.Error](err); ok {
		return failure{classBug, string(fhir.CodeOf(e))}
	}
	return failure{classBug, string(fhir.CodeException)}
}

// classes are those of the store's errors. What it refuses for good is a failure only where even the rejection was refused.
var classes = map[postgres.Class]class{
	postgres.ClassUnavailable: classInfrastructure,
	postgres.ClassResource:    classInfrastructure,
	postgres.ClassBusy:        classTransient,
	postgres.ClassSecurity:    classSecurity,
	postgres.ClassData:        classBug,
	postgres.ClassConflict:    classBug,
	postgres.ClassBug:         classBug,
}
