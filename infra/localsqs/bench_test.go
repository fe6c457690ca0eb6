package localsqs_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
)

// perSecond runs one, which handles some messages and says how many, from several workers until b.N
// messages are handled.
func perSecond(b *testing.B, workers int, one func() (int, error)) {
	b.Helper()
	var handled atomic.Int64
	var group sync.WaitGroup
	b.ResetTimer()
	for range workers {
		group.Go(func() {
			for handled.Load() < int64(b.N) {
				n, err := one()
				if err != nil {
					b.Error(err)
					return
				}
				handled.Add(int64(n))
			}
		})
	}
	group.Wait()
	b.ReportMetric(float64(handled.Load())/b.Elapsed().Seconds(), "messages/s")
}

// startDurable is start over a cluster that flushes every commit to the disk, as in production.
func startDurable(b *testing.B) *sqs.Client {
	b.Helper()
	client, _ := serve(b, pool(b, pgtest.Cluster(b).URL("postgres")), nil)
	return client
}

// BenchmarkSend sends single messages of 4 KiB.
func BenchmarkSend(b *testing.B) {
	for _, senders := range []int{1, 8, 32} {
		b.Run(fmt.Sprint(senders, " senders"), func(b *testing.B) {
			client := startDurable(b)
			queue := createQueue(b, client, "referrals", nil)
			body := strings.Repeat("x", 4<<10)
			perSecond(b, senders, func() (int, error) {
				_, err := client.SendMessage(b.Context(), &sqs.SendMessageInput{QueueUrl: queue, MessageBody: &body})
				return 1, err
			})
		})
	}
}

// BenchmarkReceiveDelete receives and deletes batches of ten messages of 4 KiB.
func BenchmarkReceiveDelete(b *testing.B) {
	client := startDurable(b)
	queue := createQueue(b, client, "referrals", nil)
	body := strings.Repeat("x", 4<<10)
	var entries []types.SendMessageBatchRequestEntry
	for i := range 10 {
		entries = append(entries, types.SendMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), MessageBody: &body})
	}
	for n := 0; n < b.N+100; n += 10 {
		if _, err := client.SendMessageBatch(b.Context(), &sqs.SendMessageBatchInput{QueueUrl: queue, Entries: entries}); err != nil {
			b.Fatal(err)
		}
	}
	perSecond(b, 8, func() (int, error) {
		out, err := client.ReceiveMessage(b.Context(), &sqs.ReceiveMessageInput{QueueUrl: queue, MaxNumberOfMessages: 10})
		if err != nil || len(out.Messages) == 0 {
			return 0, err
		}
		var entries []types.DeleteMessageBatchRequestEntry
		for _, m := range out.Messages {
			entries = append(entries, types.DeleteMessageBatchRequestEntry{Id: m.MessageId, ReceiptHandle: m.ReceiptHandle})
		}
		_, err = client.DeleteMessageBatch(b.Context(), &sqs.DeleteMessageBatchInput{QueueUrl: queue, Entries: entries})
		return len(entries), err
	})
}
