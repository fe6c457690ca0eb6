package postgres_test

import (
	"testing"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
)

// BenchmarkAccesses answers who was shown a patient's data, to the last page, of a million records: of a patient with
// twenty, of one in a hundred records, and of one on a day.
func BenchmarkAccesses(b *testing.B) {
	const rare, common = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000000"
	url := pgtest.New(b)
	for _, fill := range []string{
		`insert into audit (recorded, org, client, action, outcome, entity, request_id, interaction, patient, resources)
		select '2026-01-01'::timestamptz + n * interval '30 seconds', '8003621566684455', 'clinic', 'R', '0', 'Patient/' || p.id, 'r' || n, 'read', p.id,
			array['Patient/' || p.id || '/_history/1']
		from generate_series(1, 1000000) n
		cross join lateral (select ('00000000-0000-4000-8000-' || lpad(to_hex(case when n % 100 = 0 then 0 else n % 50000 end), 12, '0'))::uuid as id) p`,
		`analyze audit`,
	} {
		if _, err := connect(b, url).Exec(b.Context(), fill); err != nil {
			b.Fatal(err)
		}
	}
	db := open(b, url, postgres.RoleQuery)
	for name, asked := range map[string]struct {
		postgres.Audits
		want int
	}{
		"rare":   {postgres.Audits{Patient: rare}, 20},
		"common": {postgres.Audits{Patient: common}, 10000},
		"day": {postgres.Audits{
			Patient: common, Since: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Until: time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC),
		}, 28},
	} {
		b.Run(name, func(b *testing.B) {
			asked.Count = 100
			for b.Loop() {
				got := 0
				for page, more := asked.Audits, true; more; {
					var rows []postgres.Audited
					var err error
					if rows, more, err = db.Audits(b.Context(), "operator", page); err != nil || len(rows) == 0 {
						b.Fatal(len(rows), err)
					}
					got, page.Before = got+len(rows), rows[len(rows)-1].ID
				}
				if got < asked.want || got > asked.want+1 {
					b.Fatalf("got %d records, want %d", got, asked.want)
				}
			}
		})
	}
}
