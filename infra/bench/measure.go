package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/generate"
	"github.com/ausbizconsulting/referral-fhir-server/schemas"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// entries is the size of the referral that everything is measured with.
const entries = 15

// bench is a run: the stack, who uses it, and the rows so far.
type bench struct {
	*stack
	client        *client
	store         *pgxpool.Pool
	organisations []organisation
	each          time.Duration
	rows          []Row
	perSecond     float64 // Bundles settled end to end

	binary   string // the server
	dir      string // for what does not outlive the run
	registry string // NAME=value of the setting that makes organisations known
}

func (b *bench) add(name string, value float64, unit string) {
	b.rows = append(b.rows, Row{name, value, unit})
}

func measure(ctx context.Context, binary string, each time.Duration, resources int) (rows []Row, err error) {
	dir, err := os.MkdirTemp("", "referral-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	b := &bench{organisations: newOrganisations(), each: each, binary: binary, dir: dir}
	registry := filepath.Join(dir, "clients.json")
	if err := writeRegistry(registry, b.organisations); err != nil {
		return nil, err
	}
	b.registry = "REFERRAL_CLIENTS=" + registry
	data := filepath.Join(dir, "data")
	cold, err := startStack(ctx, binary, data, b.registry)
	if err != nil {
		return nil, err
	}
	if err := cold.stop(); err != nil {
		return nil, fmt.Errorf("stop: %w\n%s", err, cold.output)
	}
	if b.stack, err = startStack(ctx, binary, data, b.registry); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.stop()) }()
	b.client = newClient(b.base)
	if b.store, err = pgxpool.New(ctx, b.env["DATABASE_URL"]); err != nil {
		return nil, err
	}
	defer b.store.Close()
	b.add("start, cold data", cold.started.Seconds(), "s")
	b.add("start, warm data", b.started.Seconds(), "s")
	steps := []func(context.Context) error{b.validate, b.commit, b.accept, b.settle, b.trips, b.reads, b.size, b.floor}
	if resources > 0 {
		steps = []func(context.Context) error{b.fill(resources), b.reads, b.search}
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return b.rows, nil
}

// validate runs gate, schemas and profiles on one goroutine of this process.
func (b *bench) validate(context.Context) error {
	body := generate.New(1).Bundle(generate.Options{Entries: entries})
	validator := schemas.New(schemas.Config{})
	check := func() error {
		v, err := fhir.Parse(body, "Bundle", fhir.Limits{})
		if err != nil {
			return err
		}
		for _, issue := range validator.Check(v, "Bundle") {
			if issue.Fails() {
				return fmt.Errorf("a generated referral is invalid: %s at %s", issue.Details, issue.Expression)
			}
		}
		return nil
	}
	if err := check(); err != nil {
		return err
	}
	n, begin := 0, time.Now()
	for time.Since(begin) < b.each/2 {
		if err := check(); err != nil {
			return err
		}
		n++
	}
	b.add("validated, one core", float64(n)/time.Since(begin).Seconds(), "Bundles/s")
	b.add("allocations to validate", testing.AllocsPerRun(20, func() { _ = check() }), "a Bundle")
	b.add("size of a referral", float64(len(body))/1024, "KiB")
	return nil
}
