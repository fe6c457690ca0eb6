package sqsqueue_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue/sqsqueue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

const (
	queueURL = "https://sqs.example/000000000000/referrals"
	org      = "8003621566684455"
	trace    = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
)

// fakeSQS keeps what it is sent. It answers with err when that is not nil.
type fakeSQS struct {
	maxSize string
	err     error
	sent    []*sqs.SendMessageInput
}

func (f *fakeSQS) SendMessage(_ context.Context, in *sqs.SendMessageInput, _ ...func(*sqs.Options)) (*sqs.SendMessageOutput, error) {
	f.sent = append(f.sent, in)
	return &sqs.SendMessageOutput{}, f.err
}

func (f *fakeSQS) GetQueueAttributes(_ context.Context, in *sqs.GetQueueAttributesInput, _ ...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error) {
	if aws.ToString(in.QueueUrl) != queueURL {
		return nil, errors.New("another queue was asked for")
	}
	return &sqs.GetQueueAttributesOutput{Attributes: map[string]string{"MaximumMessageSize": f.maxSize}}, f.err
}

// open returns a queue that takes messages of maxSize bytes.
func open(t testing.TB, maxSize int) (*sqsqueue.Queue, *fakeSQS) {
	t.Helper()
	client := &fakeSQS{maxSize: strconv.Itoa(maxSize)}
	return sqsqueue.New(client, queueURL), client
}

func message() *queue.Message {
	m := &queue.Message{
		ID: "an-id", Client: "dev-sender", Type: "transaction", RequestID: "r-1", TraceParent: trace,
		AcceptedAt: time.Date(2026, 11, 22, 1, 2, 3, 456e6, time.UTC),
		Request:    referral.Request{Org: org, KeyKind: referral.KeyRequest, Method: "POST", URL: "/fhir", ContentType: "application/fhir+json"},
	}
	m.Pack([]byte(`{"resourceType":"Bundle"}`))
	return m
}

// attributes returns the message attributes as "type:value" by name.
func attributes(in *sqs.SendMessageInput) map[string]string {
	got := map[string]string{}
	for name, value := range in.MessageAttributes {
		got[name] = aws.ToString(value.DataType) + ":" + aws.ToString(value.StringValue)
	}
	return got
}

func TestSend(t *testing.T) {
	for name, traceParent := range map[string]string{"with trace": trace, "without trace": ""} {
		t.Run(name, func(t *testing.T) {
			q, client := open(t, 1<<20)
			m := message()
			m.TraceParent = traceParent
			if err := q.Send(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			if len(client.sent) != 1 {
				t.Fatalf("got %d messages, want 1", len(client.sent))
			}
			in := client.sent[0]
			if got := aws.ToString(in.QueueUrl); got != queueURL {
				t.Errorf("got queue %q, want %q", got, queueURL)
			}
			if got := aws.ToString(in.MessageGroupId); got != org {
				t.Errorf("got MessageGroupId %q, want the organisation %q", got, org)
			}
			want := map[string]string{"ReferralType": "String:transaction", "Org": "String:" + org}
			if traceParent != "" {
				want["TraceParent"] = "String:" + traceParent
			}
			if diff := cmp.Diff(want, attributes(in)); diff != "" {
				t.Errorf("attributes (-want +got):\n%s", diff)
			}
			got, err := queue.Decode(aws.ToString(in.MessageBody))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(m, got); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
		})
	}
}

// TestSendCountsLikeSQS: body, names, types and values of attributes count (SQS message quotas); a message goes that
// leaves just what a dead letter needs beside it, one byte less room and it does not.
func TestSendCountsLikeSQS(t *testing.T) {
	body, err := message().Encode()
	if err != nil {
		t.Fatal(err)
	}
	const deadLetter = 128
	size := deadLetter + len(body) + len("ReferralType"+"String"+"transaction") + len("Org"+"String"+org) + len("TraceParent"+"String"+trace)
	q, client := open(t, size)
	if err := q.Send(t.Context(), message()); err != nil || len(client.sent) != 1 {
		t.Errorf("at the limit: got error %v and %d messages, want it sent", err, len(client.sent))
	}
	q, client = open(t, size-1)
	if err := q.Send(t.Context(), message()); !errors.Is(err, queue.ErrTooLarge) || len(client.sent) != 0 {
		t.Errorf("one byte above the limit: got error %v and %d messages, want ErrTooLarge and none", err, len(client.sent))
	}
}

func TestErrorsOfSQSPass(t *testing.T) {
	q, client := open(t, 1<<20)
	if err := q.Send(t.Context(), message()); err != nil { // from now on the limit is known
		t.Fatal(err)
	}
	client.err = errors.New("no answer")
	if err := q.Send(t.Context(), message()); !errors.Is(err, client.err) || errors.Is(err, queue.ErrTooLarge) {
		t.Errorf("Send: got error %v, want %v", err, client.err)
	}
	if err := q.Ready(t.Context()); !errors.Is(err, client.err) {
		t.Errorf("Ready: got error %v, want %v", err, client.err)
	}
	client.err = nil
	if err := q.Ready(t.Context()); err != nil {
		t.Errorf("Ready: got error %v, want none", err)
	}
}

func TestSendNeedsTheLimit(t *testing.T) {
	for _, size := range []string{"", "large"} {
		if err := sqsqueue.New(&fakeSQS{maxSize: size}, queueURL).Send(t.Context(), message()); err == nil {
			t.Errorf("got no error with MaximumMessageSize %q", size)
		}
	}
}

// TestNewNeedsTheQueueLater: a function starts while SQS is away, and sends once it is there.
func TestNewNeedsTheQueueLater(t *testing.T) {
	client := &fakeSQS{maxSize: "1048576", err: errors.New("away")}
	q := sqsqueue.New(client, queueURL)
	if err := q.Send(t.Context(), message()); !errors.Is(err, client.err) || len(client.sent) != 0 {
		t.Errorf("away: got error %v and %d messages, want the queue's error and none", err, len(client.sent))
	}
	client.err = nil
	if err := q.Send(t.Context(), message()); err != nil || len(client.sent) != 1 {
		t.Errorf("there: got error %v and %d messages, want it sent", err, len(client.sent))
	}
}

func TestSendRefusesWhatIsNotASCII(t *testing.T) {
	q, client := open(t, 1<<20)
	m := message()
	m.RequestID = "é"
	if err := q.Send(t.Context(), m); err == nil || len(client.sent) != 0 {
		t.Errorf("got error %v and %d messages, want an error and none", err, len(client.sent))
	}
}
