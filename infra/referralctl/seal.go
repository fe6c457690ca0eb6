package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/ausbizconsulting/referral-fhir-server/shared/awslambda"
	"github.com/ausbizconsulting/referral-fhir-server/shared/env"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// needsAudit is part of what --help says.
const needsAudit = "It needs the store, by DATABASE_URL or REFERRAL_DATABASE_SECRET, a login that is a member of referral_audit, and the keys as the functions have them."

type sealCommand struct{}

// Help is printed by audit seal --help.
func (sealCommand) Help() string {
	return "Signs what is older than five minutes and not sealed yet, and with it the seal before: to be run every hour or so. " + needsAudit
}

// Run seals.
func (sealCommand) Run(ctx context.Context, s *streams) error {
	return withAudit(func(db *postgres.DB, keys *referral.Keys) error {
		newest, made, err := db.SealAudit(ctx, keys)
		switch {
		case err != nil:
			return err
		case s.json:
			return s.printJSON(map[string]any{"made": made, "newest": newest})
		case newest.Number == 0:
			_, err = fmt.Fprintln(s.out, "There is nothing to seal yet.")
		default:
			_, err = fmt.Fprintf(s.out, "Made %d seals. The newest is %d, up to row %d, %x.\n", made, newest.Number, newest.Last, newest.Signature)
		}
		return err
	})
}

type verifyCommand struct {
	Expect int64 `placeholder:"N" help:"The number of a seal that there was: fails where it is gone from the end."`
}

// Help is printed by audit verify --help.
func (*verifyCommand) Help() string {
	return "Holds every seal against the rows that it is over: a row that was changed, added or taken away shows, and so does a seal. " +
		"Exit status 1: it is not as it was sealed. " + needsAudit
}

// Run verifies.
func (c *verifyCommand) Run(ctx context.Context, s *streams) error {
	return withAudit(func(db *postgres.DB, keys *referral.Keys) error {
		newest, unsealed, err := db.CheckSeals(ctx, keys)
		if err == nil && newest.Number < c.Expect {
			err = fmt.Errorf("%w: seal %d is gone, the newest is %d", postgres.ErrSeal, c.Expect, newest.Number)
		}
		if s.json {
			result := map[string]any{"holds": err == nil, "newest": newest, "unsealed": unsealed}
			if err != nil {
				result["error"] = err.Error()
			}
			if printed := s.printJSON(result); printed != nil || err != nil {
				return errors.Join(printed, errToldAlready)
			}
			return nil
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(s.out, "All %d seals hold, up to row %d; %d rows are not sealed yet.\n", newest.Number, newest.Last, unsealed)
		return err
	})
}

// withAudit calls do with the store and the keys, by the settings that the functions have.
func withAudit(do func(*postgres.DB, *referral.Keys) error) error {
	v := env.Read(os.LookupEnv)
	db, keys := awslambda.Store(v, lookUpAWS, postgres.RoleAudit), awslambda.Keys(v, lookUpAWS)
	if db != nil {
		defer db.Close()
	}
	if err := v.Err(); err != nil {
		return usageError{fmt.Errorf("%w; %s", err, useRunningStack)}
	}
	return do(db, keys)
}
