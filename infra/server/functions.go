package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"path/filepath"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/infra/eventsource"
	"github.com/ausbizconsulting/referral-fhir-server/infra/lambdahost"
	"github.com/ausbizconsulting/referral-fhir-server/ingest"
	"github.com/ausbizconsulting/referral-fhir-server/processor"
	"github.com/ausbizconsulting/referral-fhir-server/query"
	"github.com/ausbizconsulting/referral-fhir-server/schemas"
	"github.com/ausbizconsulting/referral-fhir-server/shared/answer"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue/sqsqueue"
)

// functions are ingest, processor and query, whoever hosts them: this process, or Lambda bootstraps that it runs.
type functions struct {
	api    *http.ServeMux      // ingest, query and health
	settle eventsource.Handler // processor
}

// invocationTimeout is for a batch: its joint transaction, which may take as long as one message, and what is then
// still to be settled one by one.
func invocationTimeout(message time.Duration) time.Duration { return 3 * message }

// visibilityTimeout is how long a received message is hidden. AWS asks for six times the invocation's time-out, to
// leave room for Lambda's own tries while it throttles the function. Here the poller that received a batch invokes the
// function at once and for no longer than that, so twice is ample, and what a crash had in hand comes back soon.
func visibilityTimeout(message time.Duration) time.Duration { return 2 * invocationTimeout(message) }

// backOff is how long a message waits that failed for the first time. What fails here is mostly a store that somebody
// restarts, and that is back in a second or two.
const backOff = 2 * time.Second

// gatewayTimeout is what API Gateway gives a function to answer a request.
const gatewayTimeout = 30 * time.Second

// directTimeout is for settling without a queue, while a client waits: less than serving allows for its answer.
const directTimeout = writeTimeout - 10*time.Second

func (s *server) functions(ctx context.Context, store postgres.Config) (functions, error) {
	reader, err := s.open(store, postgres.RoleQuery)
	if err != nil {
		return functions{}, err
	}
	f := functions{api: http.NewServeMux()}
	parts := fhirhttp.Parts{"store": func(ctx context.Context) error {
		if !s.isSettling() {
			return postgres.ErrUnavailable
		}
		return reader.Ready(ctx)
	}}
	if s.queue != nil {
		parts["queue"] = sqsqueue.New(s.queue.client, s.queue.url).Ready
	}
	fhirhttp.RegisterHealth(f.api, parts)
	if s.settings.lambdaDir != "" {
		return f, s.hostBootstraps(ctx, &f)
	}
	writer, err := s.open(store, postgres.RoleProcessor)
	if err != nil {
		return functions{}, err
	}
	profiles := s.settings.profiles
	profiles.Base = s.base.JoinPath("fhir").String()
	checker := schemas.New(profiles)
	settled := s.untilStopping(reader.Await)
	authenticate := s.limiter.Authenticate(s.settings.callers.Authenticate)
	settle := processor.Config{
		Store: writer, Blobs: s.blobs, Schemas: checker, Keys: s.keys, BaseURL: s.base, Log: s.log, Metrics: s.metrics, Tracer: s.settings.tracer,
		ItemTimeout: s.settings.messageTimeout,
	}
	accept := ingest.Config{
		Authenticate: authenticate, Knows: s.settings.callers.Knows, Blobs: s.blobs, Schemas: checker, Keys: s.keys,
		BaseURL: s.base, HTTP: s.http(), MaxBody: int64(s.settings.maxBody), MaxEntries: s.settings.maxEntries,
		MaxWork: int64(s.settings.maxWork), DefaultWait: s.settings.defaultWait,
		Await: answer.Answers{Store: reader, Keys: s.keys, BaseURL: s.base}.Await(settled),
	}
	if s.queue != nil {
		settle.Delay, settle.BackOff = sqsqueue.Delay(s.queue.client, s.queue.url), backOff
		settle.DeadLetter = sqsqueue.DeadLetter(s.queue.client, s.queue.deadLetterURL)
		f.settle = processor.New(settle).HandleSQS
		accept.Queue = sqsqueue.New(s.queue.client, s.queue.url)
	} else {
		settle.CreationWindow = -1 // what a request refers to has settled before that was answered
		f.settle = processor.New(settle).HandleSQS
		accept.SendTimeout = min(invocationTimeout(s.settings.messageTimeout), directTimeout)
		accept.Queue = sqsqueue.New(eventsource.NewDirect(f.settle, accept.SendTimeout, s.log), "")
	}
	ingest.New(accept).Register(f.api)
	query.New(query.Config{
		Authenticate: authenticate, Store: reader, Await: settled, Keys: s.keys, BaseURL: s.base, HTTP: s.http(),
		MaxBody: accept.MaxBody, MaxEntries: accept.MaxEntries,
	}).Register(f.api)
	return f, nil
}

func (s *server) http() fhirhttp.Server {
	return fhirhttp.Server{Log: s.log, Metrics: s.metrics, Tracer: s.settings.tracer}
}

// hostBootstraps runs the three functions as Lambda does, from what make lambda built.
func (s *server) hostBootstraps(ctx context.Context, f *functions) error {
	start := func(name string, timeout time.Duration) (*lambdahost.Function, error) {
		function, err := lambdahost.Start(ctx, lambdahost.Config{
			Bootstrap: filepath.Join(s.settings.lambdaDir, name, "bootstrap"), Env: s.environment(),
			Concurrency: s.settings.workers, Timeout: timeout, Log: s.log,
		})
		if err == nil {
			s.stops = append(s.stops, func() error { s.closeFunction(function); return nil })
		}
		return function, err
	}
	accept, err := start("ingest", gatewayTimeout)
	settle, err2 := start("processor", invocationTimeout(s.settings.messageTimeout))
	read, err3 := start("query", gatewayTimeout)
	if err := errors.Join(err, err2, err3); err != nil {
		return err
	}
	for _, route := range []string{
		"GET /fhir", "POST /fhir", "POST /fhir/{path...}", "PUT /fhir", "PUT /fhir/{path...}", "PATCH /fhir", "PATCH /fhir/{path...}",
		"DELETE /fhir", "DELETE /fhir/{path...}",
	} {
		f.api.Handle(route, lambdahost.HTTP(accept))
	}
	for _, route := range []string{
		"GET /fhir/{path...}", "POST /fhir/{type}/_search", "DELETE /fhir/_status/{id}", "GET /referrals", "GET /referrals/{path...}",
	} {
		f.api.Handle(route, lambdahost.HTTP(read))
	}
	f.settle = settle.HandleSQS
	return nil
}

// closeFunction ends a function that nobody calls any more. One that works on all the same, until its time-out, ends
// with this process.
func (s *server) closeFunction(f *lambdahost.Function) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if within(ctx, func() error { f.Close(); return nil }) != nil {
		s.log.Warn("function cut short", slog.String("function", f.Name))
	}
}
