// Command lambda is processor as an AWS Lambda function behind an SQS event source mapping with
// ReportBatchItemFailures. It promises to report what failed before Lambda ends the invocation.
package main

import (
	"context"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/ausbizconsulting/referral-fhir-server/processor"
	"github.com/ausbizconsulting/referral-fhir-server/schemas"
	"github.com/ausbizconsulting/referral-fhir-server/shared/awslambda"
	"github.com/ausbizconsulting/referral-fhir-server/shared/awslambda/profiles"
	"github.com/ausbizconsulting/referral-fhir-server/shared/blob"
	"github.com/ausbizconsulting/referral-fhir-server/shared/env"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue/sqsqueue"
)

func main() { awslambda.Main("processor", start) }

func start(ctx context.Context, v *env.Settings) (any, error) {
	queueURL, deadLetterURL := v.QueueURL(), v.URL("REFERRAL_DEAD_LETTER_QUEUE_URL", "")
	store := awslambda.Store(v, awslambda.AWS, postgres.RoleProcessor)
	bucket, dir := v.String("REFERRAL_BLOB_BUCKET", ""), v.String("REFERRAL_BLOB_DIR", "")
	baseURL := v.BaseURL()
	t := awslambda.Telemetry(v, "processor", store)
	c := processor.Config{
		Store: store, Keys: awslambda.Keys(v, awslambda.AWS), BaseURL: baseURL, Schemas: schemas.New(profiles.Read(v, baseURL)),
		Log: t.Log, Metrics: t.Metrics, Tracer: t.Tracer, ItemTimeout: v.MessageTimeout(),
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
	client := sqs.NewFromConfig(aws)
	c.Delay = sqsqueue.Delay(client, queueURL.String())
	c.DeadLetter = sqsqueue.DeadLetter(client, deadLetterURL.String())
	return awslambda.Flushing(inTime(processor.New(c).HandleSQS), t), nil
}

// reportTime is kept of an invocation for reporting what it had no time for.
const reportTime = time.Second / 2

// inTime gives handle less time than there is: at its deadline Lambda kills the process, and the whole batch would
// count as failed.
func inTime(handle func(context.Context, events.SQSEvent) (events.SQSEventResponse, error)) any {
	return func(ctx context.Context, event events.SQSEvent) (events.SQSEventResponse, error) {
		deadline, _ := ctx.Deadline() // the runtime sets one always
		ctx, cancel := context.WithDeadline(ctx, deadline.Add(-reportTime))
		defer cancel()
		return handle(ctx, event)
	}
}
