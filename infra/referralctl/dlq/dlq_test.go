package dlq_test

import (
	"context"
	"crypto/md5"
	"fmt"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ausbizconsulting/referral-fhir-server/infra/localsqs"
	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/dlq"
	"github.com/ausbizconsulting/referral-fhir-server/shared/awshttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

const (
	orgA = "8003621566684455"
	orgB = "8003624900041689"
)

// clock is real time and what a test adds to it.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration // guarded by mu
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

// serve starts localsqs and returns the SDK's client for it, which tries everything once where there are faults.
func serve(t testing.TB, faults ...localsqs.Fault) (*sqs.Client, *clock) {
	t.Helper()
	db, err := pgxpool.New(t.Context(), pgtest.Empty(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	c := &clock{}
	s, err := localsqs.New(t.Context(), localsqs.Config{DB: db, BaseURL: &url.URL{Scheme: "http", Host: "127.0.0.1:9324"}, Now: c.Now, Faults: faults})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s)
	t.Cleanup(func() {
		s.Close()
		server.Close()
	})
	options := sqs.Options{
		BaseEndpoint: aws.String(server.URL), Region: "ap-southeast-2", HTTPClient: awshttp.Wrap(nil),
		Credentials: credentials.NewStaticCredentialsProvider("AKIDTEST", "secret", ""),
	}
	if len(faults) > 0 {
		options.RetryMaxAttempts = 1
	}
	return sqs.New(options), c
}

// post is a queue with its dead-letter queue, and what was put into the latter.
type post struct {
	client *sqs.Client
	dead   *dlq.Queue
	to     string
	sent   map[string]string // fingerprint by body
}

// newPost makes the queues main-name and dead-name.
func newPost(t testing.TB, client *sqs.Client, name string) *post {
	t.Helper()
	create := func(name string, attributes map[string]string) string {
		out, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
		if err != nil {
			t.Fatal(err)
		}
		return *out.QueueUrl
	}
	dead := create("dead-"+name, nil)
	redrive := `{"deadLetterTargetArn":"arn:aws:sqs:ap-southeast-2:000000000000:dead-` + name + `","maxReceiveCount":1000}`
	to := create("main-"+name, map[string]string{"RedrivePolicy": redrive})
	return &post{client: client, dead: &dlq.Queue{Client: client, URL: dead}, to: to, sent: map[string]string{}}
}

// envelope is a message as ingest makes it, of synthetic content.
func envelope(org string, i int, acceptedAt time.Time) *queue.Message {
	m := &queue.Message{
		ID: fmt.Sprintf("submission-%d", i), Client: "reception", Type: "transaction", AcceptedAt: acceptedAt.UTC().Truncate(time.Millisecond),
		Request: referral.Request{Org: org, KeyKind: referral.KeyRequest, Method: "POST", URL: "/fhir", ContentType: "application/fhir+json"},
	}
	m.Pack(fmt.Appendf(nil, `{"resourceType":"Bundle","id":"synthetic-%d"}`, i))
	return m
}

func encode(t testing.TB, m *queue.Message) string {
	t.Helper()
	body, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// put puts one letter into the dead-letter queue.
func (p *post) put(t testing.TB, body, org string, attributes map[string]string) {
	t.Helper()
	p.putAll(t, []types.SendMessageBatchRequestEntry{p.entry(body, org, attributes)})
}

func (p *post) entry(body, org string, attributes map[string]string) types.SendMessageBatchRequestEntry {
	e := types.SendMessageBatchRequestEntry{
		Id: aws.String("0"), MessageBody: &body, MessageGroupId: &org,
		MessageAttributes: map[string]types.MessageAttributeValue{"Digest": {DataType: aws.String("Binary"), BinaryValue: []byte{0, 255}}},
		MessageSystemAttributes: map[string]types.MessageSystemAttributeValue{
			"AWSTraceHeader": {DataType: aws.String("String"), StringValue: aws.String("Root=1-" + org)},
		},
	}
	for name, value := range attributes {
		e.MessageAttributes[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &value}
	}
	p.sent[body] = fingerprint(types.Message{
		Body: &body, MessageAttributes: e.MessageAttributes,
		Attributes: map[string]string{"MessageGroupId": org, "AWSTraceHeader": "Root=1-" + org},
	})
	return e
}

func (p *post) putAll(t testing.TB, entries []types.SendMessageBatchRequestEntry) {
	t.Helper()
	for some := range slices.Chunk(entries, 10) {
		for i := range some {
			some[i].Id = aws.String(strconv.Itoa(i))
		}
		out, err := p.client.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{QueueUrl: &p.dead.URL, Entries: some})
		if err != nil || len(out.Failed) > 0 {
			t.Fatal(err, out)
		}
	}
}

// fill puts n letters of orgA into the dead-letter queue, every third of class bug.
func (p *post) fill(t testing.TB, n int) {
	t.Helper()
	var entries []types.SendMessageBatchRequestEntry
	for i := range n {
		attributes := map[string]string{"Org": orgA}
		if i%3 == 0 {
			attributes["Class"], attributes["Code"] = "bug", "panic"
		}
		entries = append(entries, p.entry(encode(t, envelope(orgA, i, time.Now())), orgA, attributes))
	}
	p.putAll(t, entries)
}

// fingerprint is all of a message that has to stay the same.
func fingerprint(m types.Message) string {
	var attributes []string
	for name, a := range m.MessageAttributes {
		attributes = append(attributes, fmt.Sprintf("%s=%s:%s:%x", name, aws.ToString(a.DataType), aws.ToString(a.StringValue), a.BinaryValue))
	}
	slices.Sort(attributes)
	return fmt.Sprintf("%x %s %s %s", md5.Sum([]byte(*m.Body)), strings.Join(attributes, " "), m.Attributes["MessageGroupId"], m.Attributes["AWSTraceHeader"])
}

// drain takes all visible messages out of a queue and returns how often each body was there.
func (p *post) drain(ctx context.Context, queueURL string) (got map[string]int, err error) {
	got = map[string]int{}
	for {
		out, err := p.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: &queueURL, MaxNumberOfMessages: 10, MessageAttributeNames: []string{"All"},
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
		})
		if err != nil || len(out.Messages) == 0 {
			return got, err
		}
		for _, m := range out.Messages {
			if want := p.sent[*m.Body]; fingerprint(m) != want {
				return got, fmt.Errorf("got %s, want %s", fingerprint(m), want)
			}
			got[*m.Body]++
			if _, err := p.client.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &queueURL, ReceiptHandle: m.ReceiptHandle}); err != nil {
				return got, err
			}
		}
	}
}

// want holds that a queue has n of the letters, each once.
func (p *post) want(t testing.TB, queueURL string, n int) {
	t.Helper()
	got, err := p.drain(t.Context(), queueURL)
	if err != nil {
		t.Fatal(err)
	}
	for body, times := range got {
		if times != 1 {
			t.Errorf("%s is there %d times", body[:40], times)
		}
	}
	if len(got) != n {
		t.Errorf("got %d letters, want %d", len(got), n)
	}
}

func collect(to *[]string) func(context.Context, []*dlq.Letter) error {
	return func(_ context.Context, letters []*dlq.Letter) error {
		for _, l := range letters {
			*to = append(*to, l.ID())
		}
		return nil
	}
}

func TestScan(t *testing.T) {
	t.Parallel()
	client, _ := serve(t)
	p := newPost(t, client, "x")
	now := time.Now()
	p.put(t, encode(t, envelope(orgA, 0, now.Add(-3*time.Hour))), orgA, map[string]string{"Class": "bug", "Code": "panic"})
	p.put(t, encode(t, envelope(orgA, 1, now)), orgA, map[string]string{"Class": "security"})
	p.put(t, encode(t, envelope(orgB, 2, now.Add(time.Minute))), orgB, nil) // of a clock that is ahead
	p.put(t, "no envelope", orgB, nil)
	var all []string
	if n, err := p.dead.Scan(t.Context(), dlq.Filter{}, 0, collect(&all)); err != nil || n != 4 || len(all) != 4 {
		t.Fatalf("got %d, %v, error %v; want 4 letters", n, all, err)
	}
	stray := all[3] // its message id
	for name, c := range map[string]struct {
		filter dlq.Filter
		want   []string
	}{
		"organisation": {dlq.Filter{Org: orgA}, []string{"submission-0", "submission-1"}},
		"class":        {dlq.Filter{Class: "bug"}, []string{"submission-0"}},
		"code":         {dlq.Filter{Org: orgA, Code: "panic"}, []string{"submission-0"}},
		"type":         {dlq.Filter{Type: "transaction"}, []string{"submission-0", "submission-1", "submission-2"}},
		"age":          {dlq.Filter{Older: time.Hour}, []string{"submission-0"}},
		"submission":   {dlq.Filter{ID: "submission-2"}, []string{"submission-2"}},
		"message":      {dlq.Filter{ID: stray}, []string{stray}},
		"none":         {dlq.Filter{Org: orgB, Class: "bug"}, nil},
	} {
		var got []string
		if _, err := p.dead.Scan(t.Context(), c.filter, 0, collect(&got)); err != nil {
			t.Fatal(err)
		}
		slices.Sort(got)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	var one []string
	if n, err := p.dead.Scan(t.Context(), dlq.Filter{}, 1, collect(&one)); err != nil || n != 1 || len(one) != 1 {
		t.Errorf("got %d, %v, error %v; want one letter", n, one, err)
	}
	p.want(t, p.dead.URL, 4) // all are visible at once
}

func TestReplayChosen(t *testing.T) {
	t.Parallel()
	client, _ := serve(t)
	p := newPost(t, client, "x")
	p.fill(t, 30)
	begin := time.Now()
	sent, err := p.dead.Replay(t.Context(), dlq.Replay{To: p.to, Filter: dlq.Filter{Class: "bug"}, Limit: 8, Rate: 20})
	if took := time.Since(begin); err != nil || sent != 8 || took < 100*time.Millisecond {
		t.Errorf("got %d in %v, error %v; want 8 at 20 a second", sent, took, err)
	}
	p.want(t, p.to, 8)
	p.want(t, p.dead.URL, 22)
}

func TestMove(t *testing.T) {
	t.Parallel()
	client, _ := serve(t)
	p := newPost(t, client, "x")
	p.fill(t, 40)
	ctx, interrupt := context.WithCancel(t.Context())
	moved, err := p.dead.Move(ctx, p.to, 50, func(moved, of int) {
		if moved > 0 {
			interrupt()
		}
		if of != 40 {
			t.Errorf("got %d to move, want 40", of)
		}
	})
	if err == nil || moved == 0 || moved == 40 {
		t.Errorf("got %d moved, error %v; want it interrupted", moved, err)
	}
	rest, err := p.dead.Move(t.Context(), p.to, 500, nil)
	if err != nil || moved+rest != 40 {
		t.Errorf("got %d more, error %v; want %d", rest, err, 40-moved)
	}
	p.want(t, p.to, 40)
}

// TestMoveFollowsWhatIsUnderWay: a referralctl that was killed leaves its task.
func TestMoveFollowsWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	client, _ := serve(t)
	p := newPost(t, client, "x")
	other := newPost(t, client, "y")
	p.fill(t, 20)
	arn := func(name string) *string { return aws.String("arn:aws:sqs:ap-southeast-2:000000000000:" + name) }
	_, err := client.StartMessageMoveTask(t.Context(), &sqs.StartMessageMoveTaskInput{
		SourceArn: arn("dead-x"), DestinationArn: arn("main-x"), MaxNumberOfMessagesPerSecond: aws.Int32(20),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.dead.Move(t.Context(), other.to, 500, nil); err == nil || !strings.Contains(err.Error(), "main-x by another task") {
		t.Errorf("got error %v, want that another task is under way", err)
	}
	if moved, err := p.dead.Move(t.Context(), p.to, 500, nil); err != nil || moved != 20 {
		t.Errorf("got %d, error %v; want the 20 of the task", moved, err)
	}
	p.want(t, p.to, 20)
}

// TestReplayOfLargeLetters: of ten at once SQS would not take all.
func TestReplayOfLargeLetters(t *testing.T) {
	t.Parallel()
	client, _ := serve(t)
	p := newPost(t, client, "x")
	for i := range 4 {
		p.put(t, strings.Repeat(strconv.Itoa(i), 600_000), orgA, nil)
	}
	if sent, err := p.dead.Replay(t.Context(), dlq.Replay{To: p.to, Rate: 500}); err != nil || sent != 4 {
		t.Errorf("got %d, error %v; want 4", sent, err)
	}
	p.want(t, p.to, 4)
	p.want(t, p.dead.URL, 0)
}
