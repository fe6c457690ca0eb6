package main

import (
	"context"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/ausbizconsulting/referral-fhir-server/infra/localsqs"
	"github.com/ausbizconsulting/referral-fhir-server/shared/env/envtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

// TestArchiver: one invocation keeps what is in the dead-letter queue, twice does not keep it twice, and it stays there.
func TestArchiver(t *testing.T) {
	db, err := pgxpool.New(t.Context(), pgtest.Empty(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	queues, err := localsqs.New(t.Context(), localsqs.Config{DB: db, BaseURL: &url.URL{Scheme: "http", Host: "127.0.0.1:9324"}})
	if err != nil {
		t.Fatal(err)
	}
	endpoint, objects := httptest.NewServer(queues), httptest.NewServer(gofakes3.New(s3mem.New()).Server())
	t.Cleanup(func() {
		queues.Close()
		endpoint.Close()
		objects.Close()
	})
	for name, value := range map[string]string{
		"AWS_REGION": "ap-southeast-2", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
		"AWS_ENDPOINT_URL_SQS": endpoint.URL, "AWS_ENDPOINT_URL_S3": objects.URL,
	} {
		t.Setenv(name, value)
	}
	configuration, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	client, buckets := sqs.NewFromConfig(configuration), s3.NewFromConfig(configuration)
	queue, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("dead")})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"archive", "claims"} {
		if _, err := buckets.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name}); err != nil {
			t.Fatal(err)
		}
	}
	for _, body := range []string{"synthetic 1", "synthetic 2"} {
		if _, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: queue.QueueUrl, MessageBody: &body}); err != nil {
			t.Fatal(err)
		}
	}
	handler, err := start(t.Context(), envtest.Settings(map[string]string{
		"REFERRAL_DEAD_LETTER_QUEUE_URL": *queue.QueueUrl, "REFERRAL_ARCHIVE_BUCKET": "archive", "REFERRAL_BLOB_BUCKET": "claims",
	}))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := handler.(func(context.Context) error)(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := buckets.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("archive")})
	if err != nil || len(kept.Contents) != 2 {
		t.Errorf("got %d objects, error %v; want a letter each", len(kept.Contents), err)
	}
	left, err := client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: queue.QueueUrl, MaxNumberOfMessages: 10})
	if err != nil || len(left.Messages) != 2 {
		t.Errorf("got %d letters, error %v; want that both stay", len(left.Messages), err)
	}
}

func TestEverySettingIsNeeded(t *testing.T) {
	_, err := start(t.Context(), envtest.Settings(nil))
	for _, name := range []string{"REFERRAL_DEAD_LETTER_QUEUE_URL", "REFERRAL_ARCHIVE_BUCKET", "REFERRAL_BLOB_BUCKET"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got error %v, want that it names %s", err, name)
		}
	}
}
