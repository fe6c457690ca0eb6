// Command lambda is ingest as an AWS Lambda function behind API Gateway, a function URL or a load balancer. It
// promises to start while the queue is away, and then to say so to its callers.
package main

import (
	"context"
	"net/http"
	"os"

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

func main() { awslambda.Main("ingest", start) }

func start(ctx context.Context, v *env.Settings) (any, error) {
	baseURL, queueURL := v.BaseURL(), v.QueueURL()
	bucket, dir := v.String("REFERRAL_BLOB_BUCKET", ""), v.String("REFERRAL_BLOB_DIR", "")
	profiles := schemas.Config{Defaults: schemas.Mode(v.ProfileDefaults()), Base: baseURL.JoinPath("fhir").String()}
	var err error
	if profiles.Packages, err = schemas.Packages(v.ProfilePackages()...); err != nil {
		v.Wrong("REFERRAL_PROFILE_PACKAGES", "FHIR packages, folders or .tgz, separated by commas: "+err.Error())
	}
	c := ingest.Config{
		Authenticate: awslambda.Clients(v, baseURL).Authenticate, Schemas: schemas.New(profiles), Keys: awslambda.Keys(v),
		BaseURL: baseURL, HTTP: fhirhttp.Server{Log: awslambda.Log(v, os.Stderr)},
		MaxBody: int64(v.MaxBody()), MaxEntries: v.MaxEntries(), MaxWork: int64(v.MaxWork()),
	}
	if err := v.Err(); err != nil {
		return nil, err
	}
	aws, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	if c.Blobs, err = blob.Open(aws, bucket, dir); err != nil {
		return nil, err
	}
	referrals := sqsqueue.New(sqs.NewFromConfig(aws), queueURL.String())
	c.Queue = referrals
	mux := http.NewServeMux()
	ingest.New(c).Register(mux)
	fhirhttp.RegisterHealth(mux, fhirhttp.Parts{"queue": referrals.Ready})
	return awslambda.Handle(c.HTTP.Routes(mux)), nil
}
