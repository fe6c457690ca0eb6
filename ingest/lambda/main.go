// Command lambda is ingest as an AWS Lambda function behind API Gateway, a function URL or a load balancer. It
// promises to start while the queue is away, and then to say so to its callers.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/ausbizconsulting/referral-fhir-server/ingest"
	"github.com/ausbizconsulting/referral-fhir-server/schemas"
	"github.com/ausbizconsulting/referral-fhir-server/shared/awslambda"
	"github.com/ausbizconsulting/referral-fhir-server/shared/blob"
	"github.com/ausbizconsulting/referral-fhir-server/shared/env"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue/sqsqueue"
)

func main() {
	handler, err := newHandler(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, "ingest:", err)
		os.Exit(1)
	}
	lambda.Start(handler)
}

func newHandler(ctx context.Context) (*awslambda.Handler, error) {
	v := env.Read(os.LookupEnv)
	server := fhirhttp.Server{Log: awslambda.Log(v, os.Stderr)}
	keys, queueURL, baseURL := awslambda.Keys(v), v.URL("REFERRAL_QUEUE_URL", ""), v.URL("REFERRAL_BASE_URL", "")
	maxBody, maxEntries := v.Int("REFERRAL_MAX_BODY", 4<<20, 1<<10, 4<<20), v.Int("REFERRAL_MAX_ENTRIES", 1000, 1, 1000)
	clients := awslambda.Clients(v, baseURL)
	bucket, blobDir := v.String("REFERRAL_BLOB_BUCKET", ""), v.String("REFERRAL_BLOB_DIR", "")
	if err := v.Err(); err != nil {
		return nil, err
	}
	aws, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("AWS configuration: %w", err)
	}
	blobs, err := blob.Open(aws, bucket, blobDir)
	if err != nil {
		return nil, err
	}
	referrals := sqsqueue.New(sqs.NewFromConfig(aws), queueURL.String())
	mux := http.NewServeMux()
	ingest.New(ingest.Config{
		Authenticate: clients.Authenticate, Queue: referrals, Blobs: blobs, Schemas: schemas.New(), Keys: keys,
		BaseURL: baseURL, HTTP: server, MaxBody: int64(maxBody), MaxEntries: maxEntries,
	}).Register(mux)
	fhirhttp.RegisterHealth(mux, fhirhttp.Parts{"queue": referrals.Ready})
	return awslambda.Handle(server.Routes(mux)), nil
}
