// Command server runs the whole Referral FHIR Server in one process: ingest, queue, processor, query and, unless
// told of others, its own PostgreSQL. It is what `make run` starts. Told to, it does without the queue: then ingest gives
// processor each message itself and answers when that has settled.
//
// It promises that the parts work as they do in production (the SQS client speaks to a real endpoint, the processor
// gets SQS events and reports failures by item), that what it started is stopped again, in two steps, and that its
// development clients are known on loopback only.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/env"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "server:", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	vars := env.Read(os.LookupEnv)
	settings := readSettings(vars)
	if err := vars.Err(); err != nil {
		return err
	}
	settings.collectSeldom()
	defer settings.flushLog()
	s, err := start(ctx, settings, settings.log)
	switch {
	case ctx.Err() != nil && err != nil: // stopped while it was starting
		return nil
	case err != nil:
		return err
	}
	select {
	case <-s.settling:
	case <-time.After(storePatience):
	case err = <-s.failed:
	case <-ctx.Done():
	}
	if err == nil && ctx.Err() == nil {
		fmt.Print(s.banner())
		select {
		case err = <-s.failed:
		case <-ctx.Done():
		}
	}
	stop() // a second signal ends the process at once; what it had not finished is delivered again
	fmt.Println("Stopping: what is in progress is finished first.")
	return errors.Join(err, s.stop())
}

// flushLog writes the lines that are left, if standard error takes them soon.
func (s settings) flushLog() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s.stderr.Flush(ctx)
}

// storePatience is how long a newcomer waits for the store before being told where everything is without it.
const storePatience = 5 * time.Second
