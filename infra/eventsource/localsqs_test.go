package eventsource_test

import (
	"context"
	"net/http/httptest"
	"net/url"
	"os"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ausbizconsulting/referral-fhir-server/infra/eventsource"
	"github.com/ausbizconsulting/referral-fhir-server/infra/localsqs"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

// startSQS serves an empty localsqs until the test ends, and gives the SDK's client for it.
func startSQS(t *testing.T) *sqs.Client {
	t.Helper()
	db, err := pgxpool.New(t.Context(), pgtest.Empty(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	s, err := localsqs.New(t.Context(), localsqs.Config{DB: db, BaseURL: &url.URL{Scheme: "http", Host: "127.0.0.1:9324"}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	t.Cleanup(s.Close)
	return sqs.New(sqs.Options{
		BaseEndpoint: aws.String(server.URL),
		Region:       "ap-southeast-2",
		Credentials:  credentials.NewStaticCredentialsProvider("AKIDTEST", "secret", ""),
	})
}

// TestFailedMessageComesBackAlone runs over the real protocol: of two messages one fails at its first
// delivery, the other is settled and gone.
func TestFailedMessageComesBackAlone(t *testing.T) {
	client := startSQS(t)
	queue, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{
		QueueName: aws.String("referrals"), Attributes: map[string]string{"VisibilityTimeout": "1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	text := types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String("transaction")}
	sent, err := client.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{QueueUrl: queue.QueueUrl, Entries: []types.SendMessageBatchRequestEntry{
		{Id: aws.String("good"), MessageBody: aws.String("good")},
		{Id: aws.String("failing"), MessageBody: aws.String("failing"), MessageAttributes: map[string]types.MessageAttributeValue{"ReferralType": text}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var deliveries []string
	var last events.SQSMessage
	err = eventsource.Run(ctx, eventsource.Config{Client: client, QueueURL: *queue.QueueUrl,
		Handler: func(_ context.Context, e events.SQSEvent) (r events.SQSEventResponse, _ error) {
			for _, m := range e.Records {
				deliveries = append(deliveries, m.Body+" "+m.Attributes["ApproximateReceiveCount"])
				switch m.Body + m.Attributes["ApproximateReceiveCount"] {
				case "failing1":
					r.BatchItemFailures = append(r.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
				case "failing2":
					last = m
					cancel()
				}
			}
			return r, nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"good 1", "failing 1", "failing 2"}, deliveries); diff != "" {
		t.Errorf("deliveries (-want +got):\n%s", diff)
	}
	want := events.SQSMessage{
		MessageId:              *sent.Successful[1].MessageId,
		ReceiptHandle:          last.ReceiptHandle,
		Body:                   "failing",
		Md5OfBody:              *sent.Successful[1].MD5OfMessageBody,
		Md5OfMessageAttributes: *sent.Successful[1].MD5OfMessageAttributes,
		Attributes:             last.Attributes,
		MessageAttributes: map[string]events.SQSMessageAttribute{"ReferralType": {
			DataType: "String", StringValue: aws.String("transaction"), StringListValues: []string{}, BinaryListValues: [][]byte{},
		}},
		EventSource:    "aws:sqs",
		EventSourceARN: "arn:aws:sqs:ap-southeast-2:000000000000:referrals",
		AWSRegion:      "ap-southeast-2",
	}
	if diff := cmp.Diff(want, last); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
	left, err := client.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: queue.QueueUrl, AttributeNames: []types.QueueAttributeName{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesNotVisible": "0"}, left.Attributes); diff != "" {
		t.Errorf("left in the queue (-want +got):\n%s", diff)
	}
}
