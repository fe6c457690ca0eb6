package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// MaxVersionsBytes bounds what Versions reads: as much as an answer has, about.
const MaxVersionsBytes = 4 << 20

// contentsSQL reads current and superseded versions in the order in which they are asked for, up to $5 bytes of JSON
// text. octet_length reads the size of a text without the text.
const contentsSQL = `
with n as (
	select * from unnest($2::uuid[], $3::int4[], $4::text[]) with ordinality n(id, version, type, position)
), v as (
	select n.position, r.id, r.type, r.version, r.last_updated, r.vid, r.meta, r.content, false as deleted
	from n join resource r on r.id = n.id and r.version = n.version and r.type = n.type and ` + mayRead + `
	union all
	select n.position, r.id, r.type, r.version, r.last_updated, 0, r.meta, r.content, r.deleted
	from n join history r on r.id = n.id and r.version = n.version and r.type = n.type and ` + mayRead + `
), s as (
	select v.*, sum(octet_length(v.meta) + octet_length(v.content)) over (order by v.position)
		- octet_length(v.meta) - octet_length(v.content) as before
	from v
)
select ` + versionColumns + ` from s v where v.before < $5`

// Versions returns those of the versions called names, each Type/id/_history/version, that org may read, by their
// names. They end with the one that passes MaxVersionsBytes, in the order of names: of more, those behind it lack.
// Errors are those of the package.
func (db *DB) Versions(ctx context.Context, org string, names []string) (map[string]Version, error) {
	versions := map[string]Version{}
	args := append(append([]any{org}, versionArgs(names)...), MaxVersionsBytes)
	err := db.as(ctx, org, contentsSQL, args, func(rows pgx.Rows) error {
		for rows.Next() {
			var v Version
			if err := v.scan(rows); err != nil {
				return err
			}
			versions[v.Name()] = v
		}
		return nil
	})
	if err != nil {
		return nil, reduce("versions", err)
	}
	return versions, nil
}
