package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// Original is the body of a submission as it was received.
type Original struct {
	BundleType string // as in Submission
	State      referral.State
	Content    []byte // compressed; empty where the body never came here, as of what was cancelled before
	Encoding   string
	SHA256     [32]byte // of the body
}

// originalSQL gives an addressed reader the body only when all of it became versions that it may read: the body has
// everything, also what a batch did not write, what was found and not created, and what was asked for in a search. Of what
// a transaction has patched, its entries tell.
const originalSQL = `
select s.bundle_type, s.state, s.content, s.encoding, s.sha256
from submission s
where s.d = $2 and ` + maySee + ` and (s.org = $1 or (
	s.state = 'completed' and s.bundle_type <> 'patch' and cardinality(s.resources) > 0
	and not exists (
		select from json_array_elements(s.answers::json) a
		where coalesce(a->>'version', '') = '' or coalesce(a->>'read', 'false') <> 'false' or a->>'lastModified' is not null
	)
	and cardinality(s.resources) = (select count(distinct u.version) from unnest(s.resources) u(version)` + readableVersion + `)
))`

// Original returns the body of the submission with digest d that org sent, or is addressed by and may read all of, unless
// entries of a transaction or batch are patches; found is false for any other and for one that has no row yet. Errors are those of the package.
func (db *DB) Original(ctx context.Context, org string, d referral.Digest) (o Original, found bool, err error) {
	err = db.as(ctx, org, originalSQL, []any{org, d[:]}, func(rows pgx.Rows) error {
		for rows.Next() {
			found = true
			var hash []byte
			if err := rows.Scan(&o.BundleType, &o.State, &o.Content, &o.Encoding, &hash); err != nil {
				return err
			}
			copy(o.SHA256[:], hash)
		}
		return nil
	})
	if err != nil {
		return Original{}, false, reduce("original", err)
	}
	return o, found, nil
}
