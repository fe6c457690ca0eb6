package sqsqueue_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/queue/sqsqueue"
)

// TestDeadLetterIsTheMessage with three attributes more, which replace those of an earlier death.
func TestDeadLetterIsTheMessage(t *testing.T) {
	client := &fakeSQS{}
	record := &events.SQSMessage{
		Body: `{"v":2} as received`, Attributes: map[string]string{"MessageGroupId": org, "AWSTraceHeader": "Root=1-5759e988"},
		MessageAttributes: map[string]events.SQSMessageAttribute{
			"Org":    {DataType: "String", StringValue: aws.String(org)},
			"Class":  {DataType: "String", StringValue: aws.String("security")},
			"Binary": {DataType: "Binary", BinaryValue: []byte{0xff}},
		},
	}
	if err := sqsqueue.DeadLetter(client, queueURL)(t.Context(), record, "bug", "panic", 5); err != nil {
		t.Fatal(err)
	}
	in := client.sent[0]
	got := attributes(in)
	got["Binary"] += fmt.Sprintf("%x", in.MessageAttributes["Binary"].BinaryValue)
	want := map[string]string{"Class": "String:bug", "Code": "String:panic", "Attempts": "Number:5", "Org": "String:" + org, "Binary": "Binary:ff"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	if *in.QueueUrl != queueURL || *in.MessageBody != record.Body || aws.ToString(in.MessageGroupId) != org ||
		aws.ToString(in.MessageSystemAttributes["AWSTraceHeader"].StringValue) != "Root=1-5759e988" {
		t.Errorf("got %+v, want the message as it was received", in)
	}
	client.err = errors.New("away")
	if err := sqsqueue.DeadLetter(client, queueURL)(t.Context(), record, "bug", "panic", 5); !errors.Is(err, client.err) {
		t.Errorf("got error %v, want the queue's", err)
	}
}

// TestDeadLetterOfAStranger has no more attributes than SQS takes, and says why it died.
func TestDeadLetterOfAStranger(t *testing.T) {
	client := &fakeSQS{}
	record := &events.SQSMessage{Body: "x", MessageAttributes: map[string]events.SQSMessageAttribute{}}
	for i := range 10 {
		record.MessageAttributes[fmt.Sprint("Theirs", i)] = events.SQSMessageAttribute{DataType: "String", StringValue: aws.String("x")}
	}
	if err := sqsqueue.DeadLetter(client, queueURL)(t.Context(), record, "security", "envelope", 1); err != nil {
		t.Fatal(err)
	}
	got := attributes(client.sent[0])
	if len(got) != 10 || got["Class"] != "String:security" || got["Code"] != "String:envelope" || client.sent[0].MessageGroupId != nil {
		t.Errorf("got %v, want ten with class and code", got)
	}
}
