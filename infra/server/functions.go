package main

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/infra/eventsource"
	"github.com/ausbizconsulting/referral-fhir-server/infra/lambdahost"
	"github.com/ausbizconsulting/referral-fhir-server/ingest"
	"github.com/ausbizconsulting/referral-fhir-server/processor"
	"github.com/ausbizconsulting/referral-fhir-server/query"
	"github.com/ausbizconsulting/referral-fhir-server/schemas"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue/sqsqueue"
)

// functions are ingest, processor and query, whoever hosts them: this process, or Lambda bootstraps that it runs.
type functions struct {
	api    *http.ServeMux      // ingest, query and health
	settle eventsource.Handler // processor
}

func (s *server) functions(ctx context.Context, storeURL string) (functions, error) {
	reader, err := s.open(storeURL, postgres.RoleQuery)
	if err != nil {
		return functions{}, err
	}
	referrals := sqsqueue.New(s.queue.client, s.queue.url)
	f := functions{api: http.NewServeMux()}
	fhirhttp.RegisterHealth(f.api, fhirhttp.Parts{"queue": referrals.Ready, "store": reader.Ready})
	if s.settings.lambdaDir != "" {
		return f, s.hostBootstraps(ctx, &f, storeURL)
	}
	writer, err := s.open(storeURL, postgres.RoleProcessor)
	if err != nil {
		return functions{}, err
	}
	clients := principal.Development()
	ingest.New(ingest.Config{
		Authenticate: clients.Authenticate, Queue: referrals, Blobs: s.blobs, Schemas: schemas.New(), Keys: s.keys,
		BaseURL: s.base, HTTP: s.http(), MaxBody: int64(s.settings.maxBody), MaxEntries: s.settings.maxEntries,
	}).Register(f.api)
	query.New(query.Config{
		Authenticate: clients.Authenticate, Store: reader, Keys: s.keys, BaseURL: s.base, HTTP: s.http(),
	}).Register(f.api)
	f.settle = processor.New(processor.Config{
		Store: writer, Blobs: s.blobs, Keys: s.keys, Log: s.log, Observe: s.metrics.delivery,
		Delay:       sqsqueue.Delay(s.queue.client, s.queue.url),
		ItemTimeout: s.settings.messageTimeout * 9 / 10, // before the invocation's own end
	}).HandleSQS
	return f, nil
}

func (s *server) http() fhirhttp.Server {
	return fhirhttp.Server{Log: s.log, Observe: s.metrics.request}
}

// hostBootstraps runs the three functions as Lambda does, from what make lambda built.
func (s *server) hostBootstraps(ctx context.Context, f *functions, storeURL string) error {
	start := func(name string) (*lambdahost.Function, error) {
		function, err := lambdahost.Start(ctx, lambdahost.Config{
			Bootstrap: filepath.Join(s.settings.lambdaDir, name, "bootstrap"), Env: s.environment(storeURL),
			Concurrency: s.settings.workers, Timeout: s.settings.messageTimeout, Log: s.log,
		})
		if err == nil {
			s.stops = append(s.stops, func() error { function.Close(); return nil })
		}
		return function, err
	}
	accept, err := start("ingest")
	settle, err2 := start("processor")
	read, err3 := start("query")
	if err := errors.Join(err, err2, err3); err != nil {
		return err
	}
	for _, route := range []string{"POST /fhir", "POST /fhir/{$}"} {
		f.api.Handle(route, lambdahost.HTTP(accept))
	}
	for _, route := range []string{"GET /fhir/{path...}", "POST /fhir/{type}/_search", "GET /referrals/{path...}"} {
		f.api.Handle(route, lambdahost.HTTP(read))
	}
	f.settle = settle.HandleSQS
	return nil
}

// startDelivery lets the event source mapping deliver messages to handler.
func (s *server) startDelivery(ctx context.Context, handler eventsource.Handler) {
	// The mapping outlives ctx: it is stopped in its turn, after the API.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	var failure error
	running.Go(func() {
		failure = eventsource.Run(ctx, eventsource.Config{
			Client: s.queue.client, QueueURL: s.queue.url, Handler: handler, Concurrency: s.settings.workers,
			Timeout: s.settings.messageTimeout + time.Second/2, // a function that is late is told so by its host
			Grace:   drainTimeout, Log: s.log,
		})
	})
	s.stops = append(s.stops, func() error { cancel(); running.Wait(); return failure })
}
