package localsqs_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
)

func TestVisibilityTimeoutRedelivers(t *testing.T) {
	c := newClock()
	client, _ := serve(t, pool(t, pgtest.Empty(t)), c.Now)
	queue := createQueue(t, client, "referrals", map[string]string{"VisibilityTimeout": "30"})
	send(t, client, queue, "again")
	first := receiveOne(t, client, queue)
	if got := attributes(t, client, queue, "ApproximateNumberOfMessagesNotVisible")["ApproximateNumberOfMessagesNotVisible"]; got != "1" {
		t.Errorf("messages not visible: %s, want 1", got)
	}
	c.advance(29 * time.Second)
	receiveNone(t, client, queue)
	c.advance(time.Second)
	second := receiveOne(t, client, queue)
	if got := receiveCount(t, second); got != 2 {
		t.Errorf("receive count %d, want 2", got)
	}
	if *first.MessageId != *second.MessageId || *first.ReceiptHandle == *second.ReceiptHandle {
		t.Error("redelivery wants the same message id and another receipt handle")
	}
	const firstReceived = "ApproximateFirstReceiveTimestamp"
	if first.Attributes[firstReceived] != second.Attributes[firstReceived] {
		t.Errorf("%s changed", firstReceived)
	}
}

func TestOldReceiptHandleDeletesNothing(t *testing.T) {
	c := newClock()
	client, _ := serve(t, pool(t, pgtest.Empty(t)), c.Now)
	queue := createQueue(t, client, "referrals", nil)
	send(t, client, queue, "kept")
	old := receiveOne(t, client, queue)
	c.advance(time.Minute)
	latest := receiveOne(t, client, queue)
	remove(t, client, queue, old.ReceiptHandle)
	c.advance(time.Minute)
	again := receiveOne(t, client, queue)
	remove(t, client, queue, latest.ReceiptHandle)
	c.advance(time.Minute)
	receiveOne(t, client, queue)
	_, err := client.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{QueueUrl: queue, ReceiptHandle: again.ReceiptHandle})
	if got := code(err); got != "InvalidParameterValue" {
		t.Errorf("change by an old handle: %v", err)
	}
}

func TestReceiptHandleWorksAfterTimeout(t *testing.T) {
	c := newClock()
	client, _ := serve(t, pool(t, pgtest.Empty(t)), c.Now)
	queue := createQueue(t, client, "referrals", nil)
	send(t, client, queue, "late")
	m := receiveOne(t, client, queue)
	c.advance(time.Minute)
	remove(t, client, queue, m.ReceiptHandle)
	receiveNone(t, client, queue)
}

func TestDeleteMessageBatch(t *testing.T) {
	c := newClock()
	client, _ := serve(t, pool(t, pgtest.Empty(t)), c.Now)
	queue := createQueue(t, client, "referrals", nil)
	for i := range 3 {
		send(t, client, queue, fmt.Sprint(i))
	}
	messages := receive(t, client, queue)
	out, err := client.DeleteMessageBatch(t.Context(), &sqs.DeleteMessageBatchInput{
		QueueUrl: queue,
		Entries: []types.DeleteMessageBatchRequestEntry{
			{Id: aws.String("a"), ReceiptHandle: messages[0].ReceiptHandle},
			{Id: aws.String("b"), ReceiptHandle: aws.String("no handle")},
			{Id: aws.String("c"), ReceiptHandle: messages[2].ReceiptHandle},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Successful) != 2 || len(out.Failed) != 1 || *out.Failed[0].Code != "ReceiptHandleIsInvalid" {
		t.Errorf("got %+v", out)
	}
	c.advance(time.Minute)
	if got := receiveOne(t, client, queue); *got.Body != "1" {
		t.Errorf("left: %s, want 1", *got.Body)
	}
}

func TestChangeMessageVisibility(t *testing.T) {
	c := newClock()
	client, _ := serve(t, pool(t, pgtest.Empty(t)), c.Now)
	queue := createQueue(t, client, "referrals", nil)
	send(t, client, queue, "moved in time")
	m := receiveOne(t, client, queue)
	change := func(seconds int32) error {
		_, err := client.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{
			QueueUrl: queue, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: seconds,
		})
		return err
	}
	if err := change(300); err != nil {
		t.Fatal(err)
	}
	c.advance(299 * time.Second)
	receiveNone(t, client, queue)
	if err := change(0); err != nil {
		t.Fatal(err)
	}
	if err := change(10); !isTyped[*types.MessageNotInflight](err) {
		t.Errorf("change of a visible message: %v, want MessageNotInflight", err)
	}
	m = receiveOne(t, client, queue)
	if got := receiveCount(t, m); got != 2 {
		t.Errorf("receive count %d, want 2", got)
	}
	if got := code(change(43201)); got != "InvalidParameterValue" {
		t.Errorf("more than 12 hours: %s", got)
	}
}

func TestChangeMessageVisibilityBatch(t *testing.T) {
	client := start(t)
	queue := createQueue(t, client, "referrals", nil)
	send(t, client, queue, "0")
	send(t, client, queue, "1")
	messages := receive(t, client, queue)
	remove(t, client, queue, messages[0].ReceiptHandle)
	out, err := client.ChangeMessageVisibilityBatch(t.Context(), &sqs.ChangeMessageVisibilityBatchInput{
		QueueUrl: queue,
		Entries: []types.ChangeMessageVisibilityBatchRequestEntry{
			{Id: aws.String("a"), ReceiptHandle: messages[0].ReceiptHandle},
			{Id: aws.String("b"), ReceiptHandle: messages[1].ReceiptHandle},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Successful) != 1 || *out.Successful[0].Id != "b" || len(out.Failed) != 1 || *out.Failed[0].Id != "a" {
		t.Errorf("got %+v", out)
	}
	receiveOne(t, client, queue)
}

func TestRedriveToDeadLetterQueue(t *testing.T) {
	c := newClock()
	client, _ := serve(t, pool(t, pgtest.Empty(t)), c.Now)
	dead := createQueue(t, client, "dead", nil)
	queue := createQueue(t, client, "referrals", map[string]string{
		"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:ap-southeast-2:000000000000:dead","maxReceiveCount":2}`,
	})
	for i := range 12 { // more than one receive takes
		send(t, client, queue, fmt.Sprint("poison ", i))
	}
	sent := c.Now()
	for range 2 {
		for messages := receive(t, client, queue); len(messages) > 0; messages = receive(t, client, queue) {
		}
		receiveNone(t, client, dead)
		c.advance(time.Minute)
	}
	send(t, client, queue, "good")
	if got := receiveOne(t, client, queue); *got.Body != "good" {
		t.Errorf("received %s, want good", *got.Body)
	}
	first := receive(t, client, dead)
	if got := len(first) + len(receive(t, client, dead)); got != 12 {
		t.Fatalf("%d dead letters, want 12", got)
	}
	m := first[0]
	want := map[string]string{
		"SenderId":                         "AKIDTEST",
		"SentTimestamp":                    fmt.Sprint(sent.UnixMilli()),
		"ApproximateReceiveCount":          "3",
		"ApproximateFirstReceiveTimestamp": fmt.Sprint(sent.UnixMilli()),
		"DeadLetterQueueSourceArn":         "arn:aws:sqs:ap-southeast-2:000000000000:referrals",
	}
	if diff := cmp.Diff(want, m.Attributes); diff != "" {
		t.Errorf("dead letter's attributes (-want +got):\n%s", diff)
	}
}

func TestRetentionPeriodIsEnforced(t *testing.T) {
	c := newClock()
	client, _ := serve(t, pool(t, pgtest.Empty(t)), c.Now)
	queue := createQueue(t, client, "referrals", map[string]string{"MessageRetentionPeriod": "60"})
	for i := range 11 { // more than one receive takes
		send(t, client, queue, fmt.Sprint("old ", i))
	}
	c.advance(time.Minute)
	send(t, client, queue, "new")
	if got := receiveOne(t, client, queue); *got.Body != "new" {
		t.Errorf("received %s, want new", *got.Body)
	}
}

func TestReceiveChoosesAttributes(t *testing.T) {
	client := start(t)
	queue := createQueue(t, client, "referrals", map[string]string{"VisibilityTimeout": "0"})
	text := func(s string) types.MessageAttributeValue {
		return types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &s}
	}
	if _, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{
		QueueUrl: queue, MessageBody: aws.String("a"),
		MessageAttributes: map[string]types.MessageAttributeValue{"trace.id": text("1"), "trace.flags": text("2"), "org": text("3")},
	}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name             string
		in               sqs.ReceiveMessageInput
		attributes, sent int
	}{
		{"none", sqs.ReceiveMessageInput{}, 0, 0},
		{"by name", sqs.ReceiveMessageInput{MessageAttributeNames: []string{"org", "absent"}}, 1, 0},
		{"by prefix", sqs.ReceiveMessageInput{MessageAttributeNames: []string{"trace.*"}}, 2, 0},
		{"all", sqs.ReceiveMessageInput{MessageAttributeNames: []string{".*"}}, 3, 0},
		//nolint:staticcheck // older clients send the deprecated parameter
		{"system attribute by the old parameter", sqs.ReceiveMessageInput{AttributeNames: []types.QueueAttributeName{"SentTimestamp"}}, 0, 1},
		{"system attribute", sqs.ReceiveMessageInput{MessageSystemAttributeNames: []types.MessageSystemAttributeName{"SentTimestamp"}}, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.in.QueueUrl = queue
			out, err := client.ReceiveMessage(t.Context(), &c.in)
			if err != nil || len(out.Messages) != 1 {
				t.Fatalf("received %v, %v", out, err)
			}
			m := out.Messages[0]
			if len(m.MessageAttributes) != c.attributes || len(m.Attributes) != c.sent {
				t.Errorf("got %d attributes and %d system attributes, want %d and %d", len(m.MessageAttributes), len(m.Attributes), c.attributes, c.sent)
			}
		})
	}
}

// longPoll receives one message, waiting up to 20 s, and says how long it took.
func longPoll(ctx context.Context, client *sqs.Client, queue *string) (string, time.Duration, error) {
	begin := time.Now()
	out, err := client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: queue, WaitTimeSeconds: 20})
	if err != nil || len(out.Messages) == 0 {
		return "", time.Since(begin), err
	}
	return *out.Messages[0].Body, time.Since(begin), nil
}

func TestLongPollReturnsOnSend(t *testing.T) {
	client := start(t)
	queue := createQueue(t, client, "referrals", nil)
	const pollers = 5
	got := make(chan string, pollers)
	var group errgroup.Group
	for range pollers {
		group.Go(func() error {
			body, _, err := longPoll(t.Context(), client, queue)
			got <- body
			return err
		})
	}
	begin := time.Now()
	seen := make(map[string]bool)
	for i := range pollers {
		send(t, client, queue, fmt.Sprint(i))
		seen[<-got] = true
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if len(seen) != pollers || seen[""] {
		t.Errorf("polls got %v, want %d different messages", seen, pollers)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("%d sends reached their polls in %v", pollers, took)
	}
}

func TestLongPollEndsEmpty(t *testing.T) {
	client := start(t)
	queue := createQueue(t, client, "referrals", map[string]string{"ReceiveMessageWaitTimeSeconds": "1"})
	begin := time.Now()
	receiveNone(t, client, queue)
	if took := time.Since(begin); took < time.Second || took > 3*time.Second {
		t.Errorf("an empty poll of 1 s took %v", took)
	}
}

// TestLongPollReturnsWhenMessageBecomesVisible covers every way in which a hidden message comes back. Each
// case hides one; what it returns brings the message back while the poll is under way.
func TestLongPollReturnsWhenMessageBecomesVisible(t *testing.T) {
	leased := func(t *testing.T, client *sqs.Client, queue *string, visibility int32) *string {
		t.Helper()
		send(t, client, queue, "m")
		out, err := client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: queue, VisibilityTimeout: visibility})
		if err != nil || len(out.Messages) != 1 {
			t.Fatalf("received %v, %v", out, err)
		}
		return out.Messages[0].ReceiptHandle
	}
	change := func(t *testing.T, client *sqs.Client, queue, handle *string, visibility int32) {
		t.Helper()
		if _, err := client.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{
			QueueUrl: queue, ReceiptHandle: handle, VisibilityTimeout: visibility,
		}); err != nil {
			t.Fatal(err)
		}
	}
	delayed := func(t *testing.T, client *sqs.Client, queue *string) {
		t.Helper()
		if _, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: queue, MessageBody: aws.String("m"), DelaySeconds: 1}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name string
		hide func(t *testing.T, client *sqs.Client, queue *string) (during func())
	}{
		{"its visibility timeout ends", func(t *testing.T, client *sqs.Client, queue *string) func() {
			leased(t, client, queue, 1)
			return func() {}
		}},
		{"its delay ends", func(t *testing.T, client *sqs.Client, queue *string) func() {
			delayed(t, client, queue)
			return func() {}
		}},
		{"it is sent with a delay", func(t *testing.T, client *sqs.Client, queue *string) func() {
			return func() { delayed(t, client, queue) }
		}},
		{"it is released", func(t *testing.T, client *sqs.Client, queue *string) func() {
			handle := leased(t, client, queue, 600)
			return func() { change(t, client, queue, handle, 0) }
		}},
		{"its visibility timeout is shortened", func(t *testing.T, client *sqs.Client, queue *string) func() {
			handle := leased(t, client, queue, 600)
			return func() { change(t, client, queue, handle, 1) }
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			client := start(t)
			queue := createQueue(t, client, "referrals", nil)
			during := c.hide(t, client, queue)
			var body string
			var took time.Duration
			var group errgroup.Group
			group.Go(func() (err error) {
				body, took, err = longPoll(t.Context(), client, queue)
				return err
			})
			during()
			if err := group.Wait(); err != nil {
				t.Fatal(err)
			}
			if body != "m" || took > 5*time.Second {
				t.Errorf("poll got %q after %v", body, took)
			}
		})
	}
}

func TestLongPollEndsWithItsClient(t *testing.T) {
	client := start(t)
	queue := createQueue(t, client, "referrals", nil)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, took, err := longPoll(ctx, client, queue); err == nil || took > 5*time.Second {
		t.Errorf("poll ended with %v after %v", err, took)
	}
	// The poll that is gone must not have taken the message along.
	send(t, client, queue, "kept")
	receiveOne(t, client, queue)
}

func TestCloseEndsLongPolls(t *testing.T) {
	client, stop := serve(t, pool(t, pgtest.Empty(t)), nil)
	queue, idle := createQueue(t, client, "referrals", nil), createQueue(t, client, "idle", nil)
	send(t, client, queue, "says that the first poll has come and gone")
	began := make(chan struct{})
	var group errgroup.Group
	group.Go(func() error {
		if _, _, err := longPoll(t.Context(), client, queue); err != nil {
			return err
		}
		close(began)
		// Refused when it comes after Close, empty when it was waiting: at once in both cases.
		if body, took, _ := longPoll(t.Context(), client, idle); body != "" || took > 5*time.Second {
			t.Errorf("poll of a server that closes: %q after %v", body, took)
		}
		return nil
	})
	<-began
	stop()
	if err := group.Wait(); err != nil {
		t.Errorf("poll: %v", err)
	}
}

func TestConcurrentReceiversNeverShareAMessage(t *testing.T) {
	client := start(t)
	queue := createQueue(t, client, "referrals", nil)
	const total = 300
	for i := 0; i < total; i += 10 {
		var entries []types.SendMessageBatchRequestEntry
		for n := i; n < i+10; n++ {
			entries = append(entries, types.SendMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(n)), MessageBody: aws.String(fmt.Sprint(n))})
		}
		if _, err := client.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{QueueUrl: queue, Entries: entries}); err != nil {
			t.Fatal(err)
		}
	}
	var mu sync.Mutex
	got := make(map[string]int)
	var group errgroup.Group
	for range 8 {
		group.Go(func() error {
			for {
				out, err := client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: queue, MaxNumberOfMessages: 7})
				if err != nil || len(out.Messages) == 0 {
					return err
				}
				mu.Lock()
				for _, m := range out.Messages {
					got[*m.Body]++
				}
				mu.Unlock()
			}
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	for body, n := range got {
		if n != 1 {
			t.Errorf("message %s was received %d times", body, n)
		}
	}
	for m := receive(t, client, queue); len(m) > 0; m = receive(t, client, queue) {
		for _, m := range m {
			got[*m.Body]++ // rows that another receiver held locked at the end
		}
	}
	if len(got) != total {
		t.Errorf("received %d different messages, want %d", len(got), total)
	}
}

func TestMessagesSurviveANewServer(t *testing.T) {
	c := newClock()
	db := pool(t, pgtest.Empty(t))
	client, stop := serve(t, db, c.Now)
	queue := createQueue(t, client, "referrals", map[string]string{"VisibilityTimeout": "90"})
	send(t, client, queue, "leased")
	leased := receiveOne(t, client, queue)
	send(t, client, queue, "waiting")
	stop()

	client, _ = serve(t, db, c.Now)
	if got := receiveOne(t, client, queue); *got.Body != "waiting" {
		t.Errorf("received %s, want waiting", *got.Body)
	}
	remove(t, client, queue, leased.ReceiptHandle)
	c.advance(90 * time.Second)
	if got := receiveOne(t, client, queue); *got.Body != "waiting" || receiveCount(t, got) != 2 {
		t.Errorf("received %s for time %d, want waiting for time 2", *got.Body, receiveCount(t, got))
	}
	if got := attributes(t, client, queue, "VisibilityTimeout")["VisibilityTimeout"]; got != "90" {
		t.Errorf("visibility timeout %s, want 90", got)
	}
}
