package sqsqueue_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/ausbizconsulting/referral-fhir-server/shared/queue/sqsqueue"
)

// fakeVisibility keeps the last change. It answers with err when that is not nil.
type fakeVisibility struct {
	last *sqs.ChangeMessageVisibilityInput
	err  error
}

func (f *fakeVisibility) ChangeMessageVisibility(_ context.Context, in *sqs.ChangeMessageVisibilityInput, _ ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityOutput, error) {
	f.last = in
	return &sqs.ChangeMessageVisibilityOutput{}, f.err
}

func TestDelay(t *testing.T) {
	client := &fakeVisibility{}
	delay := sqsqueue.Delay(client, queueURL)
	for d, want := range map[time.Duration]int32{
		time.Millisecond: 1, time.Second: 1, 1500 * time.Millisecond: 2, 15 * time.Minute: 900, 13 * time.Hour: 43200,
	} {
		if err := delay(t.Context(), "receipt", d); err != nil {
			t.Fatal(err)
		}
		if got := client.last.VisibilityTimeout; got != want || *client.last.QueueUrl != queueURL || *client.last.ReceiptHandle != "receipt" {
			t.Errorf("%v: got %+v, want %d s of the message", d, client.last, want)
		}
	}
	client.err = errors.New("away")
	if err := delay(t.Context(), "receipt", time.Second); !errors.Is(err, client.err) {
		t.Errorf("got error %v, want the queue's", err)
	}
}
