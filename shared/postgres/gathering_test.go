package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
)

// TestAccessesAreCommittedTogether: what many are shown at once is kept as if each had come alone, in fewer transactions,
// whoever of them cannot be kept or goes away.
func TestAccessesAreCommittedTogether(t *testing.T) {
	url := pgtest.New(t)
	db := open(t, url, postgres.RoleQuery)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	const rounds, each = 4, 64
	for round := range rounds {
		var all sync.WaitGroup
		for i := range each {
			all.Go(func() {
				ctx, org := t.Context(), []string{sender, recipient}[i%2]
				a := postgres.Access{Client: "c", Interaction: "read", Entity: fmt.Sprintf("Patient/%d", i), Shown: []postgres.Shown{{}}}
				switch {
				case i == 7 && round == 0: // those that gather with it are tried alone
					a.Shown[0].Patient = "no UUID"
				case i == 8:
					ctx = gone
				}
				err := db.Accessed(ctx, org, a)
				switch {
				case i == 8 && err != nil && !errors.Is(err, context.Canceled):
					t.Errorf("who went away was told %v", err)
				case i != 8 && (err != nil) != (i == 7 && round == 0):
					t.Errorf("%d in round %d: got error %v", i, round, err)
				}
			})
		}
		all.Wait()
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	var rows, own, transactions int
	if err := conn.QueryRow(t.Context(), `select count(*), count(*) filter (where (org = $1) = (split_part(entity, '/', 2)::int % 2 = 0)), count(distinct xmin::text)
		from audit where entity <> 'Patient/8'`, sender).Scan(&rows, &own, &transactions); err != nil {
		t.Fatal(err)
	}
	if want := rounds*(each-1) - 1; rows != want || own != want || transactions > want/2 {
		t.Errorf("got %d rows, %d of them of who was shown it, in %d transactions; want %d, in half of that at most", rows, own, transactions, want)
	}
}
