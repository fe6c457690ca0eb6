package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/infra/localpg"
	"github.com/ausbizconsulting/referral-fhir-server/shared/blob"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/limit"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// server is all parts of the product in one process, in the order in which they were started.
type server struct {
	settings settings
	log      *slog.Logger
	metrics  *metrics
	pg       *localpg.Server // nil when both databases are others'
	stores   []*postgres.DB  // that are open
	blobs    *blob.Dir
	keys     *referral.Keys
	limiter  *limit.Limiter
	base     *url.URL
	api      string      // its address
	ops      string      // that of metrics and the start page
	queue    *localQueue // nil: there is none

	keySettings []string // the variables, as NAME=value, of keys

	settling chan struct{} // closed when the store is migrated and messages are delivered
	failed   chan error    // takes what the running server cannot go on with

	drains []func(context.Context) // take no new work and finish what is in progress until the context ends
	stops  []func() error          // of what was started
}

// start brings up the parts and returns when referrals are accepted, with or without the store, which joins as soon as
// it is there. When it fails, it has stopped what it had started.
func start(ctx context.Context, settings settings, log *slog.Logger) (_ *server, err error) {
	s := &server{
		settings: settings, log: log, limiter: limit.New(limit.Config{}),
		settling: make(chan struct{}), failed: make(chan error, 1),
	}
	s.metrics = newMetrics(settings.queue, s.storeConnections, settings.stderr.Dropped)
	s.stops = append(s.stops, s.flushTraces)
	defer func() {
		if err != nil {
			err = errors.Join(err, s.stop())
		}
	}()
	if err := s.settings.absolute(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(s.settings.dataDir, 0o755); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	// The ports first: the likeliest thing to be wrong, and the quickest to tell.
	api, err := s.listen("REFERRAL_ADDR", settings.address, settings.mayServe)
	if err != nil {
		return nil, err
	}
	ops, err := s.listen("REFERRAL_OPS_ADDR", settings.opsAddress, onLoopback)
	if err != nil {
		return nil, err
	}
	var sqs net.Listener
	if settings.queue != queueDirect {
		if sqs, err = s.listen("REFERRAL_SQS_ADDR", settings.sqsAddress, onLoopback); err != nil {
			return nil, err
		}
	}
	s.api, s.ops = api.Addr().String(), ops.Addr().String()
	if s.base = settings.baseURL; s.base == nil {
		s.base = &url.URL{Scheme: s.scheme(), Host: s.api}
	}
	if s.keys, s.keySettings, err = openKeys(s.settings); err != nil {
		return nil, err
	}
	if s.blobs, err = blob.OpenDir(filepath.Join(s.settings.dataDir, "blobs")); err != nil {
		return nil, err
	}
	s.stops = append(s.stops, s.blobs.Close)
	store, queueDB, err := s.databases(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.checkPools(ctx, store, queueDB); err != nil {
		return nil, err
	}
	if settings.queue != queueDirect {
		if err := s.checkDurable(ctx, postgres.Config{URL: queueDB}); err != nil {
			return nil, err
		}
		if s.queue, err = startQueue(ctx, sqs, queueDB, settings.queueConns, visibilityTimeout(settings.messageTimeout), log); err != nil {
			return nil, err
		}
		s.stops = append(s.stops, func() error { s.queue.close(); return nil })
	}
	f, err := s.functions(ctx, store)
	if err != nil {
		return nil, err
	}
	handler := s.settings.cors.Handler(s.limiter.Handler(s.http().Routes(f.api)))
	s.drains = append(s.drains, serve(fhirhttp.Refusals(s.overTLS(limit.Connections(api, s.settings.maxConnections)), log), handler, log))
	opsMux := http.NewServeMux()
	opsMux.Handle("GET /metrics", s.metrics.handler())
	registerPage(opsMux, s.base, s.queueName())
	s.drains = append(s.drains, serve(ops, opsMux, log))
	s.startSettling(ctx, store, queueDB, f.settle)
	return s, s.publishEnvironment()
}

// databases returns how the store is reached and the URL of the local queue's database, and starts PostgreSQL when one of
// them is needed and not given.
func (s *server) databases(ctx context.Context) (store postgres.Config, queueDB string, err error) {
	queueDB = s.settings.queueURL
	needed := map[string]*string{}
	if s.settings.store != nil {
		store = *s.settings.store
	} else {
		needed["referral"] = &store.URL
	}
	if queueDB == "" && s.settings.queue != queueDirect {
		needed["queue"] = &queueDB
	}
	if len(needed) > 0 {
		s.pg, err = localpg.Start(ctx, localpg.Config{
			Dir: filepath.Join(s.settings.dataDir, "postgres"), BinDir: s.settings.pgBinDir, Log: s.log,
		})
		if err != nil {
			return store, "", err
		}
	}
	for name, u := range needed {
		if err := s.pg.CreateDatabase(ctx, name); err != nil {
			return store, "", err
		}
		*u = s.pg.URL(name)
	}
	if s.settings.store == nil {
		s.settings.storeSettings = []string{"DATABASE_URL=" + store.URL}
	}
	return store, queueDB, nil
}

func (s *server) open(store postgres.Config, role string) (*postgres.DB, error) {
	store.Role, store.MaxConns = role, int32(s.settings.storeConns)
	db, err := postgres.Open(store)
	if err != nil {
		return nil, err
	}
	s.stops = append(s.stops, func() error { db.Close(); return nil })
	s.stores = append(s.stores, db)
	return db, nil
}

// storeConnections is how many connections to the store are open. It is asked for by whoever reads metrics, which are
// served after the last one is opened.
func (s *server) storeConnections() (n int) {
	for _, db := range s.stores {
		n += db.Connections()
	}
	return n
}

// flushTraces sends the spans that are left, if the collector takes them soon.
func (s *server) flushTraces() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s.settings.tracer.Flush(ctx)
	return nil
}

// banner tells a newcomer where everything is and what to paste.
func (s *server) banner() string {
	next := "Then follow the URL in Content-Location, with the same x-api-key."
	late := "Referrals are accepted meanwhile, and settle when it is."
	if s.queue == nil {
		next, late = "The answer says what was stored.", "What is sent before it is refused with 503."
	}
	note := ""
	if !s.isSettling() {
		note = "\nThe store is not there yet. " + late + "\n"
	}
	return fmt.Sprintf(`
Referral FHIR Server
  API      %[1]s/fhir
  Metrics  http://%[2]s/metrics
  SQS      %[3]s
  Data     %[4]s

Send a referral (paste this):

  curl -i%[7]s %[1]s/fhir -H 'x-api-key: dev-sender' -H 'Content-Type: application/fhir+json' \
    --data-binary @testdata/referrals/cardiology-referral.json

%[5]s Ctrl-C stops everything.
%[6]s`, s.base, s.ops, s.queueName(), s.settings.dataDir, next, note, s.curlOptions())
}

// queueName is the URL of the queue, or says that there is none.
func (s *server) queueName() string {
	if s.queue == nil {
		return "none, each request settles before it is answered (REFERRAL_QUEUE=direct)"
	}
	return s.queue.url
}
