package lambdahost_test

import (
	"context"
	"encoding/base64"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ausbizconsulting/referral-fhir-server/infra/lambdahost"
	"github.com/ausbizconsulting/referral-fhir-server/infra/localsqs"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
)

const baseURL = "http://127.0.0.1:8080"

// stack is what functions need on one machine: queue, store and the variables that lead to them.
type stack struct {
	sqs      *sqs.Client
	queueURL string
	deadURL  string // of its dead-letter queue
	storeURL string
	env      []string
}

func newStack(t testing.TB) *stack {
	t.Helper()
	return newStackWith(t, "1048576")
}

// newStackWith has a queue of messages up to maxMessage bytes.
func newStackWith(t testing.TB, maxMessage string) *stack {
	t.Helper()
	db, err := pgxpool.New(t.Context(), pgtest.Empty(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	queues, err := localsqs.New(t.Context(), localsqs.Config{DB: db, BaseURL: &url.URL{Scheme: "http", Host: "127.0.0.1:9324"}})
	if err != nil {
		t.Fatal(err)
	}
	endpoint := httptest.NewServer(queues)
	t.Cleanup(endpoint.Close)
	t.Cleanup(queues.Close)
	s := &stack{
		sqs: sqs.New(sqs.Options{
			BaseEndpoint: aws.String(endpoint.URL), Region: "ap-southeast-2", Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
		}),
		storeURL: pgtest.New(t),
	}
	dead, err := s.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("referrals-dead")})
	if err != nil {
		t.Fatal(err)
	}
	queue, err := s.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{
		QueueName: aws.String("referrals"), Attributes: map[string]string{"VisibilityTimeout": "30", "MaximumMessageSize": maxMessage},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.queueURL, s.deadURL = *queue.QueueUrl, *dead.QueueUrl
	key := base64.StdEncoding.EncodeToString(make([]byte, 32))
	s.env = []string{
		"REFERRAL_QUEUE_URL=" + s.queueURL, "REFERRAL_DEAD_LETTER_QUEUE_URL=" + s.deadURL, "REFERRAL_BASE_URL=" + baseURL, "REFERRAL_CLIENTS=development", "DATABASE_URL=" + s.storeURL,
		"REFERRAL_KD=" + key, "REFERRAL_KM=" + key, "AWS_ENDPOINT_URL_SQS=" + endpoint.URL, "AWS_REGION=ap-southeast-2",
		"AWS_ACCESS_KEY_ID=local", "AWS_SECRET_ACCESS_KEY=local",
		"REFERRAL_BLOB_DIR=" + t.TempDir(),
		"REFERRAL_MAX_BODY=65536", "REFERRAL_MAX_ENTRIES=20", // what the cases of testdata/http count on
	}
	return s
}

// start runs the bootstrap of ingest, processor or query.
func (s *stack) start(t testing.TB, function string, timeout time.Duration) *lambdahost.Function {
	t.Helper()
	f, err := lambdahost.Start(t.Context(), lambdahost.Config{
		Bootstrap: bootstrapOf(t, function), Env: s.env, Timeout: timeout, Output: t.Output(),
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

// count runs a query for one number on the store.
func (s *stack) count(t testing.TB, query string) (n int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.storeURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// execute runs sql as the owner of the store.
func (s *stack) execute(t testing.TB, sql string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context()) // it cleans up, too
	conn, err := pgx.Connect(ctx, s.storeURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, sql); err != nil {
		t.Error(err)
	}
}
