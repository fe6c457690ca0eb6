package localsqs_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
)

func TestSendReceiveDelete(t *testing.T) {
	c := newClock()
	client, _ := serve(t, pool(t, pgtest.Empty(t)), c.Now)
	queue := createQueue(t, client, "referrals", nil)
	body := "line one\r\n\ttab <&> \u2028 \U0001F600 \u00fc"
	sent, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{
		QueueUrl:       queue,
		MessageBody:    &body,
		MessageGroupId: aws.String("8003621566684455"),
		MessageAttributes: map[string]types.MessageAttributeValue{
			"ReferralType": {DataType: aws.String("String"), StringValue: aws.String("transaction")},
			"Size":         {DataType: aws.String("Number.int"), StringValue: aws.String("42")},
			"Digest":       {DataType: aws.String("Binary"), BinaryValue: []byte{0, 1, 255}},
		},
		MessageSystemAttributes: map[string]types.MessageSystemAttributeValue{
			"AWSTraceHeader": {DataType: aws.String("String"), StringValue: aws.String("Root=1-5759e988-bd862e3fe1be46a994272793")},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	c.advance(1500 * time.Millisecond)
	got := receiveOne(t, client, queue)
	if got.ReceiptHandle == nil || *got.ReceiptHandle == "" {
		t.Fatal("no receipt handle")
	}
	want := types.Message{
		MessageId:              sent.MessageId,
		ReceiptHandle:          got.ReceiptHandle,
		Body:                   &body,
		MD5OfBody:              sent.MD5OfMessageBody,
		MD5OfMessageAttributes: sent.MD5OfMessageAttributes,
		MessageAttributes: map[string]types.MessageAttributeValue{
			"ReferralType": {DataType: aws.String("String"), StringValue: aws.String("transaction")},
			"Size":         {DataType: aws.String("Number.int"), StringValue: aws.String("42")},
			"Digest":       {DataType: aws.String("Binary"), BinaryValue: []byte{0, 1, 255}},
		},
		Attributes: map[string]string{
			"SenderId":                         "AKIDTEST",
			"SentTimestamp":                    "1772442000000",
			"ApproximateReceiveCount":          "1",
			"ApproximateFirstReceiveTimestamp": "1772442001500",
			"MessageGroupId":                   "8003621566684455",
			"AWSTraceHeader":                   "Root=1-5759e988-bd862e3fe1be46a994272793",
		},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(types.Message{}, types.MessageAttributeValue{})); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}
	remove(t, client, queue, got.ReceiptHandle)
	c.advance(time.Hour)
	receiveNone(t, client, queue)
}

func TestSendMessageRefuses(t *testing.T) {
	client := start(t)
	queue := createQueue(t, client, "referrals", nil)
	small := createQueue(t, client, "small", map[string]string{"MaximumMessageSize": "1024"})
	const mib = 1 << 20
	eleven := make(map[string]types.MessageAttributeValue)
	for i := range 11 {
		eleven[fmt.Sprint("a", i)] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String("v")}
	}
	named := func(name, kind, value string) map[string]types.MessageAttributeValue {
		return map[string]types.MessageAttributeValue{name: {DataType: &kind, StringValue: &value}}
	}
	trace := func(value string) map[string]types.MessageSystemAttributeValue {
		return map[string]types.MessageSystemAttributeValue{"AWSTraceHeader": {DataType: aws.String("String"), StringValue: &value}}
	}
	for _, c := range []struct {
		name string
		in   sqs.SendMessageInput
		want string // error code, empty when it is accepted
	}{
		{"1 MiB", sqs.SendMessageInput{MessageBody: aws.String(strings.Repeat("x", mib))}, ""},
		{"1 MiB of characters that JSON escapes", sqs.SendMessageInput{MessageBody: aws.String(strings.Repeat("\"", mib))}, ""},
		{"1 MiB and a byte", sqs.SendMessageInput{MessageBody: aws.String(strings.Repeat("x", mib+1))}, "InvalidParameterValue"},
		{"1 MiB with its attributes", sqs.SendMessageInput{MessageBody: aws.String(strings.Repeat("x", mib-8)), MessageAttributes: named("n", "String", "v")}, ""},
		{"a byte of attributes more", sqs.SendMessageInput{MessageBody: aws.String(strings.Repeat("x", mib-7)), MessageAttributes: named("n", "String", "v")}, "InvalidParameterValue"},
		{"the queue's own limit", sqs.SendMessageInput{QueueUrl: small, MessageBody: aws.String(strings.Repeat("x", 1025))}, "InvalidParameterValue"},
		{"empty body", sqs.SendMessageInput{MessageBody: aws.String("")}, "MissingParameter"},
		{"NUL", sqs.SendMessageInput{MessageBody: aws.String("a\x00b")}, "InvalidMessageContents"},
		{"vertical tab", sqs.SendMessageInput{MessageBody: aws.String("a\vb")}, "InvalidMessageContents"},
		{"U+FFFE", sqs.SendMessageInput{MessageBody: aws.String("a\ufffeb")}, "InvalidMessageContents"},
		{"U+FFFF", sqs.SendMessageInput{MessageBody: aws.String("a\uffffb")}, "InvalidMessageContents"},
		{"U+FFFD and U+10FFFF", sqs.SendMessageInput{MessageBody: aws.String("a\ufffd\U0010ffff")}, ""},
		{"delay too long", sqs.SendMessageInput{MessageBody: aws.String("a"), DelaySeconds: 901}, "InvalidParameterValue"},
		{"deduplication id", sqs.SendMessageInput{MessageBody: aws.String("a"), MessageDeduplicationId: aws.String("d")}, "InvalidParameterValue"},
		{"group id with a space", sqs.SendMessageInput{MessageBody: aws.String("a"), MessageGroupId: aws.String("a b")}, "InvalidParameterValue"},
		{"ten attributes and one", sqs.SendMessageInput{MessageBody: aws.String("a"), MessageAttributes: eleven}, "InvalidParameterValue"},
		{"reserved attribute name", sqs.SendMessageInput{MessageBody: aws.String("a"), MessageAttributes: named("AWS.x", "String", "v")}, "InvalidParameterValue"},
		{"attribute name with two periods", sqs.SendMessageInput{MessageBody: aws.String("a"), MessageAttributes: named("a..b", "String", "v")}, "InvalidParameterValue"},
		{"attribute type", sqs.SendMessageInput{MessageBody: aws.String("a"), MessageAttributes: named("n", "Text", "v")}, "InvalidParameterValue"},
		{"attribute content", sqs.SendMessageInput{MessageBody: aws.String("a"), MessageAttributes: named("n", "String", "a\x01")}, "InvalidMessageContents"},
		{"NUL in the trace header", sqs.SendMessageInput{MessageBody: aws.String("a"), MessageSystemAttributes: trace("Root=\x00")}, "InvalidMessageContents"},
		{"no UTF-8 in the trace header", sqs.SendMessageInput{MessageBody: aws.String("a"), MessageSystemAttributes: trace("Root=\xff")}, ""}, // the SDK sends U+FFFD
		{"NUL in an attribute's type", sqs.SendMessageInput{MessageBody: aws.String("a"), MessageAttributes: named("n", "String.\x00", "v")}, "InvalidParameterValue"},
		{"NUL beside a binary value", sqs.SendMessageInput{MessageBody: aws.String("a"), MessageAttributes: map[string]types.MessageAttributeValue{
			"n": {DataType: aws.String("Binary"), BinaryValue: []byte{0}, StringValue: aws.String("\x00")},
		}}, "InvalidMessageContents"},
		{"absent queue", sqs.SendMessageInput{QueueUrl: aws.String(*queue + "x"), MessageBody: aws.String("a")}, "AWS.SimpleQueueService.NonExistentQueue"},
		{"no queue's URL", sqs.SendMessageInput{QueueUrl: aws.String("http://127.0.0.1:9324/referrals"), MessageBody: aws.String("a")}, "InvalidAddress"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.in.QueueUrl == nil {
				c.in.QueueUrl = queue
			}
			_, err := client.SendMessage(t.Context(), &c.in)
			if got := code(err); got != c.want {
				t.Errorf("error code %q, want %q: %v", got, c.want, err)
			}
		})
	}
}

// code is the error code that the SDK shows.
func code(err error) string {
	if err == nil {
		return ""
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return err.Error()
	}
	return api.ErrorCode()
}

// TestSenderIsText sends with an access key id that PostgreSQL would not store.
func TestSenderIsText(t *testing.T) {
	client := start(t)
	queue := createQueue(t, client, "referrals", nil)
	_, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: queue, MessageBody: aws.String("a")}, func(o *sqs.Options) {
		o.Credentials = credentials.NewStaticCredentialsProvider("AK\xff", "secret", "")
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := receiveOne(t, client, queue).Attributes["SenderId"]; got != "anonymous" {
		t.Errorf("got sender %q, want anonymous", got)
	}
}

func TestSendMessageBatchFailsPerEntry(t *testing.T) {
	client := start(t)
	queue := createQueue(t, client, "referrals", nil)
	entry := func(id, body string) types.SendMessageBatchRequestEntry {
		return types.SendMessageBatchRequestEntry{Id: &id, MessageBody: &body}
	}
	out, err := client.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{
		QueueUrl: queue,
		Entries:  []types.SendMessageBatchRequestEntry{entry("a", "first"), entry("b", "bad\x00"), entry("c", "third")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Successful) != 2 || len(out.Failed) != 1 || *out.Failed[0].Id != "b" ||
		*out.Failed[0].Code != "InvalidMessageContents" || !out.Failed[0].SenderFault {
		t.Errorf("got %+v", out)
	}
	var got []string
	for _, m := range receive(t, client, queue) {
		got = append(got, *m.Body)
	}
	if diff := cmp.Diff([]string{"first", "third"}, got); diff != "" {
		t.Errorf("bodies (-want +got):\n%s", diff)
	}
}

func TestSendMessageBatchRefuses(t *testing.T) {
	client := start(t)
	queue := createQueue(t, client, "referrals", nil)
	entries := func(n int, id func(int) string, body string) []types.SendMessageBatchRequestEntry {
		var all []types.SendMessageBatchRequestEntry
		for i := range n {
			all = append(all, types.SendMessageBatchRequestEntry{Id: aws.String(id(i)), MessageBody: &body})
		}
		return all
	}
	number := func(i int) string { return fmt.Sprint(i) }
	for _, c := range []struct {
		name    string
		entries []types.SendMessageBatchRequestEntry
		is      func(error) bool
	}{
		{"no entries", []types.SendMessageBatchRequestEntry{}, isTyped[*types.EmptyBatchRequest]},
		{"eleven", entries(11, number, "a"), isTyped[*types.TooManyEntriesInBatchRequest]},
		{"the same id twice", entries(2, func(int) string { return "a" }, "a"), isTyped[*types.BatchEntryIdsNotDistinct]},
		{"an id with a space", entries(1, func(int) string { return "a b" }, "a"), isTyped[*types.InvalidBatchEntryId]},
		{"more than 1 MiB together", entries(2, number, strings.Repeat("x", 600<<10)), isTyped[*types.BatchRequestTooLong]},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := client.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{QueueUrl: queue, Entries: c.entries})
			if !c.is(err) {
				t.Errorf("got %v", err)
			}
		})
	}
	receiveNone(t, client, queue)
}

func TestDelaySeconds(t *testing.T) {
	c := newClock()
	client, _ := serve(t, pool(t, pgtest.Empty(t)), c.Now)
	queue := createQueue(t, client, "referrals", map[string]string{"DelaySeconds": "10"})
	send(t, client, queue, "by the queue")
	if _, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: queue, MessageBody: aws.String("its own"), DelaySeconds: 60}); err != nil {
		t.Fatal(err)
	}
	receiveNone(t, client, queue)
	if got := attributes(t, client, queue, "ApproximateNumberOfMessagesDelayed")["ApproximateNumberOfMessagesDelayed"]; got != "2" {
		t.Errorf("delayed messages: %s, want 2", got)
	}
	c.advance(10 * time.Second)
	if got := receiveOne(t, client, queue); *got.Body != "by the queue" {
		t.Errorf("after 10 s: %s", *got.Body)
	}
	c.advance(50 * time.Second)
	if got := receive(t, client, queue); len(got) != 2 || *got[1].Body != "its own" {
		t.Errorf("after 60 s: %d messages", len(got))
	}
}

func TestConcurrentSendsAreAllStored(t *testing.T) {
	client := start(t)
	queue := createQueue(t, client, "referrals", nil)
	const senders, each = 16, 25
	var group errgroup.Group
	for s := range senders {
		group.Go(func() error {
			for i := range each {
				body := fmt.Sprintf("%d/%d", s, i)
				if _, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: queue, MessageBody: &body}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	got := make(map[string]int)
	for messages := receive(t, client, queue); len(messages) > 0; messages = receive(t, client, queue) {
		for _, m := range messages {
			got[*m.Body]++
		}
	}
	if len(got) != senders*each {
		t.Errorf("received %d different messages, want %d", len(got), senders*each)
	}
	for body, n := range got {
		if n != 1 {
			t.Errorf("message %s was received %d times", body, n)
		}
	}
}
