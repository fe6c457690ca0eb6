package localsqs_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
)

func TestQueueAttributesHaveDefaults(t *testing.T) {
	c := newClock()
	client, _ := serve(t, pool(t, pgtest.Empty(t)), c.Now)
	queue := createQueue(t, client, "referrals", map[string]string{"VisibilityTimeout": "180"})
	if got, want := *queue, "http://127.0.0.1:9324/000000000000/referrals"; got != want {
		t.Errorf("queue URL is %s, want %s", got, want)
	}
	send(t, client, queue, "visible")
	got := attributes(t, client, queue, types.QueueAttributeNameAll)
	want := map[string]string{
		"ApproximateNumberOfMessages":           "1",
		"ApproximateNumberOfMessagesNotVisible": "0",
		"ApproximateNumberOfMessagesDelayed":    "0",
		"CreatedTimestamp":                      "1772442000",
		"LastModifiedTimestamp":                 "1772442000",
		"DelaySeconds":                          "0",
		"MaximumMessageSize":                    "1048576",
		"MessageRetentionPeriod":                "345600",
		"QueueArn":                              "arn:aws:sqs:ap-southeast-2:000000000000:referrals",
		"ReceiveMessageWaitTimeSeconds":         "0",
		"VisibilityTimeout":                     "180",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
}

func TestCreateQueueAgain(t *testing.T) {
	client := start(t)
	first := createQueue(t, client, "referrals", map[string]string{"VisibilityTimeout": "180"})
	for _, same := range []map[string]string{nil, {"VisibilityTimeout": "180"}, {"DelaySeconds": "0"}} {
		if got := createQueue(t, client, "referrals", same); *got != *first {
			t.Errorf("created again with %v: %s, want %s", same, *got, *first)
		}
	}
	_, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{
		QueueName: aws.String("referrals"), Attributes: map[string]string{"VisibilityTimeout": "30"},
	})
	if !isTyped[*types.QueueNameExists](err) {
		t.Errorf("created again with another value: %v, want QueueNameExists", err)
	}
}

func TestSetQueueAttributes(t *testing.T) {
	client := start(t)
	createQueue(t, client, "dead", nil)
	queue := createQueue(t, client, "referrals", map[string]string{"DelaySeconds": "7"})
	set := func(attributes map[string]string) error {
		_, err := client.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: queue, Attributes: attributes})
		return err
	}
	redrive := `{ "maxReceiveCount": "5", "deadLetterTargetArn": "arn:aws:sqs:ap-southeast-2:000000000000:dead" }`
	if err := set(map[string]string{"VisibilityTimeout": "60", "RedrivePolicy": redrive}); err != nil {
		t.Fatal(err)
	}
	got := attributes(t, client, queue, "VisibilityTimeout", "DelaySeconds", "RedrivePolicy", "RedriveAllowPolicy")
	want := map[string]string{
		"VisibilityTimeout": "60",
		"DelaySeconds":      "7",
		"RedrivePolicy":     `{"deadLetterTargetArn":"arn:aws:sqs:ap-southeast-2:000000000000:dead","maxReceiveCount":5}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	if err := set(map[string]string{"RedrivePolicy": ""}); err != nil {
		t.Fatal(err)
	}
	if got := attributes(t, client, queue, "RedrivePolicy"); len(got) != 0 {
		t.Errorf("after removing the redrive policy: %v", got)
	}
	if err := set(map[string]string{"VisibilityTimeout": "43201"}); !isTyped[*types.InvalidAttributeValue](err) {
		t.Errorf("value out of range: %v, want InvalidAttributeValue", err)
	}
	if err := set(map[string]string{"Colour": "red"}); !isTyped[*types.InvalidAttributeName](err) {
		t.Errorf("unknown name: %v, want InvalidAttributeName", err)
	}
}

func TestRedriveAllowPolicyIsObeyed(t *testing.T) {
	client := start(t)
	createQueue(t, client, "dead", map[string]string{
		"RedriveAllowPolicy": `{"redrivePermission":"byQueue","sourceQueueArns":["arn:aws:sqs:ap-southeast-2:000000000000:referrals"]}`,
	})
	redrive := map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:ap-southeast-2:000000000000:dead","maxReceiveCount":3}`}
	createQueue(t, client, "referrals", redrive)
	if _, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("other"), Attributes: redrive}); err == nil {
		t.Error("a queue that is not allowed got the dead-letter queue")
	}
}

func TestGetQueueURL(t *testing.T) {
	client := start(t)
	want := createQueue(t, client, "referrals", nil)
	got, err := client.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String("referrals")})
	if err != nil || *got.QueueUrl != *want {
		t.Errorf("queue URL %v, %v; want %s", got, err, *want)
	}
	_, err = client.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String("absent")})
	if !isTyped[*types.QueueDoesNotExist](err) {
		t.Errorf("absent queue: %v, want QueueDoesNotExist", err)
	}
}

func TestPurgeQueue(t *testing.T) {
	client := start(t)
	queue, other := createQueue(t, client, "referrals", nil), createQueue(t, client, "other", nil)
	send(t, client, queue, "purged")
	send(t, client, other, "kept")
	if _, err := client.PurgeQueue(t.Context(), &sqs.PurgeQueueInput{QueueUrl: queue}); err != nil {
		t.Fatal(err)
	}
	receiveNone(t, client, queue)
	receiveOne(t, client, other)
}

func TestDeleteQueue(t *testing.T) {
	client := start(t)
	queue, other := createQueue(t, client, "referrals", nil), createQueue(t, client, "other", nil)
	send(t, client, queue, "gone")
	send(t, client, other, "kept")
	remove := func(queue string) error {
		_, err := client.DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: &queue})
		return err
	}
	if err := remove(*queue); err != nil {
		t.Fatal(err)
	}
	for name, call := range map[string]func() error{
		"DeleteQueue": func() error { return remove(*queue) },
		"GetQueueUrl": func() error {
			_, err := client.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String("referrals")})
			return err
		},
		"SendMessage": func() error {
			_, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: queue, MessageBody: aws.String("late")})
			return err
		},
	} {
		if err := call(); !isTyped[*types.QueueDoesNotExist](err) {
			t.Errorf("%s after it: %v, want QueueDoesNotExist", name, err)
		}
	}
	if got := code(remove("http://127.0.0.1:9324/referrals")); got != "InvalidAddress" {
		t.Errorf("no queue's URL: code %q, want InvalidAddress", got)
	}
	receiveOne(t, client, other)
	receiveNone(t, client, createQueue(t, client, "referrals", map[string]string{"VisibilityTimeout": "5"}))
}

func TestDeletedQueueStaysDeleted(t *testing.T) {
	db := pool(t, pgtest.Empty(t))
	client, stop := serve(t, db, nil)
	queue := createQueue(t, client, "referrals", nil)
	if _, err := client.DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: queue}); err != nil {
		t.Fatal(err)
	}
	stop()
	client, _ = serve(t, db, nil)
	if got := queues(t, client); len(got) != 0 {
		t.Errorf("queues of a new server: %v", got)
	}
}

func TestDeleteQueueEndsLongPolls(t *testing.T) {
	client := start(t)
	queue := createQueue(t, client, "referrals", nil)
	send(t, client, queue, "says that the first poll has come and gone")
	began, ended := make(chan struct{}), make(chan error)
	go func() {
		_, _, _ = longPoll(t.Context(), client, queue)
		close(began)
		_, _, err := longPoll(t.Context(), client, queue)
		ended <- err
	}()
	<-began
	if _, err := client.DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: queue}); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !isTyped[*types.QueueDoesNotExist](err) {
		t.Errorf("poll ended with %v, want QueueDoesNotExist", err)
	}
}

// TestDeletedDeadLetterQueueTakesNothing sees a message stay where it is that has nowhere to go.
func TestDeletedDeadLetterQueueTakesNothing(t *testing.T) {
	c := newClock()
	client, _ := serve(t, pool(t, pgtest.Empty(t)), c.Now)
	dead := createQueue(t, client, "dead", nil)
	queue := createQueue(t, client, "referrals", map[string]string{
		"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:ap-southeast-2:000000000000:dead","maxReceiveCount":1}`,
	})
	send(t, client, queue, "kept")
	if _, err := client.DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: dead}); err != nil {
		t.Fatal(err)
	}
	for want := 1; want <= 3; want++ {
		if got := receiveCount(t, receiveOne(t, client, queue)); got != want {
			t.Errorf("receive count %d, want %d", got, want)
		}
		c.advance(time.Minute)
	}
}
