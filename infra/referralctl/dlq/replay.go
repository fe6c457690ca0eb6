package dlq

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// maxBatchSize is what the messages of one SendMessageBatch may have together (SQS message quotas).
const maxBatchSize = 1 << 20

// replayers is how many receive, send and delete at once: one alone waits for SQS most of the time, three times for ten
// letters.
const replayers = 4

// Replay is what is sent again, to the queue at To.
type Replay struct {
	To     string // queue URL
	Filter Filter
	Limit  int            // 0: all
	Rate   int            // letters a second, in the long run
	Sent   func(sent int) // is told how many so far; nil: nobody
}

// Replay sends letters again with their body, attributes and message group, and deletes what the queue has
// acknowledged. It returns how many that were.
func (q *Queue) Replay(ctx context.Context, r Replay) (sent int, err error) {
	var mu sync.Mutex // of begun and sent
	begun, start := 0, time.Now()
	pace := func(letters int) error {
		mu.Lock()
		due := start.Add(time.Duration(begun) * time.Second / time.Duration(r.Rate))
		begun += letters
		mu.Unlock()
		return sleep(ctx, time.Until(due))
	}
	_, err = q.scan(ctx, r.Filter, r.Limit, replayers, func(ctx context.Context, s *scan, letters []*Letter) error {
		for len(letters) > 0 {
			some := letters[:fitting(letters)]
			letters = letters[len(some):]
			if err := pace(len(some)); err != nil {
				return err
			}
			acknowledged, err := q.send(ctx, r.To, some)
			err = errors.Join(err, s.delete(ctx, acknowledged))
			mu.Lock()
			if sent += len(acknowledged); err == nil && r.Sent != nil {
				r.Sent(sent)
			}
			mu.Unlock()
			if err != nil {
				return err
			}
		}
		return nil
	})
	return sent, err
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return ctx.Err()
	}
}

// fitting is how many of the first letters fit into one batch: at least one.
func fitting(letters []*Letter) int {
	size := 0
	for i, l := range letters {
		size += len(l.Body())
		for name, a := range l.received.MessageAttributes {
			size += len(name) + len(aws.ToString(a.DataType)) + len(aws.ToString(a.StringValue)) + len(a.BinaryValue)
		}
		if size > maxBatchSize {
			return max(1, i)
		}
	}
	return len(letters)
}

// send returns those letters that the queue has acknowledged; the client has compared SQS's MD5 of each body.
func (q *Queue) send(ctx context.Context, to string, letters []*Letter) (acknowledged []*Letter, err error) {
	var entries []types.SendMessageBatchRequestEntry
	for i, l := range letters {
		e := types.SendMessageBatchRequestEntry{
			Id: aws.String(strconv.Itoa(i)), MessageBody: l.received.Body, MessageAttributes: l.received.MessageAttributes,
		}
		if group, ok := l.received.Attributes[string(types.MessageSystemAttributeNameMessageGroupId)]; ok {
			e.MessageGroupId = &group
		}
		if trace, ok := l.received.Attributes[string(types.MessageSystemAttributeNameAWSTraceHeader)]; ok {
			e.MessageSystemAttributes = map[string]types.MessageSystemAttributeValue{
				string(types.MessageSystemAttributeNameForSendsAWSTraceHeader): {DataType: aws.String("String"), StringValue: &trace},
			}
		}
		entries = append(entries, e)
	}
	out, err := q.Client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &to, Entries: entries})
	if err != nil {
		return nil, fmt.Errorf("send again: %w", err)
	}
	for _, e := range out.Successful {
		i, err := strconv.Atoi(aws.ToString(e.Id))
		if err != nil || i < 0 || i >= len(letters) {
			return acknowledged, errors.New("send again: SQS acknowledged what was not sent")
		}
		acknowledged = append(acknowledged, letters[i])
	}
	return acknowledged, failed("send again", out.Failed)
}
