// Command lambda archives the dead letters, as referralctl dlq archive does, as an AWS Lambda function on a schedule: SQS
// forgets a message 14 days after it was first sent. It promises that an invocation that succeeds has read back a copy of
// each letter that it saw. The letters stay in their queue, for an operator.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/dlq"
	"github.com/ausbizconsulting/referral-fhir-server/shared/awslambda"
	"github.com/ausbizconsulting/referral-fhir-server/shared/blob"
	"github.com/ausbizconsulting/referral-fhir-server/shared/env"
)

func main() { awslambda.Main("archiver", start) }

func start(ctx context.Context, v *env.Settings) (any, error) {
	queueURL := v.URL("REFERRAL_DEAD_LETTER_QUEUE_URL", "")
	archive, claims := v.String("REFERRAL_ARCHIVE_BUCKET", ""), v.String("REFERRAL_BLOB_BUCKET", "")
	v.Require("REFERRAL_ARCHIVE_BUCKET", "REFERRAL_BLOB_BUCKET")
	log := awslambda.Log(v, os.Stderr)
	if err := v.Err(); err != nil {
		return nil, err
	}
	aws, err := awslambda.AWS(ctx)
	if err != nil {
		return nil, err
	}
	buckets := s3.NewFromConfig(aws)
	letters := &dlq.Queue{Client: sqs.NewFromConfig(aws), URL: queueURL.String()}
	to := dlq.Archive{Store: blob.OpenS3(buckets, archive), Claims: blob.OpenS3(buckets, claims)}
	return func(ctx context.Context) error { // a function has one event in hand, and so has letters
		archived, lost := 0, 0
		err := letters.Archive(ctx, dlq.Filter{}, 0, to, func(a dlq.Archived) {
			archived++
			if a.LostClaim {
				lost++
			}
		})
		log.LogAttrs(ctx, slog.LevelInfo, "archive", slog.Int("letters", archived), slog.Int("lostClaims", lost))
		if err != nil {
			return fmt.Errorf("archive after %d letters: %w", archived, err)
		}
		return nil
	}, nil
}
