package postgres_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
)

// TestCapacity: a pool as large as its server allows works, a larger one is refused from its first statement on.
func TestCapacity(t *testing.T) {
	url := pgtest.Cluster(t).URL("postgres")
	if _, err := postgres.Migrate(t.Context(), postgres.Config{URL: url}); err != nil {
		t.Fatal(err)
	}
	got, err := postgres.ReadCapacity(t.Context(), postgres.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(postgres.Capacity{Server: got.Server, Max: 100, Reserved: 3}, got); diff != "" || got.Server == "" {
		t.Errorf("capacity of server %q (-want +got):\n%s", got.Server, diff)
	}
	if other, err := postgres.ReadCapacity(t.Context(), postgres.Config{URL: url + "&timezone=Australia/Sydney"}); err != nil || other != got {
		t.Errorf("in another time zone: got %v, %v, want %v", other, err, got)
	}
	for size, fits := range map[int32]bool{97: true, 98: false} {
		db, err := postgres.Open(postgres.Config{URL: url, Role: postgres.RoleQuery, MaxConns: size})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		err = db.Ready(t.Context())
		if fits != (err == nil) {
			t.Errorf("a pool of %d: got %v, want it to fit: %v", size, err, fits)
		}
		if err == nil {
			continue
		}
		for _, want := range []error{postgres.ErrCapacity, postgres.ErrUnavailable} {
			if !errors.Is(err, want) {
				t.Errorf("got %v, want %v", err, want)
			}
		}
		for _, want := range []string{"pool of 98", "97 (max_connections 100, 3 of them reserved)"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want it to say %s", err, want)
			}
		}
	}
}

// TestShare: a deployment that may come to take more than 0.7 of the server's connections is refused at its first one.
func TestShare(t *testing.T) {
	url := pgtest.New(t)
	c, err := postgres.ReadCapacity(t.Context(), postgres.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	for total, fits := range map[int]bool{0: true, c.Max * 7 / 10: true, c.Max*7/10 + 1: false} {
		db, err := postgres.Open(postgres.Config{URL: url, Role: postgres.RoleQuery, MaxConns: 2, Total: total})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if err := db.Ready(t.Context()); fits != (err == nil) || !fits && !errors.Is(err, postgres.ErrCapacity) {
			t.Errorf("%d of %d: got %v, want it to fit: %v", total, c.Max, err, fits)
		}
	}
}

func TestCapacityOfNobody(t *testing.T) {
	if _, err := postgres.ReadCapacity(t.Context(), postgres.Config{URL: "postgres://nobody@127.0.0.1:1/none"}); !errors.Is(err, postgres.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
}
