package pgproxy_test

import (
	"net/url"
	"os"
	"strings"
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

// TestProxyRewritesStatements: prepared or simple, with their parameters, and only while it is asked to.
func TestProxyRewritesStatements(t *testing.T) {
	u, err := url.Parse(pgtest.Empty(t))
	if err != nil {
		t.Fatal(err)
	}
	p, err := pgproxy.Start(u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	u.Host = p.Address()
	conn, err := pgx.Connect(t.Context(), u.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	for _, test := range []struct {
		name string
		with func(string) string
		want string
	}{
		{"longer", func(sql string) string { return strings.ReplaceAll(sql, "$1::text", "repeat($1::text, 3)") }, "aaa"},
		{"nobody is asked", nil, "a"},
	} {
		p.Rewrite(test.with)
		for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeExec, pgx.QueryExecModeDescribeExec} {
			var got string
			if err := conn.QueryRow(t.Context(), `select $1::text`, mode, "a").Scan(&got); err != nil || got != test.want {
				t.Errorf("%s, %v: got %q, %v, want %q", test.name, mode, got, err, test.want)
			}
		}
	}
	p.Rewrite(func(string) string { return "select 2" })
	var got int
	if err := conn.QueryRow(t.Context(), `select 1`, pgx.QueryExecModeSimpleProtocol).Scan(&got); err != nil || got != 2 {
		t.Errorf("simple: got %d, %v, want 2", got, err)
	}
}
