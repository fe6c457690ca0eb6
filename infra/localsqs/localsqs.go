// Package localsqs is Amazon SQS on one machine: its JSON protocol (AWS JSON 1.0) over PostgreSQL, for the
// unchanged AWS SDKs and CLI with an endpoint URL.
//
// It promises what standard queues promise, and a little more: a message is durable before SendMessage
// answers, is delivered at least once, is hidden while leased, comes back after its visibility timeout,
// and moves to the dead-letter queue when it was received maxReceiveCount times. Receives and deletes are
// not flushed to disk before they are answered: after a crash of PostgreSQL the worst is one more delivery.
// A message move task moves each message in one transaction, and goes on after a restart.
//
// It leaves out FIFO queues, policies and encryption (their attributes are kept but have no effect), and it
// does not check signatures: listen on loopback only. One Server at a time serves a database, since queue
// attributes and the waking of long polls are kept in the process.
//
// A test may let requests go wrong by Config.Faults.
package localsqs

import (
	"context"
	_ "embed"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// account is the AWS account that owns every queue; it is part of queue URLs and ARNs.
const account = "000000000000"

//go:embed schema.sql
var schema string

// Config is what a Server needs.
type Config struct {
	DB      *pgxpool.Pool    // required; the schema sqs in its database belongs to the Server. At least 4 connections.
	BaseURL *url.URL         // required; queue URLs start with it, e.g. http://127.0.0.1:9324
	Region  string           // of queue ARNs; empty means ap-southeast-2
	Log     *slog.Logger     // nil means slog.Default()
	Now     func() time.Time // nil means time.Now; decides visibility, delay and retention
	Faults  []Fault          // what goes wrong, for tests; nil means nothing
}

// Server answers SQS requests. It is an http.Handler, safe for concurrent use.
type Server struct {
	db      *pgxpool.Pool
	baseURL string
	region  string
	log     *slog.Logger
	now     func() time.Time
	script  script

	sends   chan *sendJob // to the writer, which lets concurrent sends share a commit
	closing chan struct{}
	closed  sync.Once
	work    sync.WaitGroup  // writer, sweeper and move tasks
	life    context.Context // of what they do in the database
	end     context.CancelFunc

	starting sync.Mutex // held to start a move task and to set closing: none starts while Close waits for work

	mu     sync.RWMutex
	queues map[string]*queue // by name; guarded by mu
}

// New creates the tables where they are missing, loads the queues and starts the background work that
// Close ends. It returns an error when the database cannot be reached or a Fault names no operation.
func New(ctx context.Context, c Config) (*Server, error) {
	script, err := newScript(c.Faults)
	if err != nil {
		return nil, err
	}
	s := &Server{
		db:      c.DB,
		baseURL: strings.TrimSuffix(c.BaseURL.String(), "/"),
		region:  c.Region,
		log:     c.Log,
		now:     c.Now,
		script:  script,
		sends:   make(chan *sendJob),
		closing: make(chan struct{}),
		queues:  make(map[string]*queue),
	}
	if s.region == "" {
		s.region = "ap-southeast-2"
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	if s.now == nil {
		s.now = time.Now
	}
	if _, err := s.db.Exec(ctx, schema); err != nil {
		return nil, fmt.Errorf("create sqs schema: %w", err)
	}
	if err := s.loadQueues(ctx); err != nil {
		return nil, err
	}
	// Stored or failed, an accepted send is answered: its work ends with Close, not with ctx.
	s.life, s.end = context.WithCancel(context.WithoutCancel(ctx))
	s.work.Go(s.writeSends)
	s.work.Go(s.sweep)
	if err := s.resumeMoves(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// closeTimeout is how long sends under way may take once the Server closes. They fail then, if the database hangs.
const closeTimeout = time.Second

// Close ends long polls with an empty answer, refuses further sends and receives, and returns when the
// sends under way are stored, or have failed after closeTimeout. Call it before shutting down the HTTP server, which
// waits for long polls.
func (s *Server) Close() {
	s.closed.Do(func() {
		s.starting.Lock()
		defer s.starting.Unlock()
		close(s.closing)
	})
	late := time.AfterFunc(closeTimeout, s.end)
	defer late.Stop()
	s.work.Wait()
	s.end()
}

// asyncCommit makes the transaction it runs in return before its commit is on disk.
const asyncCommit = `select set_config('synchronous_commit', 'off', true)`

// relaxed runs one statement in one round trip without waiting for the disk, and gives its rows to scan.
// A crash of PostgreSQL may undo it: fit for what only causes one more delivery then.
func (s *Server) relaxed(ctx context.Context, sql string, args []any, scan func(pgx.Rows) error) error {
	var batch pgx.Batch
	batch.Queue(asyncCommit)
	batch.Queue(sql, args...).Query(scan)
	return s.db.SendBatch(ctx, &batch).Close()
}
