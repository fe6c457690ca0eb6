// Package sqsqueue puts messages on Amazon SQS.
//
// It promises that Send returns nil only after SQS has acknowledged the very bytes that were sent. It leaves
// receiving to Lambda's event source mapping, and on one machine to package eventsource; Delay and DeadLetter are for
// those who are given messages by them.
package sqsqueue

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
)

// Client is what a Queue needs of *sqs.Client.
type Client interface {
	SendMessage(context.Context, *sqs.SendMessageInput, ...func(*sqs.Options)) (*sqs.SendMessageOutput, error)
	GetQueueAttributes(context.Context, *sqs.GetQueueAttributesInput, ...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error)
}

// Queue sends to one standard queue. It is safe for concurrent use.
type Queue struct {
	client  Client
	url     string
	maxSize atomic.Int64 // 0 until it is known
}

// New returns a Queue that reads the queue's limit when it first sends: a queue that is away now may be there then.
func New(client Client, url string) *Queue { return &Queue{client: client, url: url} }

// limit is the queue's MaximumMessageSize, in bytes of body and attributes (SQS message quotas), less what the message
// gains as a dead letter.
func (q *Queue) limit(ctx context.Context) (int, error) {
	if size := q.maxSize.Load(); size > 0 {
		return int(size), nil
	}
	out, err := q.client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &q.url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameMaximumMessageSize},
	})
	if err != nil {
		return 0, err
	}
	size, err := strconv.Atoi(out.Attributes[string(types.QueueAttributeNameMaximumMessageSize)])
	if err != nil {
		return 0, fmt.Errorf("MaximumMessageSize: %w", err)
	}
	size -= deadLetterRoom
	q.maxSize.Store(int64(size))
	return size, nil
}

// Send stores m durably: when it returns nil, SQS has acknowledged it, and the client has compared SQS's MD5 of
// the body with its own. queue.ErrTooLarge means that nothing was sent; any other error means that nobody knows; sending the same message again is safe. Messages of
// one organisation share a MessageGroupId, so that a busy one does not delay the others (SQS fair queues).
func (q *Queue) Send(ctx context.Context, m *queue.Message) error {
	body, err := m.Encode()
	if err != nil {
		return err
	}
	attributes := map[string]types.MessageAttributeValue{"ReferralType": text(m.Type), "Org": text(m.Request.Org)}
	if m.TraceParent != "" {
		attributes["TraceParent"] = text(m.TraceParent)
	}
	size := len(body)
	for name, value := range attributes {
		size += len(name) + len(*value.DataType) + len(*value.StringValue)
	}
	limit, err := q.limit(ctx)
	if err != nil {
		return fmt.Errorf("send message: %w", err)
	}
	if size > limit {
		return queue.ErrTooLarge
	}
	if _, err = q.client.SendMessage(ctx, &sqs.SendMessageInput{
		QueueUrl: &q.url, MessageBody: &body, MessageAttributes: attributes, MessageGroupId: &m.Request.Org,
	}); err != nil {
		return fmt.Errorf("send message: %w", err)
	}
	return nil
}

// Ready tells whether the queue answers.
func (q *Queue) Ready(ctx context.Context) error {
	_, err := q.client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &q.url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn},
	})
	return err
}

func text(s string) types.MessageAttributeValue {
	return types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &s}
}
