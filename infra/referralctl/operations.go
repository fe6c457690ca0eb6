package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"

	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/dlq"
	"github.com/ausbizconsulting/referral-fhir-server/processor"
	"github.com/ausbizconsulting/referral-fhir-server/shared/awslambda"
	"github.com/ausbizconsulting/referral-fhir-server/shared/env"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// needsStore is part of what --help says.
const needsStore = "With --yes it needs the store, by the settings of the function processor: DATABASE_URL or REFERRAL_DATABASE_SECRET, a login " +
	"that is a member of referral_processor. Its audit keeps who did it and why, or nothing is done. "

// operations is where it is kept what an operator does with the dead letters of a queue.
type operations struct {
	store *postgres.DB
	keys  *referral.Keys // nil where no submission is to be ended
	done  postgres.Operation
}

// openOperations opens the store, with the settings that the functions have.
func openOperations(withKeys bool) (*operations, error) {
	v := env.Read(os.LookupEnv)
	o := &operations{store: awslambda.Store(v, lookUpAWS, postgres.RoleProcessor)}
	if withKeys {
		o.keys = awslambda.Keys(v, lookUpAWS)
	}
	if err := v.Err(); err != nil {
		if o.store != nil {
			o.store.Close()
		}
		return nil, usageError{fmt.Errorf("%w; %s", err, useRunningStack)}
	}
	return o, nil
}

// keep writes to the audit what is about to be done, or what it came to. Action is AuditEvent.action.
func (o *operations) keep(ctx context.Context, action, queueURL, reason string, chosen map[string]string) error {
	filter := url.Values{}
	for name, value := range chosen {
		filter.Set(name, value)
	}
	queue := url.URL{Path: "queue/" + path.Base(queueURL), RawQuery: filter.Encode()}
	o.done = postgres.Operation{Operator: operator(), Action: action, Entity: queue.String(), Reason: reason}
	return o.store.Operated(ctx, o.done)
}

// end settles the submission of a letter as rejected, and keeps who did so and why. What ingest did not accept is of no
// submission.
func (o *operations) end(ctx context.Context, l *dlq.Letter) error {
	if l.Message == nil {
		return nil
	}
	reason := fhir.NewError(fhir.CodeBusinessRule, "", "An operator of this server has ended this submission, which could not be settled. "+
		"Ask them why; what is corrected may be sent again, also with the same Idempotency-Key")
	s, err := processor.Rejection(o.keys, l.Message, max(1, l.Receives), reason)
	if errors.Is(err, processor.ErrForged) {
		return nil
	}
	if err != nil {
		return err
	}
	done := o.done
	done.Entity = fmt.Sprintf("submission/%x", s.Digest)
	_, err = o.store.Discard(ctx, s, done) // false: it has settled meanwhile
	return err
}
