package localsqs_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"
)

const queueBase = "http://127.0.0.1:9324/000000000000/"

// queues are the URLs that ListQueues gives.
func queues(t testing.TB, client *sqs.Client) []string {
	t.Helper()
	out, err := client.ListQueues(t.Context(), &sqs.ListQueuesInput{})
	if err != nil {
		t.Fatal(err)
	}
	return out.QueueUrls
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
	if diff := cmp.Diff([][]string{{queueBase + "a1", queueBase + "a2"}, {queueBase + "a3"}}, got); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}
}

func TestListDeadLetterSourceQueues(t *testing.T) {
	client := start(t)
	dead, unused := createQueue(t, client, "dead", nil), createQueue(t, client, "unused", nil)
	redrive := map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:ap-southeast-2:000000000000:dead","maxReceiveCount":3}`}
	for _, name := range []string{"c", "a", "b"} {
		createQueue(t, client, name, redrive)
	}
	for _, c := range []struct {
		name  string
		queue *string
		size  *int32
		want  [][]string
	}{
		{"all at once", dead, nil, [][]string{{queueBase + "a", queueBase + "b", queueBase + "c"}}},
		{"in pages", dead, aws.Int32(2), [][]string{{queueBase + "a", queueBase + "b"}, {queueBase + "c"}}},
		{"a full page that is the last", dead, aws.Int32(3), [][]string{{queueBase + "a", queueBase + "b", queueBase + "c"}}},
		{"none", unused, aws.Int32(2), [][]string{{}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			pages := sqs.NewListDeadLetterSourceQueuesPaginator(client,
				&sqs.ListDeadLetterSourceQueuesInput{QueueUrl: c.queue, MaxResults: c.size})
			var got [][]string
			for pages.HasMorePages() {
				page, err := pages.NextPage(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, page.QueueUrls)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("pages (-want +got):\n%s", diff)
			}
		})
	}
}

func TestListDeadLetterSourceQueuesRefuses(t *testing.T) {
	client := start(t)
	dead := createQueue(t, client, "dead", nil)
	list := func(in sqs.ListDeadLetterSourceQueuesInput) error {
		_, err := client.ListDeadLetterSourceQueues(t.Context(), &in)
		return err
	}
	if err := list(sqs.ListDeadLetterSourceQueuesInput{QueueUrl: aws.String(*dead + "x")}); !isTyped[*types.QueueDoesNotExist](err) {
		t.Errorf("absent queue: %v, want QueueDoesNotExist", err)
	}
	for _, size := range []int32{0, 1001} {
		if got := code(list(sqs.ListDeadLetterSourceQueuesInput{QueueUrl: dead, MaxResults: &size})); got != "InvalidParameterValue" {
			t.Errorf("MaxResults %d: code %q, want InvalidParameterValue", size, got)
		}
	}
	if got := code(list(sqs.ListDeadLetterSourceQueuesInput{QueueUrl: dead, NextToken: aws.String("*")})); got != "InvalidParameterValue" {
		t.Errorf("a token never given: code %q, want InvalidParameterValue", got)
	}
}
