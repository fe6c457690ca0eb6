package eventsource

import (
	"context"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

const (
	deleteAttempts = 3
	deleteTimeout  = 10 * time.Second // for all attempts together
	lastDeletes    = time.Second      // for those under way, or still to come, when work is cancelled
)

// delete deletes settled messages, trying again those that were not. Their work is done, so it goes on for a
// moment when work is cancelled; what remains then is delivered again.
func (m *mapping) delete(work context.Context, done []types.Message) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(work), deleteTimeout)
	defer cancel()
	cancelled := context.AfterFunc(work, func() { time.AfterFunc(lastDeletes, cancel) })
	defer cancelled()
	pause := newBackoff()
	for attempt := 1; ; attempt++ {
		var err error
		if done, err = m.deleteOnce(ctx, done); len(done) == 0 {
			return
		}
		if attempt == deleteAttempts || ctx.Err() != nil {
			m.Log.Warn("settled messages not deleted, they will be delivered again", "messages", len(done), "error", err)
			return
		}
		pause.wait(ctx)
	}
}

// deleteOnce gives the messages that could not be deleted, and why if the whole call failed.
func (m *mapping) deleteOnce(ctx context.Context, done []types.Message) ([]types.Message, error) {
	entries := make([]types.DeleteMessageBatchRequestEntry, len(done))
	for i, msg := range done {
		entries[i] = types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: msg.ReceiptHandle}
	}
	out, err := m.Client.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &m.QueueURL, Entries: entries})
	if err != nil {
		return done, err
	}
	var left []types.Message
	for _, f := range out.Failed {
		if i, err := strconv.Atoi(aws.ToString(f.Id)); err == nil && i >= 0 && i < len(done) {
			left = append(left, done[i])
		}
	}
	return left, nil
}
