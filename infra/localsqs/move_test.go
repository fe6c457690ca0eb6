package localsqs_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
)

func arn(name string) *string { return aws.String("arn:aws:sqs:ap-southeast-2:000000000000:" + name) }

// deadLetters makes queue a, with dead as its dead-letter queue after one receive, and gives both.
func deadLetters(t testing.TB, client *sqs.Client) (queue, dead *string) {
	t.Helper()
	dead = createQueue(t, client, "dead", nil)
	return createQueue(t, client, "a", map[string]string{
		"RedrivePolicy": `{"deadLetterTargetArn":"` + *arn("dead") + `","maxReceiveCount":1}`, "VisibilityTimeout": "0",
	}), dead
}

// fill sends n messages, ten at a time, and returns their bodies.
func fill(t testing.TB, client *sqs.Client, queue *string, n int) (sent map[string]bool) {
	t.Helper()
	sent = make(map[string]bool, n)
	for first := 0; first < n; first += 10 {
		var entries []types.SendMessageBatchRequestEntry
		for i := first; i < min(first+10, n); i++ {
			body := fmt.Sprintf("letter %d <&> ü", i)
			sent[body] = true
			entries = append(entries, types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), MessageBody: &body})
		}
		out, err := client.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{QueueUrl: queue, Entries: entries})
		if err != nil || len(out.Failed) > 0 {
			t.Fatal(err, out)
		}
	}
	return sent
}

func startMove(t testing.TB, client *sqs.Client, destination *string, rate *int32) (handle *string) {
	t.Helper()
	out, err := client.StartMessageMoveTask(t.Context(), &sqs.StartMessageMoveTaskInput{
		SourceArn: arn("dead"), DestinationArn: destination, MaxNumberOfMessagesPerSecond: rate,
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.TaskHandle
}

func moveTasks(t testing.TB, client *sqs.Client) []types.ListMessageMoveTasksResultEntry {
	t.Helper()
	out, err := client.ListMessageMoveTasks(t.Context(), &sqs.ListMessageMoveTasksInput{SourceArn: arn("dead"), MaxResults: aws.Int32(10)})
	if err != nil {
		t.Fatal(err)
	}
	return out.Results
}

// awaitMove returns the newest task once it has ended.
func awaitMove(t testing.TB, client *sqs.Client) types.ListMessageMoveTasksResultEntry {
	t.Helper()
	for {
		task := moveTasks(t, client)[0]
		if *task.Status != "RUNNING" && *task.Status != "CANCELLING" {
			return task
		}
		time.Sleep(time.Millisecond)
	}
}

// moved says in a line how a task ended.
func moved(task types.ListMessageMoveTasksResultEntry) string {
	return fmt.Sprintf("%s %d/%d %s", *task.Status, task.ApproximateNumberOfMessagesMoved,
		aws.ToInt64(task.ApproximateNumberOfMessagesToMove), aws.ToString(task.FailureReason))
}

func wantMoved(t testing.TB, task types.ListMessageMoveTasksResultEntry, want string) {
	t.Helper()
	if got := moved(task); got != want {
		t.Errorf("got task %q, want %q", got, want)
	}
}

// TestMoveToDestination: what arrives is a new message with the body, attributes and group of the old one.
func TestMoveToDestination(t *testing.T) {
	c := newClock()
	client, _ := serve(t, pool(t, pgtest.Empty(t)), c.Now)
	_, dead := deadLetters(t, client)
	other := createQueue(t, client, "other", nil)
	attributes := map[string]types.MessageAttributeValue{
		"Org":    {DataType: aws.String("String"), StringValue: aws.String("8003621566684455")},
		"Digest": {DataType: aws.String("Binary"), BinaryValue: []byte{0, 1, 255}},
	}
	sent, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{
		QueueUrl: dead, MessageBody: aws.String("line one\r\n\ttab <&> \u2028"), MessageAttributes: attributes, MessageGroupId: aws.String("8003621566684455"),
	})
	if err != nil {
		t.Fatal(err)
	}
	old := receiveOne(t, client, dead)
	c.advance(31 * time.Second)
	startMove(t, client, arn("other"), nil)
	task := awaitMove(t, client)
	wantMoved(t, task, "COMPLETED 1/1 ")
	if *task.SourceArn != *arn("dead") || *task.DestinationArn != *arn("other") || task.TaskHandle != nil || task.StartedTimestamp != c.Now().UnixMilli() {
		t.Errorf("got source %s, destination %s, handle %v, started %d", *task.SourceArn, *task.DestinationArn, task.TaskHandle, task.StartedTimestamp)
	}
	receiveNone(t, client, dead)
	m := receiveOne(t, client, other)
	if *m.Body != *old.Body || *m.MD5OfMessageAttributes != *sent.MD5OfMessageAttributes || m.Attributes["MessageGroupId"] != "8003621566684455" {
		t.Errorf("got %q, %v, %v; want what was sent", *m.Body, m.MessageAttributes, m.Attributes)
	}
	if *m.MessageId == *sent.MessageId || receiveCount(t, m) != 1 || m.Attributes["SentTimestamp"] != strconv.FormatInt(c.Now().UnixMilli(), 10) {
		t.Errorf("got id %s, attributes %v; want a new message", *m.MessageId, m.Attributes)
	}
	if _, err := client.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: other, ReceiptHandle: old.ReceiptHandle}); err != nil {
		t.Fatal(err)
	}
	c.advance(31 * time.Second)
	receiveOne(t, client, other) // the old handle has no power over it
}

// TestMoveToSources moves each message to where it came from, which one that was sent to the dead-letter queue has not.
func TestMoveToSources(t *testing.T) {
	client := start(t)
	queue, dead := deadLetters(t, client)
	send(t, client, queue, "died")
	receiveOne(t, client, queue)
	receiveNone(t, client, queue)
	startMove(t, client, nil, nil)
	task := awaitMove(t, client)
	wantMoved(t, task, "COMPLETED 1/1 ")
	if task.DestinationArn != nil || task.MaxNumberOfMessagesPerSecond != nil {
		t.Errorf("got destination %v and rate %v, want neither", task.DestinationArn, task.MaxNumberOfMessagesPerSecond)
	}
	if m := receiveOne(t, client, queue); *m.Body != "died" || m.Attributes["DeadLetterQueueSourceArn"] != "" {
		t.Errorf("got %q of %v", *m.Body, m.Attributes)
	}
	receiveNone(t, client, queue) // died again
	send(t, client, dead, "put there")
	startMove(t, client, nil, nil)
	wantMoved(t, awaitMove(t, client), "FAILED 1/2 CouldNotDetermineMessageSource")
	if m := receiveOne(t, client, dead); *m.Body != "put there" {
		t.Errorf("got %q, want what has no source", *m.Body)
	}
}

// TestMoveTaskErrors are those that SQS was recorded to give.
func TestMoveTaskErrors(t *testing.T) {
	client := start(t)
	_, dead := deadLetters(t, client)
	createQueue(t, client, "plain", nil)
	send(t, client, dead, "kept")
	send(t, client, dead, "kept too")
	begin := func(source, destination *string, rate int32) error {
		_, err := client.StartMessageMoveTask(t.Context(), &sqs.StartMessageMoveTaskInput{SourceArn: source, DestinationArn: destination, MaxNumberOfMessagesPerSecond: &rate})
		return err
	}
	cancel := func(handle string) error {
		_, err := client.CancelMessageMoveTask(t.Context(), &sqs.CancelMessageMoveTaskInput{TaskHandle: &handle})
		return err
	}
	list := func(source *string, n int32) error {
		_, err := client.ListMessageMoveTasks(t.Context(), &sqs.ListMessageMoveTasksInput{SourceArn: source, MaxResults: &n})
		return err
	}
	invalid, missing := "InvalidParameterValue", "ResourceNotFoundException"
	for _, c := range []struct {
		name, wantCode string
		wantStatus     int
		err            error
	}{
		{"no such source", missing, 404, begin(arn("absent"), nil, 1)},
		{"no ARN", missing, 404, begin(aws.String("dead"), nil, 1)},
		{"not a dead-letter queue", invalid, 400, begin(arn("plain"), nil, 1)},
		{"no such destination", missing, 404, begin(arn("dead"), arn("absent"), 1)},
		{"destination is source", invalid, 400, begin(arn("dead"), arn("dead"), 1)},
		{"rate 0", invalid, 400, begin(arn("dead"), nil, 0)},
		{"rate 501", invalid, 400, begin(arn("dead"), nil, 501)},
		{"list of no queue", missing, 404, list(arn("absent"), 1)},
		{"list of 11", invalid, 400, list(arn("dead"), 11)},
		{"no handle", invalid, 400, cancel("x")},
		{"handle of no queue", missing, 404, cancel("eyJ0YXNrSWQiOiIwMDAwMDAwMC0wMDAwLTQwMDAtODAwMC0wMDAwMDAwMDAwMDAiLCJzb3VyY2VBcm4iOiJ4In0=")},
	} {
		if got := code(c.err); got != c.wantCode || status(c.err) != c.wantStatus {
			t.Errorf("%s: got %d %s, want %d %s: %v", c.name, status(c.err), got, c.wantStatus, c.wantCode, c.err)
		}
	}
	if err := begin(arn("absent"), nil, 1); !isTyped[*types.ResourceNotFoundException](err) {
		t.Errorf("got %v, want a ResourceNotFoundException", err)
	}
	if tasks := moveTasks(t, client); len(tasks) != 0 {
		t.Errorf("got %d tasks, want none of those that were refused", len(tasks))
	}
	handle := startMove(t, client, arn("plain"), aws.Int32(1))
	if err := begin(arn("dead"), nil, 1); code(err) != invalid {
		t.Errorf("a second task: %v, want %s", err, invalid)
	}
	if err := cancel(*handle); err != nil {
		t.Fatal(err)
	}
	awaitMove(t, client)
	if err := cancel(*handle); code(err) != invalid {
		t.Errorf("cancelled again: %v, want %s", err, invalid)
	}
}

// TestMoveKeepsItsRate, is seen while it runs, and ends when it is cancelled.
func TestMoveKeepsItsRate(t *testing.T) {
	client := start(t)
	_, dead := deadLetters(t, client)
	queue := createQueue(t, client, "other", nil)
	fill(t, client, dead, 50)
	begin := time.Now()
	handle := startMove(t, client, arn("other"), aws.Int32(20))
	task := moveTasks(t, client)[0]
	if *task.Status != "RUNNING" || *task.TaskHandle != *handle || *task.MaxNumberOfMessagesPerSecond != 20 || *task.ApproximateNumberOfMessagesToMove != 50 {
		t.Errorf("got %s at %d a second", moved(task), *task.MaxNumberOfMessagesPerSecond)
	}
	for task.ApproximateNumberOfMessagesMoved < 10 {
		task = moveTasks(t, client)[0]
	}
	if took := time.Since(begin); took < 400*time.Millisecond {
		t.Errorf("moved 10 in %v, want 20 a second", took)
	}
	out, err := client.CancelMessageMoveTask(t.Context(), &sqs.CancelMessageMoveTaskInput{TaskHandle: handle})
	if err != nil || out.ApproximateNumberOfMessagesMoved < 10 {
		t.Fatal(err, out)
	}
	task = awaitMove(t, client)
	if n := int(task.ApproximateNumberOfMessagesMoved); *task.Status != "CANCELLED" || n >= 50 ||
		attributes(t, client, queue, "ApproximateNumberOfMessages")["ApproximateNumberOfMessages"] != strconv.Itoa(n) ||
		attributes(t, client, dead, "ApproximateNumberOfMessages")["ApproximateNumberOfMessages"] != strconv.Itoa(50-n) {
		t.Errorf("got %s, want each message in one of the queues", moved(task))
	}
}

// TestMoveGoesOnAfterRestart ends the Server while a task runs; the next one finishes it.
func TestMoveGoesOnAfterRestart(t *testing.T) {
	db := pool(t, pgtest.Empty(t))
	client, stop := serve(t, db, nil)
	_, dead := deadLetters(t, client)
	createQueue(t, client, "other", nil)
	want := fill(t, client, dead, 300)
	startMove(t, client, arn("other"), aws.Int32(500))
	stop()
	_, stop = serve(t, db, nil)
	stop() // at once
	client, _ = serve(t, db, nil)
	wantMoved(t, awaitMove(t, client), "COMPLETED 300/300 ")
	got, _ := drain(t, client, "other")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
}

// TestMoveFailsWithoutItsDestination, which is deleted meanwhile.
func TestMoveFailsWithoutItsDestination(t *testing.T) {
	client := start(t)
	_, dead := deadLetters(t, client)
	queue := createQueue(t, client, "other", nil)
	fill(t, client, dead, 5)
	startMove(t, client, arn("other"), aws.Int32(1))
	for moveTasks(t, client)[0].ApproximateNumberOfMessagesMoved == 0 {
		time.Sleep(time.Millisecond)
	}
	if _, err := client.DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: queue}); err != nil {
		t.Fatal(err)
	}
	wantMoved(t, awaitMove(t, client), "FAILED 1/5 AWS.SimpleQueueService.NonExistentQueue")
	if got := attributes(t, client, dead, "ApproximateNumberOfMessages")["ApproximateNumberOfMessages"]; got != "4" {
		t.Errorf("%s messages are left, want 4", got)
	}
}

// TestMoveTasksListTenNewest, and one where nothing else is asked for.
func TestMoveTasksListTenNewest(t *testing.T) {
	c := newClock()
	client, _ := serve(t, pool(t, pgtest.Empty(t)), c.Now)
	deadLetters(t, client)
	for range 11 {
		c.advance(time.Second)
		startMove(t, client, arn("a"), nil)
		wantMoved(t, awaitMove(t, client), "COMPLETED 0/0 ")
	}
	tasks := moveTasks(t, client)
	if len(tasks) != 10 || tasks[0].StartedTimestamp != c.Now().UnixMilli() || tasks[9].StartedTimestamp != c.Now().Add(-9*time.Second).UnixMilli() {
		t.Errorf("got %d tasks, the newest of %d", len(tasks), tasks[0].StartedTimestamp)
	}
	out, err := client.ListMessageMoveTasks(t.Context(), &sqs.ListMessageMoveTasksInput{SourceArn: arn("dead")})
	if err != nil || len(out.Results) != 1 {
		t.Errorf("got %d tasks, error %v; want 1", len(out.Results), err)
	}
}

// drain receives and deletes until the queue is empty; bodies that came more than once are counted.
func drain(t testing.TB, client *sqs.Client, name string) (got map[string]bool, repeated int) {
	t.Helper()
	queue := createQueue(t, client, name, nil)
	got = map[string]bool{}
	for {
		messages := receive(t, client, queue)
		if len(messages) == 0 {
			return got, repeated
		}
		for _, m := range messages {
			if got[*m.Body] {
				repeated++
			}
			got[*m.Body] = true
			if _, err := client.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: queue, ReceiptHandle: m.ReceiptHandle}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// isEmpty tells whether nothing is in the queue, in flight neither.
func isEmpty(t testing.TB, client *sqs.Client, queue *string) bool {
	t.Helper()
	n := attributes(t, client, queue, "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
	return n["ApproximateNumberOfMessages"] == "0" && n["ApproximateNumberOfMessagesNotVisible"] == "0"
}

// TestMoveWhileOthersReceive: with receivers at both ends, of which those of the dead-letter queue give back what they
// received, each message arrives once, as it was.
func TestMoveWhileOthersReceive(t *testing.T) {
	client := start(t)
	_, dead := deadLetters(t, client)
	queue := createQueue(t, client, "other", nil)
	want := fill(t, client, dead, 2000)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var looking errgroup.Group
	for range 2 {
		looking.Go(func() error {
			for {
				out, err := client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: dead, MaxNumberOfMessages: 10, VisibilityTimeout: 1})
				if errors.Is(err, context.Canceled) {
					return nil
				}
				if err != nil {
					return err
				}
				for _, m := range out.Messages {
					_, err := client.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{QueueUrl: dead, ReceiptHandle: m.ReceiptHandle})
					if err != nil && !isTyped[*types.MessageNotInflight](err) {
						return err
					}
				}
			}
		})
	}
	got := make([]map[string]int, 4)
	var receiving errgroup.Group
	for i := range got {
		got[i] = map[string]int{}
		receiving.Go(func() error {
			for {
				out, err := client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: queue, MaxNumberOfMessages: 10, WaitTimeSeconds: 20})
				if errors.Is(err, context.Canceled) {
					return nil
				}
				if err != nil {
					return err
				}
				for _, m := range out.Messages {
					got[i][*m.Body]++
					if _, err := client.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: queue, ReceiptHandle: m.ReceiptHandle}); err != nil {
						return err
					}
				}
			}
		})
	}
	for !isEmpty(t, client, dead) { // what was in flight when a task looked is left for the next
		startMove(t, client, arn("other"), nil)
		if task := awaitMove(t, client); *task.Status != "COMPLETED" {
			t.Fatalf("got %s", moved(task))
		}
	}
	for !isEmpty(t, client, queue) {
		time.Sleep(time.Millisecond)
	}
	stop()
	if err := errors.Join(looking.Wait(), receiving.Wait()); err != nil {
		t.Fatal(err)
	}
	all := map[string]int{}
	for _, some := range got {
		for body, n := range some {
			all[body] += n
		}
	}
	if len(all) != len(want) || slices.Max(slices.Collect(maps.Values(all))) != 1 {
		t.Errorf("got %d bodies, one of them %d times; want %d once", len(all), slices.Max(slices.Collect(maps.Values(all))), len(want))
	}
	for body := range all {
		if !want[body] {
			t.Errorf("nobody sent %q", body)
		}
	}
}
