package pgproxy_test

import (
	"net/url"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/infra/pgproxy"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

// TestProxyCountsRoundTrips: a batch is one, whatever is in it; a statement that is prepared first is two.
func TestProxyCountsRoundTrips(t *testing.T) {
	u, err := url.Parse(pgtest.Empty(t))
	if err != nil {
		t.Fatal(err)
	}
	p, err := pgproxy.Start(u.Host)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = p.Address()
	conn, err := pgx.Connect(t.Context(), u.String())
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Trips(); got != 0 {
		t.Errorf("got %d round trips for connecting, want none counted", got)
	}
	batch := func() error {
		b := &pgx.Batch{}
		for range 100 {
			b.Queue(`select repeat('x', 1000)`)
		}
		return conn.SendBatch(t.Context(), b).Close()
	}
	for _, step := range []struct {
		name string
		do   func() error
		want int64
	}{
		{"simple query", func() error { _, err := conn.Exec(t.Context(), `select 1`); return err }, 1},
		{"first batch", batch, 2},
		{"second batch", batch, 1},
		{"transaction", func() error {
			return pgx.BeginFunc(t.Context(), conn, func(pgx.Tx) error { return nil })
		}, 2},
	} {
		before := p.Trips()
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		if got := p.Trips() - before; got != step.want {
			t.Errorf("%s: got %d round trips, want %d", step.name, got, step.want)
		}
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}
