package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

// RoleAudit seals the audit and checks its seals; made by a migration.
const RoleAudit = "referral_audit"

// sealPurpose is what the signature of a seal is for.
const sealPurpose = "audit-seal-v1"

// Seal is over the rows of the audit from First to Last, and over the seal before it.
type Seal struct {
	Number    int64     `json:"number"`
	First     int64     `json:"first"`
	Last      int64     `json:"last"`
	Rows      int64     `json:"rows"`
	Digest    []byte    `json:"digest"`
	Signature []byte    `json:"signature"` // of the newest seal: to be kept elsewhere, it proves that none behind it is gone
	SealedAt  time.Time `json:"sealedAt"`
}

// sealAfter is the age at which rows are sealed: no transaction that could still add one before them lasts as long.
const sealAfter = 5 * time.Minute

// maxSealed is how many rows one seal is over.
const maxSealed = 100_000

const sealColumns = `s.number, s.first_id, s.last_id, s.rows, s.digest, s.signature, s.sealed_at`

// SealAudit seals all rows that are older than five minutes, and returns the newest seal, the zero Seal where there is
// none, and how many it made. Several may run at once. Errors are those of the package.
func (db *DB) SealAudit(ctx context.Context, keys *referral.Keys) (newest Seal, made int, err error) {
	for {
		s, sealed, err := db.sealNext(ctx, keys)
		if err != nil {
			return newest, made, reduce("seal the audit", err)
		}
		newest = s
		if !sealed {
			return newest, made, nil
		}
		made++
	}
}

// sealNext makes a seal where there is something to seal, and returns the newest one.
func (db *DB) sealNext(ctx context.Context, keys *referral.Keys) (newest Seal, sealed bool, err error) {
	err = pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock($1)`, search.LockHash("audit-seal")); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `select `+sealColumns+` from audit_seal s order by s.number desc limit 1`)
		if err != nil {
			return err
		}
		last, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Seal])
		if err != nil {
			return err
		}
		if len(last) > 0 {
			newest = last[0]
		}
		next := Seal{Number: newest.Number + 1, First: newest.Last + 1}
		// Up to the first row that is too young: rows are not in the order of their time.
		if err := tx.QueryRow(ctx, `
			select coalesce(max(x.id), 0)
			from (select a.id, bool_or(a.recorded > $3) over (order by a.id) as young from audit a where a.id >= $1 order by a.id limit $2) x
			where not x.young`, next.First, maxSealed, time.Now().Add(-sealAfter)).Scan(&next.Last); err != nil || next.Last == 0 {
			return err
		}
		if next.Rows, next.Digest, err = digestAudit(ctx, tx, next.First, next.Last); err != nil {
			return err
		}
		signature := keys.Sign(sealPurpose, next.parts(newest)...)
		next.Signature = signature[:]
		newest, sealed = next, true
		return tx.QueryRow(ctx, `insert into audit_seal (number, first_id, last_id, rows, digest, signature) values ($1, $2, $3, $4, $5, $6) returning sealed_at`,
			next.Number, next.First, next.Last, next.Rows, next.Digest, next.Signature).Scan(&newest.SealedAt)
	})
	return newest, sealed, err
}

// parts are what the signature is of.
func (s Seal) parts(before Seal) []string {
	return []string{
		strconv.FormatInt(s.Number, 10), strconv.FormatInt(s.First, 10), strconv.FormatInt(s.Last, 10), strconv.FormatInt(s.Rows, 10),
		string(s.Digest), string(before.Signature),
	}
}

// ErrSeal says that the audit is not as it was sealed.
var ErrSeal = errors.New("the audit is not as it was sealed")

// CheckSeals holds every seal against the rows that it is over, and returns the newest and how many rows are behind it,
// not sealed yet. An error that is ErrSeal names the first seal that does not hold, and how; others are those of the
// package. That no seal is gone from the end shows in the newest one's number and signature alone.
func (db *DB) CheckSeals(ctx context.Context, keys *referral.Keys) (newest Seal, unsealed int64, err error) {
	rows, err := db.pool.Query(ctx, `select `+sealColumns+` from audit_seal s order by s.number`)
	if err != nil {
		return newest, 0, reduce("check seals", err)
	}
	seals, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Seal])
	if err != nil {
		return newest, 0, reduce("check seals", err)
	}
	for _, s := range seals {
		count, digest, err := digestAudit(ctx, db.pool, s.First, s.Last)
		if err != nil {
			return newest, 0, reduce("check seals", err)
		}
		switch wrong := fmt.Sprintf("seal %d, of rows %d to %d", s.Number, s.First, s.Last); {
		case s.Number != newest.Number+1 || s.First != newest.Last+1:
			return newest, 0, fmt.Errorf("%w: the one before %s is gone", ErrSeal, wrong)
		case len(s.Signature) != 16 || !keys.Signed(referral.Signature(s.Signature), sealPurpose, s.parts(newest)...):
			return newest, 0, fmt.Errorf("%w: %s is not signed by this server, or not behind the one before", ErrSeal, wrong)
		case count != s.Rows:
			return newest, 0, fmt.Errorf("%w: %s: there are %d rows and were %d", ErrSeal, wrong, count, s.Rows)
		case string(digest) != string(s.Digest):
			return newest, 0, fmt.Errorf("%w: %s: a row is another one", ErrSeal, wrong)
		}
		newest = s
	}
	err = db.pool.QueryRow(ctx, `select count(*) from audit a where a.id > $1`, newest.Last).Scan(&unsealed)
	return newest, unsealed, reduce("check seals", err)
}

// sealedRow is a row of the audit as it is sealed. A column that comes later leaves a row without it as it was.
type sealedRow struct {
	ID          int64     `json:"id"`
	Recorded    time.Time `json:"recorded"`
	Org         string    `json:"org"`
	Readers     []string  `json:"readers"`
	Client      string    `json:"client"`
	Action      string    `json:"action"`
	Outcome     string    `json:"outcome"`
	Entity      string    `json:"entity"`
	RequestID   *string   `json:"requestId,omitempty"`
	Interaction *string   `json:"interaction,omitempty"`
	Query       *string   `json:"query,omitempty"`
	Patient     *string   `json:"patient,omitempty"`
	Resources   []string  `json:"resources,omitempty"`
	Reason      *string   `json:"reason,omitempty"`
}

// querier is a connection or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func digestAudit(ctx context.Context, q querier, first, last int64) (count int64, digest []byte, err error) {
	rows, err := q.Query(ctx, `
		select a.id, a.recorded, a.org, a.readers, a.client, a.action, a.outcome, a.entity, a.request_id, a.interaction, a.query,
			a.patient::text, a.resources, a.reason
		from audit a where a.id between $1 and $2 order by a.id`, first, last)
	if err != nil {
		return 0, nil, err
	}
	defer rows.Close()
	sum := sha256.New()
	for rows.Next() {
		r, err := pgx.RowToStructByPos[sealedRow](rows)
		if err != nil {
			return 0, nil, err
		}
		r.Recorded = r.Recorded.UTC()
		text, err := json.Marshal(r)
		if err != nil {
			return 0, nil, err
		}
		_, _ = sum.Write(append(text, '\n')) // hash.Hash: "it never returns an error"
		count++
	}
	return count, sum.Sum(nil), rows.Err()
}
