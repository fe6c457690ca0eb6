package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/infra/eventsource"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
)

// startSettling migrates the store as soon as it is there, and then lets the event source mapping, if there is a queue,
// deliver messages to handler. Until then they wait in it. An error that waiting does not mend goes to s.failed.
func (s *server) startSettling(ctx context.Context, store postgres.Config, queueURL string, handler eventsource.Handler) {
	// It outlives ctx: what is in progress when the server stops is finished first.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() {
		err := s.migrate(ctx, store)
		if err == nil {
			err = s.checkPools(ctx, store, queueURL) // the store may not have been there when the server started
		}
		if err == nil {
			close(s.settling)
		}
		if err == nil && s.queue != nil {
			err = eventsource.Run(ctx, eventsource.Config{
				Client: s.queue.client, QueueURL: s.queue.url, Handler: handler, Concurrency: s.settings.workers, Gather: gather,
				// A function that is late is told so by its host.
				Timeout: invocationTimeout(s.settings.messageTimeout) + time.Second/2,
				Grace:   drainTimeout, Log: s.log,
			})
		}
		if err != nil && ctx.Err() == nil {
			s.failed <- err
		}
	})
	s.drains = append(s.drains, func(context.Context) { cancel(); running.Wait() })
}

// gather is how long referrals may gather in the queue while few come. One at a time, each costs twice the processor
// time that it costs in a batch of ten, and the sender of the next one waits for that.
const gather = 20 * time.Millisecond

// The pause before the store is tried again doubles from one to the other.
const (
	firstPause   = 100 * time.Millisecond
	longestPause = 2 * time.Second
)

// migrate brings the store to the newest migration, whenever it comes back and whoever has read a table for long, such as
// a dump, is done. It gives up for errors that have another reason.
func (s *server) migrate(ctx context.Context, store postgres.Config) error {
	away := false
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		_, err := postgres.Migrate(ctx, store)
		if err == nil {
			err = s.checkDurable(ctx, store)
		}
		switch {
		case err == nil && away:
			s.log.Info("the store is available")
			return nil
		case err == nil || ctx.Err() != nil || !errors.Is(err, postgres.ErrUnavailable) && !errors.Is(err, postgres.ErrBusy):
			return err
		case !away:
			s.log.Warn("the store is unavailable; nothing settles until it is there", slog.String("error", err.Error()))
			away = true
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// isSettling tells whether the store is migrated, so that messages are delivered.
func (s *server) isSettling() bool {
	select {
	case <-s.settling:
		return true
	default:
		return false
	}
}
