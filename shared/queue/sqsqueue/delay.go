package sqsqueue

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// VisibilityChanger is what Delay needs of *sqs.Client.
type VisibilityChanger interface {
	ChangeMessageVisibility(context.Context, *sqs.ChangeMessageVisibilityInput, ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityOutput, error)
}

// maxVisibility is how long SQS hides a message at most, from the time it was received (ChangeMessageVisibility).
const maxVisibility = 12 * time.Hour

// Delay returns a function that makes a received message of the queue at url visible again after d, in whole seconds,
// rounded up, and at most 12 hours. It is safe for concurrent use.
func Delay(client VisibilityChanger, url string) func(ctx context.Context, receiptHandle string, d time.Duration) error {
	return func(ctx context.Context, receiptHandle string, d time.Duration) error {
		seconds := math.Ceil(min(d, maxVisibility).Seconds())
		if _, err := client.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{
			QueueUrl: &url, ReceiptHandle: &receiptHandle, VisibilityTimeout: int32(seconds),
		}); err != nil {
			return fmt.Errorf("change message visibility: %w", err)
		}
		return nil
	}
}
