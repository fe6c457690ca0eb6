// Command lambda is ingest as an AWS Lambda function behind API Gateway, a function URL or a load balancer. It
// promises to start while the queue is away, and then to say so to its callers. It needs the store for callers who wait
// only (Prefer: wait), and does without when that is away.
package main

import (
	"context"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/ausbizconsulting/referral-fhir-server/ingest"
	"github.com/ausbizconsulting/referral-fhir-server/schemas"
	"github.com/ausbizconsulting/referral-fhir-server/shared/answer"
	"github.com/ausbizconsulting/referral-fhir-server/shared/awslambda"
	"github.com/ausbizconsulting/referral-fhir-server/shared/awslambda/profiles"
	"github.com/ausbizconsulting/referral-fhir-server/shared/blob"
	"github.com/ausbizconsulting/referral-fhir-server/shared/env"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue/sqsqueue"
)

func main() { awslambda.Main("ingest", start) }

func start(ctx context.Context, v *env.Settings) (any, error) {
	baseURL, queueURL := v.BaseURL(), v.QueueURL()
	store, cors := awslambda.OptionalStore(v, awslambda.AWS, postgres.RoleQuery), fhirhttp.CORSFromSettings(v)
	bucket, dir := v.String("REFERRAL_BLOB_BUCKET", ""), v.String("REFERRAL_BLOB_DIR", "")
	t := awslambda.Telemetry(v, "ingest", store)
	clients := awslambda.Clients(v, baseURL)
	c := ingest.Config{
		Authenticate: clients.Authenticate, Knows: clients.Knows, Schemas: schemas.New(profiles.Read(v, baseURL)), Keys: awslambda.Keys(v, awslambda.AWS),
		BaseURL: baseURL, HTTP: fhirhttp.Server{Log: t.Log, Metrics: t.Metrics, Tracer: t.Tracer}, DefaultWait: v.DefaultWait(0),
		MaxBody: int64(v.MaxBody()), MaxEntries: v.MaxEntries(), MaxWork: int64(v.MaxWork()),
	}
	if c.DefaultWait > 0 && store == nil {
		v.Wrong("REFERRAL_DEFAULT_WAIT", "0s without DATABASE_URL or REFERRAL_DATABASE_SECRET")
	}
	if err := v.Err(); err != nil {
		return nil, err
	}
	aws, err := awslambda.AWS(ctx)
	if err != nil {
		return nil, err
	}
	if c.Blobs, err = blob.Open(aws, bucket, dir); err != nil {
		return nil, err
	}
	referrals := sqsqueue.New(sqs.NewFromConfig(aws), queueURL.String())
	c.Queue = referrals
	if store != nil { // whoever waits is answered out of it; nothing is accepted with its help
		c.Await = answer.Answers{Store: store, Keys: c.Keys, BaseURL: baseURL}.Await(store.Await)
	}
	mux := http.NewServeMux()
	ingest.New(c).Register(mux)
	fhirhttp.RegisterHealth(mux, fhirhttp.Parts{"queue": referrals.Ready})
	return awslambda.Flushing(awslambda.Handle(cors.Handler(c.HTTP.Routes(mux))), t), nil
}
