package eventsource

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"math"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// Direct stands where senders have the client of a queue, and there is none: a message is sent when the handler has
// settled it, in an invocation of its own. A message may be of any size. Nothing is kept: what failed is its sender's
// to send again. It is safe for concurrent use.
type Direct struct{ mapping mapping }

// NewDirect returns a Direct that invokes handler for no longer than timeout at a time.
func NewDirect(handler Handler, timeout time.Duration, log *slog.Logger) *Direct {
	return &Direct{mapping{Config: Config{Handler: handler, Timeout: timeout, Log: log}}}
}

// errFailed says no more than the handler does; why, it has logged.
var errFailed = errors.New("the message has not settled")

// SendMessage invokes the handler with one record, as the mapping makes it. The error says that the message may not
// have settled.
func (d *Direct) SendMessage(ctx context.Context, in *sqs.SendMessageInput, _ ...func(*sqs.Options)) (*sqs.SendMessageOutput, error) {
	var id referral.UUID
	rand.Read(id[:])
	now := strconv.FormatInt(time.Now().UnixMilli(), 10)
	message := types.Message{
		MessageId: aws.String(id.String()), ReceiptHandle: aws.String(id.String()), Body: in.MessageBody, MessageAttributes: in.MessageAttributes,
		Attributes: map[string]string{
			string(types.MessageSystemAttributeNameApproximateReceiveCount):          "1",
			string(types.MessageSystemAttributeNameSentTimestamp):                    now,
			string(types.MessageSystemAttributeNameApproximateFirstReceiveTimestamp): now,
			string(types.MessageSystemAttributeNameMessageGroupId):                   aws.ToString(in.MessageGroupId),
		},
	}
	messages := []types.Message{message}
	response, err := d.mapping.invoke(ctx, d.mapping.event(messages))
	if err != nil {
		return nil, err
	}
	if settled, err := succeeded(messages, response); err != nil {
		return nil, err
	} else if len(settled) == 0 {
		return nil, errFailed
	}
	return &sqs.SendMessageOutput{MessageId: message.MessageId}, nil
}

// GetQueueAttributes returns that messages are as large as they like.
func (d *Direct) GetQueueAttributes(context.Context, *sqs.GetQueueAttributesInput, ...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error) {
	return &sqs.GetQueueAttributesOutput{Attributes: map[string]string{
		string(types.QueueAttributeNameMaximumMessageSize): strconv.Itoa(math.MaxInt),
	}}, nil
}
