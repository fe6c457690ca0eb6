package postgres

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// listener hears what PostgreSQL tells on channel, on one connection for all who wait. It connects when the first of
// them joins and closes the connection a moment after the last has left.
type listener struct {
	config          *pgx.ConnConfig
	beforeConnect   func(context.Context, *pgx.ConnConfig) error // Config's
	polling, silent rhythm                                       // of those who wait: without the connection, and with it
	ctx             context.Context                              // ends with the DB
	cancel          context.CancelFunc
	running         sync.WaitGroup // run

	mu        sync.Mutex
	waiters   map[*waiter]struct{} // guarded by mu, like all below
	isRunning bool
	listening bool               // whether those who wait are told
	interrupt context.CancelFunc // of what run waits for
}

// waiter waits for one payload.
type waiter struct {
	payload string
	look    chan struct{} // holds one when it was told, and when whether it is told has changed
}

// rhythm is how often somebody who waits looks: the pause doubles.
type rhythm struct{ first, longest time.Duration }

const (
	linger       = time.Second      // of a connection that nobody needs: often somebody does again
	silence      = 15 * time.Second // after which a connection has to show that it is not dead
	firstRetry   = 100 * time.Millisecond
	longestRetry = 5 * time.Second
)

// newListener returns a listener that connects as config and beforeConnect say.
func newListener(config *pgx.ConnConfig, beforeConnect func(context.Context, *pgx.ConnConfig) error) *listener {
	l := &listener{
		config: config.Copy(), beforeConnect: beforeConnect,
		polling: rhythm{10 * time.Millisecond, 250 * time.Millisecond},
		// Those who listen look all the same: not every settlement is told of (Settlement.Awaited), and a proxy before
		// PostgreSQL may keep to itself what it is told.
		silent:    rhythm{100 * time.Millisecond, time.Second},
		waiters:   map[*waiter]struct{}{},
		interrupt: func() {},
	}
	l.config.RuntimeParams["application_name"] += " listening"
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// close ends the connection and waits for that. Those who wait go on without.
func (l *listener) close() {
	l.mu.Lock()
	l.cancel()
	l.mu.Unlock()
	l.running.Wait()
}

// join returns a waiter that is told to look once the connection listens, whatever settled before, and whenever payload
// is told.
func (l *listener) join(payload string) *waiter {
	w := &waiter{payload: payload, look: make(chan struct{}, 1)}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiters[w] = struct{}{}; len(l.waiters) == 1 {
		l.interrupt()
	}
	if l.listening {
		w.tell()
	}
	if !l.isRunning && l.ctx.Err() == nil {
		l.isRunning = true
		l.running.Go(l.run)
	}
	return w
}

func (l *listener) leave(w *waiter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if delete(l.waiters, w); len(l.waiters) == 0 {
		l.interrupt()
	}
}

// rhythm is how often whoever waits should look now.
func (l *listener) rhythm() rhythm {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.listening {
		return l.silent
	}
	return l.polling
}

// run connects and listens for as long as somebody waits. What is wrong with the store, those who wait see themselves.
func (l *listener) run() {
	for retry := firstRetry; l.isWanted(); retry = min(2*retry, longestRetry) {
		conn, err := l.connect()
		if err == nil {
			if l.hear(conn) {
				retry = firstRetry
			}
			l.setListening(false)
			disconnect(conn)
		}
		pause, cancel, idle := l.await(retry)
		if !idle {
			<-pause.Done()
		}
		cancel()
	}
}

func (l *listener) connect() (*pgx.Conn, error) {
	config := l.config.Copy()
	if l.beforeConnect != nil {
		if err := l.beforeConnect(l.ctx, config); err != nil {
			return nil, err
		}
	}
	return pgx.ConnectConfig(l.ctx, config)
}

// isWanted tells whether run should go on.
func (l *listener) isWanted() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.isRunning = len(l.waiters) > 0 && l.ctx.Err() == nil
	return l.isRunning
}

// hear tells those who wait what it hears on conn, until the connection breaks or nobody has waited for a while. heard
// is false when it never listened.
func (l *listener) hear(conn *pgx.Conn) (heard bool) {
	if _, err := conn.Exec(l.ctx, "listen "+channel); err != nil {
		return false
	}
	alive := false // while nobody waited it may have died: a Lambda function sleeps between events
	for {
		wait, cancel, idle := l.await(silence)
		if !idle && !alive {
			if alive = l.isAlive(conn); !alive {
				cancel()
				return heard
			}
			heard = true
			l.setListening(true)
		}
		notification, err := conn.WaitForNotification(wait)
		broken, timedOut := err != nil && wait.Err() == nil, errors.Is(wait.Err(), context.DeadlineExceeded)
		cancel()
		if notification != nil {
			l.tell(notification.Payload)
		}
		if broken || l.ctx.Err() != nil || idle && timedOut {
			return heard
		}
		alive = !idle && !timedOut
	}
}

// await returns a context that ends after d, or when the first joins or the last leaves. While nobody waits idle is
// true, nobody is told, and the context ends after linger.
func (l *listener) await(d time.Duration) (ctx context.Context, cancel context.CancelFunc, idle bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if idle = len(l.waiters) == 0; idle {
		l.listening, d = false, linger
	}
	ctx, l.interrupt = context.WithTimeout(l.ctx, d)
	return ctx, l.interrupt, idle
}

// setListening lets all who wait look: what settled while nobody listened they were not told.
func (l *listener) setListening(listening bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.listening = listening
	for w := range l.waiters {
		w.tell()
	}
}

func (l *listener) tell(payload string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for w := range l.waiters {
		if w.payload == payload {
			w.tell()
		}
	}
}

func (w *waiter) tell() {
	select {
	case w.look <- struct{}{}:
	default: // it has not looked since
	}
}

func (l *listener) isAlive(conn *pgx.Conn) bool {
	ctx, cancel := context.WithTimeout(l.ctx, aliveTimeout)
	defer cancel()
	return conn.Ping(ctx) == nil
}

func disconnect(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), aliveTimeout)
	defer cancel()
	conn.Close(ctx) // how it ends is of no interest
}
