package main

import (
	"context"
	"encoding/base64"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/shared/env/envtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

// TestSealer: what is old enough is sealed once, by however many invocations.
func TestSealer(t *testing.T) {
	url := pgtest.New(t)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	_, err = conn.Exec(t.Context(), `insert into audit (recorded, org, client, action, outcome, entity)
		select now() - interval '1 hour', 'operator', 'c', 'E', '0', 'x' from generate_series(1, 3)`)
	if err != nil {
		t.Fatal(err)
	}
	key := base64.StdEncoding.EncodeToString(make([]byte, 32))
	handler, err := start(t.Context(), envtest.Settings(map[string]string{"DATABASE_URL": url, "REFERRAL_KD": key, "REFERRAL_KM": key}))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := handler.(func(context.Context) error)(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	var seals, rows int
	if err := conn.QueryRow(t.Context(), `select count(*), sum(rows) from audit_seal`).Scan(&seals, &rows); err != nil || seals != 1 || rows != 3 {
		t.Errorf("got %d seals of %d rows, error %v; want one of 3", seals, rows, err)
	}
}

func TestEverySettingIsNeeded(t *testing.T) {
	_, err := start(t.Context(), envtest.Settings(nil))
	for _, name := range []string{"DATABASE_URL", "REFERRAL_KD", "REFERRAL_KM"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got error %v, want that it names %s", err, name)
		}
	}
}
