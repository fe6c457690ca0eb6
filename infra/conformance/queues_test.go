package conformance

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/jackc/pgx/v5"
)

// queues are where a submission is until it has settled, and the store where it is then.
type queues struct {
	sqs   *sqs.Client
	urls  []string // of the queue and of its dead-letter queue
	store *pgx.Conn
}

// queuesOf returns those of a running server.
func queuesOf(t testing.TB, p process) queues {
	t.Helper()
	variable := func(name string) string {
		value, ok := p.published(name)
		if !ok {
			t.Fatalf("the server publishes no %s", name)
		}
		return value
	}
	store, err := pgx.Connect(t.Context(), variable("DATABASE_URL"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close(context.Background()) })
	return queues{
		sqs: sqs.New(sqs.Options{
			BaseEndpoint: aws.String(variable("AWS_ENDPOINT_URL_SQS")), Region: variable("AWS_REGION"),
			Credentials: credentials.NewStaticCredentialsProvider(variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"), ""),
		}),
		urls:  []string{variable("REFERRAL_QUEUE_URL"), variable("REFERRAL_DEAD_LETTER_QUEUE_URL")},
		store: store,
	}
}

// count returns how many submissions there are, and messages on their way to become one. A message is deleted after its
// submission has its row.
func (q queues) count(t testing.TB) int {
	t.Helper()
	var n int
	for _, url := range q.urls {
		depth, err := q.depth(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		n += depth
	}
	var stored int
	if err := q.store.QueryRow(t.Context(), `select count(*) from submission`).Scan(&stored); err != nil {
		t.Fatal(err)
	}
	return n + stored
}

// depth returns how many messages a queue has, whoever has them.
func (q queues) depth(ctx context.Context, url string) (n int, err error) {
	out, err := q.sqs.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
	})
	if err != nil {
		return 0, err
	}
	for _, name := range []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"} {
		messages, err := strconv.Atoi(out.Attributes[name])
		if err != nil {
			return 0, err
		}
		n += messages
	}
	return n, nil
}

// trap is a server that nobody should call.
type trap struct {
	url   string
	calls atomic.Int64
}

func newTrap(t testing.TB) *trap {
	t.Helper()
	var p trap
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			p.calls.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	p.url = server.URL
	return &p
}

func (p *trap) check(t testing.TB) {
	t.Helper()
	if got := p.calls.Load(); got != 0 {
		t.Errorf("the server made %d connections to addresses that it was sent, want none", got)
	}
}
