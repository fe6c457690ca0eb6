// Package sqsqueue puts messages on Amazon SQS.
//
// It promises that Send returns nil only after SQS has acknowledged the very bytes that were sent. It leaves
// receiving to Lambda's event source mapping, and on one machine to package eventsource.
package sqsqueue

import (
	"context"
	"fmt"
	"strconv"

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
	maxSize int
}

// Open reads the queue's MaximumMessageSize, in bytes of body and attributes (SQS message quotas).
func Open(ctx context.Context, client Client, url string) (*Queue, error) {
	out, err := client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameMaximumMessageSize},
	})
	if err != nil {
		return nil, fmt.Errorf("open queue: %w", err)
	}
	size, err := strconv.Atoi(out.Attributes[string(types.QueueAttributeNameMaximumMessageSize)])
	if err != nil {
		return nil, fmt.Errorf("open queue: MaximumMessageSize: %w", err)
	}
	return &Queue{client: client, url: url, maxSize: size}, nil
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
	if size > q.maxSize {
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
