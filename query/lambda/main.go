// Command lambda is query as an AWS Lambda function behind API Gateway, a function URL or a load balancer. It promises
// to start while the store is away, and then to say so to its callers.
package main

import (
	"context"
	"net/http"

	"github.com/ausbizconsulting/referral-fhir-server/query"
	"github.com/ausbizconsulting/referral-fhir-server/shared/awslambda"
	"github.com/ausbizconsulting/referral-fhir-server/shared/env"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
)

func main() { awslambda.Main("query", start) }

func start(_ context.Context, v *env.Settings) (any, error) {
	baseURL, store, cors := v.BaseURL(), awslambda.Store(v, awslambda.AWS, postgres.RoleQuery), fhirhttp.CORSFromSettings(v)
	t := awslambda.Telemetry(v, "query", store)
	c := query.Config{
		Authenticate: awslambda.Clients(v, baseURL).Authenticate, Keys: awslambda.Keys(v, awslambda.AWS),
		BaseURL: baseURL, HTTP: fhirhttp.Server{Log: t.Log, Metrics: t.Metrics, Tracer: t.Tracer},
		MaxBody: int64(v.MaxBody()), MaxEntries: v.MaxEntries(),
	}
	if err := v.Err(); err != nil {
		return nil, err
	}
	c.Store, c.Await = store, store.Await
	mux := http.NewServeMux()
	query.New(c).Register(mux)
	fhirhttp.RegisterHealth(mux, fhirhttp.Parts{"store": store.Ready})
	return awslambda.Flushing(awslambda.Handle(cors.Handler(c.HTTP.Routes(mux))), t), nil
}
