// Command bench measures the whole server on this machine and prints one table: what a core validates, what is
// accepted and settled a second and how long that takes, round trips, allocations, reads, start, memory and storage,
// and beside it the floors that PostgreSQL sets in the same run: one commit, and the same rows inserted in batches and
// nothing else. Eight organisations, known to the server by a client registry of the run's own, send to each other.
//
// Client, queue, server and PostgreSQL share the machine, so that only ratios within one run say much. It is bounded in
// time and leaves nothing behind.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	binary := flag.String("server", "build/server", "the server to measure")
	out := flag.String("json", "", "write the results to this file, too")
	old := flag.String("old", "", "compare with the results in this file")
	each := flag.Duration("each", 5*time.Second, "time for one measurement")
	resources := flag.Int("resources", 0, "measure reads of a store with so many resources, and nothing else")
	flag.Parse()

	var before []Row
	if *old != "" {
		content, err := os.ReadFile(*old)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(content, &before); err != nil {
			return fmt.Errorf("%s: %w", *old, err)
		}
	}
	rows, err := measure(ctx, *binary, *each, *resources)
	if err != nil {
		return err
	}
	fmt.Print(table(rows, before))
	if *out == "" {
		return nil
	}
	content, err := json.MarshalIndent(rows, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(*out, append(content, '\n'), 0o600)
}
