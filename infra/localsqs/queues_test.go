package localsqs_test

import (
	"testing"

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

func TestListQueuesInPages(t *testing.T) {
	client := start(t)
	for _, name := range []string{"b", "a2", "a1", "a3"} {
		createQueue(t, client, name, nil)
	}
	pages := sqs.NewListQueuesPaginator(client, &sqs.ListQueuesInput{QueueNamePrefix: aws.String("a"), MaxResults: aws.Int32(2)})
	var got [][]string
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, page.QueueUrls)
	}
	const base = "http://127.0.0.1:9324/000000000000/"
	if diff := cmp.Diff([][]string{{base + "a1", base + "a2"}, {base + "a3"}}, got); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
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
