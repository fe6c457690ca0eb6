// Package eventsource is Lambda's event source mapping for SQS, in process: it polls a queue, invokes a
// handler with real SQS events, and deletes what the handler has settled.
//
// It keeps the rules of ReportBatchItemFailures (AWS Lambda Developer Guide, "Handling errors for an SQS
// event source"): an empty list of failures is success of the whole batch; an error, a panic, a timeout, or
// a failure that names no message of the batch is failure of the whole batch. Failed messages are left
// alone and come back after their visibility timeout. Only what succeeded is deleted, so every message is
// delivered at least once; a delete that fails causes one more delivery.
//
// It leaves counting receives and moving to the dead-letter queue to SQS, and settling once to the handler. Direct
// invokes the handler without a queue.
package eventsource

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Queue is what the mapping needs of the SDK's client.
type Queue interface {
	GetQueueAttributes(context.Context, *sqs.GetQueueAttributesInput, ...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error)
	ReceiveMessage(context.Context, *sqs.ReceiveMessageInput, ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error)
	DeleteMessageBatch(context.Context, *sqs.DeleteMessageBatchInput, ...func(*sqs.Options)) (*sqs.DeleteMessageBatchOutput, error)
}

// Handler is the function's handler, in the form that aws-lambda-go starts. It must return when its context
// ends. It is called concurrently.
type Handler func(context.Context, events.SQSEvent) (events.SQSEventResponse, error)

// Config is a mapping.
type Config struct {
	Client      Queue         // required
	QueueURL    string        // required
	Handler     Handler       // required
	BatchSize   int           // messages of one invocation, 1 to 10; 0 means 10
	Concurrency int           // invocations at once; 0 means 1
	Gather      time.Duration // how long, after a batch that was not full, a poller lets the next one gather; 0: not at all
	Timeout     time.Duration // of one invocation; 0 means 30 s. The queue's visibility timeout should be six times as long.
	Grace       time.Duration // for invocations in progress when Run's context ends; 0 means up to their Timeout
	Log         *slog.Logger  // nil means slog.Default()
}

const pollWait = 20 // seconds, the longest that SQS allows

// mapping is a Config in use.
type mapping struct {
	Config
	arn    string
	region string
	outage outage
}

// Run polls until ctx ends. The first message after a quiet time is delivered at once; one that comes while all
// pollers gather waits for up to Gather, and then shares an invocation with what came meanwhile.
//
// When ctx ends it takes no new work, waits for the invocations in progress and the deletes of what they settled, and
// returns nil; after Grace it cancels the context of those invocations, and the deletes a second later.
// A message that was cut short is delivered again. An endpoint that cannot be reached is tried until it
// can; Run returns an error only for a Config that cannot work.
func Run(ctx context.Context, c Config) error {
	if c.BatchSize == 0 {
		c.BatchSize = 10
	}
	if c.Concurrency == 0 {
		c.Concurrency = 1
	}
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	if c.Grace == 0 {
		c.Grace = c.Timeout
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Client == nil || c.Handler == nil || c.QueueURL == "" {
		return errors.New("event source: Client, QueueURL and Handler are required")
	}
	if c.BatchSize < 1 || c.BatchSize > 10 || c.Concurrency < 1 {
		return fmt.Errorf("event source: batch size %d must be 1 to 10 and concurrency %d at least 1", c.BatchSize, c.Concurrency)
	}
	m := &mapping{Config: c, outage: outage{log: c.Log}}
	if !m.identify(ctx) {
		return nil
	}

	// Invocations go on when ctx ends, hence a context of their own that Grace ends.
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	grace := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(c.Grace)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-work.Done():
		}
	})
	defer grace()

	var pollers sync.WaitGroup
	for range c.Concurrency {
		pollers.Go(func() { m.poll(ctx, work) })
	}
	pollers.Wait()
	return nil
}

// identify asks for the queue's ARN, which events carry. It reports false when ctx ended first.
func (m *mapping) identify(ctx context.Context) bool {
	for pause := newBackoff(); ctx.Err() == nil; pause.wait(ctx) {
		out, err := m.Client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
			QueueUrl:       &m.QueueURL,
			AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn},
		})
		if err != nil {
			m.outage.began(ctx, err)
			continue
		}
		m.outage.ended()
		m.arn = out.Attributes[string(types.QueueAttributeNameQueueArn)]
		if parts := strings.Split(m.arn, ":"); len(parts) == 6 { // arn:aws:sqs:region:account:name
			m.region = parts[3]
		}
		return true
	}
	return false
}

// poll receives, invokes and deletes, one batch after the other, until ctx ends.
func (m *mapping) poll(ctx, work context.Context) {
	pause := newBackoff()
	for ctx.Err() == nil {
		out, err := m.Client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl:                    &m.QueueURL,
			MaxNumberOfMessages:         int32(m.BatchSize),
			WaitTimeSeconds:             pollWait,
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
			MessageAttributeNames:       []string{"All"},
		})
		if err != nil {
			m.outage.began(ctx, err)
			pause.wait(ctx)
			continue
		}
		m.outage.ended()
		pause = newBackoff()
		if len(out.Messages) > 0 {
			m.settle(work, out.Messages)
			if len(out.Messages) < m.BatchSize {
				sleep(ctx, m.Gather)
			}
		}
	}
}
