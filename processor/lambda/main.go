// Command lambda is processor as an AWS Lambda function behind an SQS event source mapping with
// ReportBatchItemFailures. It promises to report what failed before Lambda ends the invocation.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/ausbizconsulting/referral-fhir-server/processor"
	"github.com/ausbizconsulting/referral-fhir-server/shared/awslambda"
	"github.com/ausbizconsulting/referral-fhir-server/shared/blob"
	"github.com/ausbizconsulting/referral-fhir-server/shared/env"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue/sqsqueue"
)

func main() {
	p, err := newProcessor(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, "processor:", err)
		os.Exit(1)
	}
	lambda.Start(func(ctx context.Context, event events.SQSEvent) (events.SQSEventResponse, error) {
		// At its deadline Lambda kills the process, and the whole batch would count as failed.
		deadline, _ := ctx.Deadline() // the runtime sets one always
		ctx, cancel := context.WithDeadline(ctx, deadline.Add(-reportTime))
		defer cancel()
		return p.HandleSQS(ctx, event)
	})
}

// reportTime is kept of an invocation for reporting what it had no time for.
const reportTime = time.Second / 2

func newProcessor(ctx context.Context) (*processor.Processor, error) {
	v := env.Read(os.LookupEnv)
	log := awslambda.Log(v, os.Stderr)
	v.Require("DATABASE_URL")
	keys, queueURL, storeURL := awslambda.Keys(v), v.URL("REFERRAL_QUEUE_URL", ""), v.String("DATABASE_URL", "")
	messageTimeout := v.Duration("REFERRAL_MESSAGE_TIMEOUT", 5*time.Second, time.Second/2, 5*time.Minute)
	storeConns := v.Int("REFERRAL_STORE_CONNECTIONS", 2, 1, 64) // a function settles one message at a time
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
	store, err := postgres.Open(postgres.Config{URL: storeURL, Role: postgres.RoleProcessor, MaxConns: int32(storeConns)})
	if err != nil {
		return nil, err
	}
	return processor.New(processor.Config{
		Store: store, Blobs: blobs, Keys: keys, Log: log, ItemTimeout: messageTimeout,
		Delay: sqsqueue.Delay(sqs.NewFromConfig(aws), queueURL.String()),
	}), nil
}
