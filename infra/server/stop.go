package main

import (
	"context"
	"errors"
	"sync"
	"time"
)

// What stopping may take, counted from its beginning, whatever hangs: whoever waits for the end of a process, such as
// a container's host, kills it after ten seconds.
const (
	drainTimeout = 3 * time.Second // requests and messages in progress, all at the same time
	partsTimeout = 7 * time.Second // they, and closing what they used
	stopTimeout  = 9 * time.Second // and PostgreSQL
)

// stop takes no new requests and messages, lets those in progress finish, and then ends the parts, last started first.
// The SQS endpoint is one of the parts: until the others have ended they need it. The error joins those of the parts.
func (s *server) stop() error {
	all, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	parts, cancel := context.WithTimeout(all, partsTimeout)
	defer cancel()
	drained, cancel := context.WithTimeout(parts, drainTimeout)
	defer cancel()

	var draining sync.WaitGroup
	for _, drain := range s.drains {
		draining.Go(func() { drain(drained) })
	}
	errs := []error{within(parts, func() error { draining.Wait(); return nil })}
	for i := len(s.stops) - 1; i >= 0; i-- {
		errs = append(errs, within(parts, s.stops[i]))
	}
	if pg := s.pg; pg != nil {
		errs = append(errs, within(all, func() error { pg.Stop(); return nil }))
	}
	s.drains, s.stops, s.pg = nil, nil, nil
	return errors.Join(errs...)
}

var errCutShort = errors.New("a part did not end in time and was cut short; what it had in hand is delivered again")

// within returns when f has, or when ctx ends: f then goes on by itself, and ends with the process at the latest.
func within(ctx context.Context, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return errCutShort
	}
}
