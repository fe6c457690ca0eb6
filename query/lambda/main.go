// Command lambda is query as an AWS Lambda function behind API Gateway, a function URL or a load balancer. It promises
// to start while the store is away, and then to say so to its callers.
package main

import (
	"fmt"
	"net/http"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/ausbizconsulting/referral-fhir-server/query"
	"github.com/ausbizconsulting/referral-fhir-server/shared/awslambda"
	"github.com/ausbizconsulting/referral-fhir-server/shared/env"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
)

func main() {
	handler, err := newHandler()
	if err != nil {
		fmt.Fprintln(os.Stderr, "query:", err)
		os.Exit(1)
	}
	lambda.Start(handler)
}

func newHandler() (*awslambda.Handler, error) {
	v := env.Read(os.LookupEnv)
	server := fhirhttp.Server{Log: awslambda.Log(v, os.Stderr)}
	v.Require("DATABASE_URL")
	keys, baseURL, storeURL := awslambda.Keys(v), v.URL("REFERRAL_BASE_URL", ""), v.String("DATABASE_URL", "")
	storeConns := v.Int("REFERRAL_STORE_CONNECTIONS", 2, 1, 64) // a function answers one request at a time
	clients := awslambda.Clients(v, baseURL)
	if err := v.Err(); err != nil {
		return nil, err
	}
	store, err := postgres.Open(postgres.Config{URL: storeURL, Role: postgres.RoleQuery, MaxConns: int32(storeConns)})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	query.New(query.Config{
		Authenticate: clients.Authenticate, Store: store, Keys: keys, BaseURL: baseURL, HTTP: server,
	}).Register(mux)
	fhirhttp.RegisterHealth(mux, fhirhttp.Parts{"store": store.Ready})
	return awslambda.Handle(server.Routes(mux)), nil
}
