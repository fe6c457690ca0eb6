package sqsqueue

import (
	"context"
	"fmt"
	"strconv"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Sender is what DeadLetter needs of *sqs.Client.
type Sender interface {
	SendMessage(context.Context, *sqs.SendMessageInput, ...func(*sqs.Options)) (*sqs.SendMessageOutput, error)
}

const (
	maxAttributes  = 10  // of a message (SQS message quotas)
	deadLetterRoom = 128 // bytes of Class, Code and Attempts with their types, and some to spare
)

// DeadLetter returns a function that sends a received message to the dead-letter queue at url: body, attributes and
// message group as they are, beside the attributes Class and Code, which say why, and Attempts, how often it was tried.
// When it returns nil, SQS has acknowledged it; after an error nobody knows, and sending it once more is harmless. Of more
// than seven attributes, which ingest never gives a message, some are left out. It is safe for concurrent use.
func DeadLetter(client Sender, url string) func(ctx context.Context, record *events.SQSMessage, class, code string, attempts int) error {
	return func(ctx context.Context, record *events.SQSMessage, class, code string, attempts int) error {
		attributes := map[string]types.MessageAttributeValue{
			"Class": text(class), "Code": text(code),
			"Attempts": {DataType: aws.String("Number"), StringValue: aws.String(strconv.Itoa(attempts))},
		}
		for name, a := range record.MessageAttributes {
			if _, ours := attributes[name]; !ours && len(attributes) < maxAttributes {
				attributes[name] = types.MessageAttributeValue{DataType: aws.String(a.DataType), StringValue: a.StringValue, BinaryValue: a.BinaryValue}
			}
		}
		in := &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &record.Body, MessageAttributes: attributes}
		if group := record.Attributes[string(types.MessageSystemAttributeNameMessageGroupId)]; group != "" {
			in.MessageGroupId = &group
		}
		if trace := record.Attributes[string(types.MessageSystemAttributeNameAWSTraceHeader)]; trace != "" {
			in.MessageSystemAttributes = map[string]types.MessageSystemAttributeValue{
				string(types.MessageSystemAttributeNameForSendsAWSTraceHeader): {DataType: aws.String("String"), StringValue: &trace},
			}
		}
		if _, err := client.SendMessage(ctx, in); err != nil {
			return fmt.Errorf("send dead letter: %w", err)
		}
		return nil
	}
}
