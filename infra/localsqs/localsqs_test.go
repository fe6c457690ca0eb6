package localsqs_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ausbizconsulting/referral-fhir-server/infra/localsqs"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time // guarded by mu
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// pool opens an empty database.
func pool(t testing.TB, url string) *pgxpool.Pool {
	t.Helper()
	db, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

// serve starts a Server over db and gives the SDK's client for it, which tries everything once. Both end with the
// test, or earlier by stop.
func serve(t testing.TB, db *pgxpool.Pool, now func() time.Time, faults ...localsqs.Fault) (client *sqs.Client, stop func()) {
	t.Helper()
	base := &url.URL{Scheme: "http", Host: "127.0.0.1:9324"}
	s, err := localsqs.New(t.Context(), localsqs.Config{DB: db, BaseURL: base, Now: now, Faults: faults})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s)
	stop = sync.OnceFunc(func() {
		s.Close()
		server.Close()
	})
	t.Cleanup(stop)
	return sqs.New(sqs.Options{
		BaseEndpoint:     aws.String(server.URL),
		Region:           "ap-southeast-2",
		Credentials:      credentials.NewStaticCredentialsProvider("AKIDTEST", "secret", ""),
		RetryMaxAttempts: 1,
		// The SDK keeps 10 idle connections; more concurrent callers than that would reconnect all the time.
		HTTPClient: awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.MaxIdleConnsPerHost = 64 }),
	}), stop
}

// start is serve over an empty database, with the real time.
func start(t testing.TB) *sqs.Client {
	t.Helper()
	client, _ := serve(t, pool(t, pgtest.Empty(t)), nil)
	return client
}

func createQueue(t testing.TB, client *sqs.Client, name string, attributes map[string]string) *string {
	t.Helper()
	out, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	if err != nil {
		t.Fatal(err)
	}
	return out.QueueUrl
}

func send(t testing.TB, client *sqs.Client, queue *string, body string) {
	t.Helper()
	if _, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: queue, MessageBody: &body}); err != nil {
		t.Fatal(err)
	}
}

// receive gives up to ten messages with their system attributes, without waiting.
func receive(t testing.TB, client *sqs.Client, queue *string) []types.Message {
	t.Helper()
	out, err := client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{
		QueueUrl:                    queue,
		MaxNumberOfMessages:         10,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
		MessageAttributeNames:       []string{"All"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.Messages
}

// receiveOne is receive where exactly one message must come.
func receiveOne(t testing.TB, client *sqs.Client, queue *string) types.Message {
	t.Helper()
	messages := receive(t, client, queue)
	if len(messages) != 1 {
		t.Fatalf("received %d messages, want 1", len(messages))
	}
	return messages[0]
}

func receiveNone(t testing.TB, client *sqs.Client, queue *string) {
	t.Helper()
	if messages := receive(t, client, queue); len(messages) != 0 {
		t.Fatalf("received %d messages, want none", len(messages))
	}
}

func receiveCount(t testing.TB, m types.Message) int {
	t.Helper()
	n, err := strconv.Atoi(m.Attributes["ApproximateReceiveCount"])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func remove(t testing.TB, client *sqs.Client, queue, handle *string) {
	t.Helper()
	if _, err := client.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: queue, ReceiptHandle: handle}); err != nil {
		t.Fatal(err)
	}
}

func attributes(t testing.TB, client *sqs.Client, queue *string, names ...types.QueueAttributeName) map[string]string {
	t.Helper()
	out, err := client.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: queue, AttributeNames: names})
	if err != nil {
		t.Fatal(err)
	}
	return out.Attributes
}

func isTyped[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
