package postgres

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// record is what from leads to, as it stands. Nothing is there any more: it has neither Resources nor Submissions.
func (p Retention) record(ctx context.Context, tx pgx.Tx, from seed) (Record, error) {
	r := Record{Org: from.org, seed: from}
	var orgs, patients, digests []string
	var err error
	if from.org != "" {
		r.Class = ClassSubmission
		orgs, patients, digests, err = p.left(ctx, tx, &r)
	} else {
		if r.about, err = gather(ctx, tx, from.id); err == nil {
			orgs, patients, digests = p.weigh(&r)
		}
	}
	if err != nil {
		return r, err
	}
	err = tx.QueryRow(ctx, heldSQL, orgs, patients, digests).Scan(&r.Held)
	return r, err
}

const leftSQL = `
select s.settled_at, coalesce(substr(s.patient, 9), ''), s.readers from submission s
where s.org = $1 and s.d = $2 and ` + leftNothing

// left looks at a submission that left nothing, and returns what it may be held by.
func (p Retention) left(ctx context.Context, tx pgx.Tx, r *Record) (orgs, patients, digests []string, err error) {
	switch err = tx.QueryRow(ctx, leftSQL, r.seed.org, r.seed.digest[:]).Scan(&r.Last, &r.Patient, &orgs); {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, nil, nil, nil
	case err != nil:
		return nil, nil, nil, err
	}
	if _, err := referral.ParseUUID(r.Patient); err != nil { // of what was rejected it may be anything
		r.Patient = ""
	}
	r.Submissions, r.Until = 1, r.Last.AddDate(p.SubmissionYears, 0, 0)
	return append(orgs, r.Org), []string{r.Patient}, []string{hex.EncodeToString(r.seed.digest[:])}, nil
}

// weigh sums up what was gathered, and returns what it may be held by.
func (p Retention) weigh(r *Record) (orgs, patients, digests []string) {
	a := r.about
	undated := a.undated
	dated := false
	for id, k := range a.stored {
		r.Resources++
		if k.Version.LastUpdated.After(r.Last) {
			r.Last = k.Version.LastUpdated
		}
		dated = dated || k.Version.Type == "Patient"
		if id == r.seed.id {
			r.Org = k.Org
		}
		orgs = append(append(orgs, k.Org), k.Readers...)
	}
	for _, s := range a.submissions {
		if s.Complete {
			r.Submissions++
		}
		orgs = append(append(orgs, s.Org), s.Readers...)
		digests = append(digests, hex.EncodeToString(s.Digest))
	}
	for id := range a.patients {
		patients = append(patients, id.String())
	}
	first := a.stored[r.seed.id]
	if named := namedBy(first); len(named) > 0 {
		r.Patient = named[0].String()
	}
	born := a.born
	switch {
	case undated || !dated:
		r.Class, born = ClassUnknown, r.Last
	case born.AddDate(18, 0, 0).After(r.Last):
		r.Class = ClassChild
	default:
		r.Class = ClassAdult
	}
	r.Until, r.TooLarge = p.until(r.Last, born), len(a.stored) > MaxMatches
	return orgs, patients, digests
}

// ids are those of the resources of r.
func (r Record) ids() (ids []referral.UUID) {
	if r.about != nil {
		for id := range r.about.stored {
			ids = append(ids, id)
		}
	}
	return ids
}

// Format writes what the record is of, and nothing that was gathered.
func (r Record) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "[record, %d resources, %d submissions, until %s]", r.Resources, r.Submissions, r.Until.Format(time.DateOnly))
}
