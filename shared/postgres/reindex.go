package postgres

import (
	"context"
	"errors"
	"math"

	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

// RoleReindex reads every organisation's resources to index them anew; made by a migration.
const RoleReindex = "referral_reindex"

// reindexBatch is how many resources are indexed in one transaction.
const reindexBatch = 500

// Reindexed is how far Reindex has come.
type Reindexed struct {
	VID   int64 `json:"vid"`  // of the last resource that is done
	Done  int   `json:"done"` // resources, in this run
	Total int   `json:"total"`
	Keys  int   `json:"keys"` // that the index did not have
}

// Reindex gives the search index what it lacks of the resources above vid after, oldest first, and tells progress of it
// about every 500: when it begins to index more, what was stored earlier is found by it then. Servers may run, and it may
// be repeated, or go on from where it was ended. Keys that nothing is looked up by any more stay: what they lead to is
// confirmed by its content. It connects by the URL and BeforeConnect of c, and runs as RoleReindex, of which that login is to be
// a member. Errors are those of the package, and that of a resource which cannot be read.
func Reindex(ctx context.Context, c Config, after int64, progress func(Reindexed)) error {
	conn, err := c.connect(ctx, func(config *pgx.ConnConfig) {
		config.RuntimeParams["role"] = RoleReindex
		config.RuntimeParams["application_name"] = RoleReindex
		config.RuntimeParams["timezone"] = "UTC"
	})
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	r := Reindexed{VID: after}
	var last int64
	if err := conn.QueryRow(ctx, `select count(*), coalesce(max(vid), 0) from resource where vid > $1`, after).Scan(&r.Total, &last); err != nil {
		return reduce("reindex", err)
	}
	for r.VID < last {
		if err := reindex(ctx, conn, &r); err != nil {
			return err
		}
		progress(r)
	}
	return nil
}

// reindex does one batch. A resource that gets its next version meanwhile leaves the keys that were added, which lead
// nowhere.
func reindex(ctx context.Context, conn *pgx.Conn, r *Reindexed) error {
	rows, err := conn.Query(ctx, `
		select r.id::text, r.type, r.version, r.last_updated, r.vid, r.meta, r.content from resource r
		where r.vid > $1 order by r.vid limit $2`, r.VID, reindexBatch)
	if err != nil {
		return reduce("reindex", err)
	}
	versions, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (v Version, err error) {
		return v, row.Scan(&v.ID, &v.Type, &v.Number, &v.LastUpdated, &v.VID, &v.Meta, &v.Content)
	})
	if err != nil {
		return reduce("reindex", err)
	}
	if len(versions) == 0 {
		r.VID = math.MaxInt64
		return nil
	}
	var keys, vids []int64
	for _, v := range versions {
		resource, err := fhir.Parse(v.JSON(), v.Type, fhir.Limits{})
		if err != nil {
			return errors.New("reindex: " + v.Type + "/" + v.ID + " as it is stored does not parse")
		}
		for _, key := range search.Index(resource, func(reference string) string { return reference }) {
			keys, vids = append(keys, key), append(vids, v.VID)
		}
	}
	tag, err := conn.Exec(ctx, `
		insert into idx (h, vid) select u.h, u.vid from unnest($1::int8[], $2::int8[]) u(h, vid)
		where exists (select from resource r where r.vid = u.vid)
		order by u.h, u.vid on conflict do nothing`, keys, vids)
	if err != nil {
		return reduce("reindex", err)
	}
	r.VID, r.Done, r.Keys = versions[len(versions)-1].VID, r.Done+len(versions), r.Keys+int(tag.RowsAffected())
	return nil
}
