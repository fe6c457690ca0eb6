package postgres

import (
	"context"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// Version is one version of a resource.
type Version struct {
	ID          string // UUID
	Type        string
	Number      int // Resource.meta.versionId
	LastUpdated time.Time
	VID         int64  // where it stands among all versions, by time
	Meta        string // the sender's members of meta as JSON text without braces
	Content     string // the members beside resourceType, id and meta, likewise
	Deleted     bool   // the version says that the resource was deleted; VID, Meta and Content are empty
}

// Name is Type/id/_history/version.
func (v Version) Name() string { return v.Type + "/" + v.ID + "/_history/" + strconv.Itoa(v.Number) }

// instant is FHIR R4 datatypes.html#instant in UTC, to the millisecond.
const instant = "2006-01-02T15:04:05.000Z"

// Size is that of JSON, about.
func (v Version) Size() int { return len(v.Meta) + len(v.Content) }

// JSON returns the resource. Nothing is parsed: what the sender wrote stands as it was written.
func (v Version) JSON() []byte {
	b := make([]byte, 0, len(v.Content)+len(v.Meta)+160)
	b = append(b, `{"resourceType":"`...)
	b = append(b, v.Type...)
	b = append(b, `","id":"`...)
	b = append(b, v.ID...)
	b = append(b, `","meta":{"versionId":"`...)
	b = strconv.AppendInt(b, int64(v.Number), 10)
	b = append(b, `","lastUpdated":"`...)
	b = v.LastUpdated.UTC().AppendFormat(b, instant)
	b = append(b, '"')
	if v.Meta != "" {
		b = append(b, ',')
		b = append(b, v.Meta...)
	}
	b = append(b, '}')
	if v.Content != "" {
		b = append(b, ',')
		b = append(b, v.Content...)
	}
	return append(b, '}')
}

// mayRead is the tenant rule for a resource r and the organisation $1. Row-level security repeats it.
const mayRead = `(r.org = $1 or r.readers @> array[$1])`

// readSQL falls back to the newest of the superseded versions, which is the deletion where the resource was deleted.
const readSQL = `
with c as (
	select r.id, r.type, r.version, r.last_updated, r.vid, r.meta, r.content, false as deleted
	from resource r
	where r.id = $2 and r.type = $3 and ` + mayRead + `
), h as (
	select r.id, r.type, r.version, r.last_updated, 0::int8 as vid, r.meta, r.content, r.deleted
	from history r
	where r.id = $2 and r.type = $3 and ` + mayRead + ` and not exists (select from c)
	order by r.version desc limit 1
)
select ` + versionColumns + ` from c v union all select ` + versionColumns + ` from h v where v.deleted`

// versionColumns are what scan reads of versions v.
const versionColumns = `v.id::text, v.type, v.version, v.last_updated, v.vid, v.meta, v.content, v.deleted`

func (v *Version) scan(rows pgx.Rows, more ...any) error {
	return rows.Scan(append([]any{&v.ID, &v.Type, &v.Number, &v.LastUpdated, &v.VID, &v.Meta, &v.Content, &v.Deleted}, more...)...)
}

// Read returns the current version of a resource that org may read, which is its deletion where it was deleted. found
// is false as well for what is not org's to read, which nothing tells from what is not there. Errors are those of the
// package.
func (db *DB) Read(ctx context.Context, org, resourceType string, id referral.UUID) (v Version, found bool, err error) {
	err = db.as(ctx, org, readSQL, []any{org, [16]byte(id), resourceType}, func(rows pgx.Rows) error {
		for rows.Next() {
			found = true
			if err := v.scan(rows); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return Version{}, false, reduce("read", err)
	}
	return v, found, nil
}
