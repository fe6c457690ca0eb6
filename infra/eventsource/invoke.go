package eventsource

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// settle invokes the handler with one batch and deletes what succeeded.
func (m *mapping) settle(work context.Context, messages []types.Message) {
	begin := time.Now()
	response, err := m.invoke(work, m.event(messages))
	var done []types.Message
	if err == nil {
		done, err = succeeded(messages, response)
	}
	failed := len(messages) - len(done)
	switch {
	case err != nil:
		m.Log.Error("invocation failed", "messages", len(messages), "duration_ms", time.Since(begin).Milliseconds(), "error", err)
	case failed > 0:
		m.Log.Warn("invocation reported failures", "messages", len(messages), "failed", failed, "duration_ms", time.Since(begin).Milliseconds())
	}
	if len(done) > 0 {
		m.delete(work, done)
	}
}

// invoke calls the handler. Past its timeout an invocation has failed whatever it returns, since Lambda
// would not have waited for that.
func (m *mapping) invoke(work context.Context, event events.SQSEvent) (response events.SQSEventResponse, err error) {
	ctx, cancel := context.WithTimeout(work, m.Timeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			// What was panicked with may quote a message; its type and the stack do not.
			m.Log.Error("handler panicked", "type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
			err = errors.New("handler panicked")
		}
	}()
	response, err = m.Handler(ctx, event)
	if err == nil {
		err = ctx.Err()
	}
	return response, err
}

// event is the batch as Lambda would give it to the function.
func (m *mapping) event(messages []types.Message) events.SQSEvent {
	event := events.SQSEvent{Records: make([]events.SQSMessage, 0, len(messages))}
	for _, msg := range messages {
		attributes := make(map[string]events.SQSMessageAttribute, len(msg.MessageAttributes))
		for name, a := range msg.MessageAttributes {
			attributes[name] = events.SQSMessageAttribute{
				StringValue:      a.StringValue,
				BinaryValue:      a.BinaryValue,
				StringListValues: []string{},
				BinaryListValues: [][]byte{},
				DataType:         aws.ToString(a.DataType),
			}
		}
		event.Records = append(event.Records, events.SQSMessage{
			MessageId:              aws.ToString(msg.MessageId),
			ReceiptHandle:          aws.ToString(msg.ReceiptHandle),
			Body:                   aws.ToString(msg.Body),
			Md5OfBody:              aws.ToString(msg.MD5OfBody),
			Md5OfMessageAttributes: aws.ToString(msg.MD5OfMessageAttributes),
			Attributes:             msg.Attributes,
			MessageAttributes:      attributes,
			EventSource:            "aws:sqs",
			EventSourceARN:         m.arn,
			AWSRegion:              m.region,
		})
	}
	return event
}

// succeeded are the messages that the response does not name. A failure that names none of them makes the
// response worthless: nothing has succeeded then.
func succeeded(messages []types.Message, response events.SQSEventResponse) ([]types.Message, error) {
	failed := make(map[string]bool, len(messages))
	for _, msg := range messages {
		failed[aws.ToString(msg.MessageId)] = false
	}
	for _, f := range response.BatchItemFailures {
		if _, known := failed[f.ItemIdentifier]; !known || f.ItemIdentifier == "" {
			return nil, errors.New("batchItemFailures names a message that is not in the batch")
		}
		failed[f.ItemIdentifier] = true
	}
	var done []types.Message
	for _, msg := range messages {
		if !failed[aws.ToString(msg.MessageId)] {
			done = append(done, msg)
		}
	}
	return done, nil
}
