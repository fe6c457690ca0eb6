package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ausbizconsulting/referral-fhir-server/infra/eventsource"
	"github.com/ausbizconsulting/referral-fhir-server/infra/localpg"
	"github.com/ausbizconsulting/referral-fhir-server/infra/localsqs"
	"github.com/ausbizconsulting/referral-fhir-server/infra/pgproxy"
	"github.com/ausbizconsulting/referral-fhir-server/ingest"
	"github.com/ausbizconsulting/referral-fhir-server/processor"
	"github.com/ausbizconsulting/referral-fhir-server/query"
	"github.com/ausbizconsulting/referral-fhir-server/schemas"
	"github.com/ausbizconsulting/referral-fhir-server/shared/awslambda"
	"github.com/ausbizconsulting/referral-fhir-server/shared/env"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue/sqsqueue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// worksite is ingest, query, queue and PostgreSQL of a test, without a processor: workers are processes of their own.
type worksite struct {
	client
	pg    *localpg.Server
	queue *localQueue
	front http.Handler // the queue's endpoint
	env   []string     // of workers
}

// newWorksite starts all but workers. A message that was received is hidden for so many seconds; faults befall the queue.
func newWorksite(t *testing.T, visibility time.Duration, faults ...localsqs.Fault) *worksite {
	t.Helper()
	w := &worksite{pg: pgtest.Cluster(t)}
	queueDB, err := pgxpool.New(t.Context(), w.pg.URL("queue"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(queueDB.Close)
	endpoint, err := localsqs.New(t.Context(), localsqs.Config{
		DB: queueDB, BaseURL: &url.URL{Scheme: "http", Host: "127.0.0.1:9324"}, Log: slog.New(slog.DiscardHandler), Faults: faults,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.front = endpoint
	listening := httptest.NewServer(endpoint)
	t.Cleanup(listening.Close)
	t.Cleanup(endpoint.Close)
	w.queue = &localQueue{client: sqs.New(sqs.Options{Region: region, BaseEndpoint: &listening.URL, Credentials: credentials.NewStaticCredentialsProvider(localCredential, localCredential, "")})}
	if err := w.queue.createQueues(t.Context(), visibility); err != nil {
		t.Fatal(err)
	}
	w.serve(t)
	return w
}

// serve starts ingest and query.
func (w *worksite) serve(t *testing.T) {
	t.Helper()
	key := bytes.Repeat([]byte{1}, 32)
	keys, err := referral.NewKeys(key, key)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := postgres.Open(postgres.Config{URL: w.pg.URL("referral"), Role: postgres.RoleQuery, MaxConns: 4})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(reader.Close)
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	authenticate := principal.Development().Authenticate
	ingest.New(ingest.Config{
		Authenticate: authenticate, Queue: sqsqueue.New(w.queue.client, w.queue.url), Schemas: schemas.New(schemas.Config{}), Keys: keys, BaseURL: base,
	}).Register(mux)
	query.New(query.Config{Authenticate: authenticate, Store: reader, Keys: keys, BaseURL: base}).Register(mux)
	w.client = client{server.URL, "dev-sender"}
	encoded := base64.StdEncoding.EncodeToString(key)
	w.env = []string{
		"REFERRAL_QUEUE_URL=" + w.queue.url, "REFERRAL_DEAD_LETTER_QUEUE_URL=" + w.queue.deadLetterURL, "REFERRAL_BASE_URL=" + server.URL,
		"REFERRAL_KD=" + encoded, "REFERRAL_KM=" + encoded, "REFERRAL_MESSAGE_TIMEOUT=1s",
		"AWS_REGION=" + region, "AWS_ACCESS_KEY_ID=" + localCredential, "AWS_SECRET_ACCESS_KEY=" + localCredential,
	}
}

// store is a connection to the store as its owner.
func (w *worksite) store(t *testing.T) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), w.pg.URL("referral"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

// waiting is how many messages are in the queue at url, visible or not.
func (w *worksite) waiting(t *testing.T, url string) (n int) {
	t.Helper()
	for _, name := range []types.QueueAttributeName{
		types.QueueAttributeNameApproximateNumberOfMessages, types.QueueAttributeNameApproximateNumberOfMessagesNotVisible,
		types.QueueAttributeNameApproximateNumberOfMessagesDelayed,
	} {
		out, err := w.queue.client.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{name}})
		if err != nil {
			t.Fatal(err)
		}
		some, err := strconv.Atoi(out.Attributes[string(name)])
		if err != nil {
			t.Fatal(err)
		}
		n += some
	}
	return n
}

// worker is a processor, with its event source mapping, as a process of its own. All that it says to PostgreSQL and to the
// queue and hears from them passes through this process.
type worker struct {
	*exec.Cmd
	output *transcript
	gone   chan struct{} // closed when it has ended

	mu   sync.Mutex
	dies func(message string) bool // see killAt; guarded by mu
}

// work starts a worker; variables are further ones, NAME=value.
func (w *worksite) work(t *testing.T, variables ...string) *worker {
	t.Helper()
	k := &worker{Cmd: exec.CommandContext(t.Context(), os.Args[0]), output: &transcript{}, gone: make(chan struct{})}
	store, err := url.Parse(w.pg.URL("referral"))
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := pgproxy.Start(store.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Close() }) // its connections may be cut already
	store.Host = proxy.Address()
	proxy.CutRequests(func(kind byte) bool { return k.meets("to PostgreSQL: " + string(kind)) })
	proxy.Cut(func(kind byte, _ []byte) bool { return k.meets("from PostgreSQL: " + string(kind)) })
	front := httptest.NewUnstartedServer(k.between(w.front))
	front.Config.ErrorLog = log.New(io.Discard, "", 0) // of connections that are cut
	front.Start()
	t.Cleanup(front.Close)
	k.Env = append(append(os.Environ(), w.env...), "REFERRAL_TEST_CHILD=worker", "DATABASE_URL="+store.String(), "AWS_ENDPOINT_URL_SQS="+front.URL)
	k.Env = append(k.Env, variables...)
	k.Stdout, k.Stderr = k.output, k.output
	if _, err := k.StdinPipe(); err != nil { // which ends with this process
		t.Fatal(err)
	}
	if err := k.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { defer close(k.gone); _ = k.Wait() }()
	t.Cleanup(k.kill)
	return k
}

// meets tells whether the worker dies at a message, before that is passed on. It is dead then.
func (k *worker) meets(message string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.dies == nil || !k.dies(message) {
		return false
	}
	k.kill()
	return true
}

// killAt has dies asked of every message from now on, of one at a time.
func (k *worker) killAt(dies func(message string) bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.dies = dies
}

// kill ends the worker with SIGKILL, and returns when it is gone.
func (k *worker) kill() {
	_ = k.Process.Kill() // it may be gone already
	<-k.gone
}

// Messages of the queue's protocol that a worker may die at: at a request before anything is done, at an answer when all is.
const (
	receiving = "from the queue: ReceiveMessage with messages"
	deleting  = "to the queue: DeleteMessageBatch"
	deleted   = "from the queue: DeleteMessageBatch"
)

// between passes requests on to the queue.
func (k *worker) between(queue http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		if k.meets("to the queue: " + action) {
			panic(http.ErrAbortHandler)
		}
		answer := httptest.NewRecorder()
		queue.ServeHTTP(answer, r)
		message := "from the queue: " + action
		if action == "ReceiveMessage" && bytes.Contains(answer.Body.Bytes(), []byte("ReceiptHandle")) {
			message = receiving
		}
		if k.meets(message) {
			panic(http.ErrAbortHandler)
		}
		for name, values := range answer.Header() {
			rw.Header()[name] = values
		}
		rw.WriteHeader(answer.Code)
		_, _ = rw.Write(answer.Body.Bytes()) // the worker may have left
	})
}

// settleAsWorker is what a worker runs until its standard input ends. One that is hasty deletes messages before it settles
// them.
func settleAsWorker() {
	ctx, cancel := context.WithCancel(context.Background())
	go func() { _, _ = io.Copy(io.Discard, os.Stdin); cancel() }()
	v := env.Read(os.LookupEnv)
	store, keys, queueURL, dead := awslambda.Store(v, awslambda.AWS, postgres.RoleProcessor), awslambda.Keys(v, awslambda.AWS), v.QueueURL(), v.URL("REFERRAL_DEAD_LETTER_QUEUE_URL", "")
	aws, err := config.LoadDefaultConfig(ctx)
	if err := v.Err(); err != nil {
		log.Fatal(err)
	}
	if err != nil {
		log.Fatal(err)
	}
	client := sqs.NewFromConfig(aws)
	handle := processor.New(processor.Config{
		Store: store, Keys: keys, BaseURL: v.BaseURL(), Schemas: schemas.New(schemas.Config{}), ItemTimeout: v.MessageTimeout(),
		Delay: sqsqueue.Delay(client, queueURL.String()), BackOff: time.Second, DeadLetter: sqsqueue.DeadLetter(client, dead.String()),
	}).HandleSQS
	if os.Getenv("REFERRAL_TEST_HASTY") != "" {
		settle := handle
		handle = func(ctx context.Context, event events.SQSEvent) (events.SQSEventResponse, error) {
			for i := range event.Records {
				url := queueURL.String()
				if _, err := client.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: &event.Records[i].ReceiptHandle}); err != nil {
					return events.SQSEventResponse{}, err
				}
			}
			return settle(ctx, event)
		}
	}
	if err := eventsource.Run(ctx, eventsource.Config{
		Client: client, QueueURL: queueURL.String(), Handler: handle, Concurrency: v.StoreConnections(env.FunctionStoreConnections), Timeout: invocationTimeout(v.MessageTimeout()),
		Log: slog.New(slog.DiscardHandler),
	}); err != nil {
		log.Fatal(err)
	}
}
