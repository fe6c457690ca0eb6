package main

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdkhttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ausbizconsulting/referral-fhir-server/infra/localsqs"
	"github.com/ausbizconsulting/referral-fhir-server/shared/awshttp"
)

// region is where the product runs; on one machine it only names the queues.
const region = "ap-southeast-2"

// localQueue is the SQS endpoint of this process with its two queues.
type localQueue struct {
	client        *sqs.Client
	endpoint      string
	url           string
	deadLetterURL string
	close         func()
}

// queueDrainTimeout is how long requests to the SQS endpoint may go on once all who are served here have ended.
const queueDrainTimeout = time.Second

// localCredential is access key and secret of the local endpoint, which checks neither.
const localCredential = "local"

// startQueue serves SQS on listener over connections to the database at databaseURL and makes the queues, which hide for
// visibility what was received.
func startQueue(ctx context.Context, listener net.Listener, databaseURL string, connections int, visibility time.Duration, log *slog.Logger) (*localQueue, error) {
	config, err := pgxpool.ParseConfig(databaseURL)
	if err != nil {
		return nil, fmt.Errorf("the queue's database URL cannot be parsed")
	}
	config.MaxConns = int32(connections)
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open the queue's database: %w", err)
	}
	endpoint := &url.URL{Scheme: "http", Host: listener.Addr().String()}
	endpointServer, err := localsqs.New(ctx, localsqs.Config{DB: pool, BaseURL: endpoint, Region: region, Log: log})
	if err != nil {
		pool.Close()
		return nil, fmt.Errorf("start the SQS endpoint: %w", err)
	}
	stopServing := serve(listener, endpointServer, log)
	q := &localQueue{
		endpoint: endpoint.String(),
		client: sqs.New(sqs.Options{
			Region: region, BaseEndpoint: aws.String(endpoint.String()),
			Credentials: credentials.NewStaticCredentialsProvider(localCredential, localCredential, ""),
			// The default keeps ten idle connections to a host; every sender and poller here has the same one.
			HTTPClient: awshttp.Wrap(sdkhttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.MaxIdleConnsPerHost = 64 })),
		}),
		close: func() {
			ctx, cancel := context.WithTimeout(context.Background(), queueDrainTimeout)
			defer cancel()
			endpointServer.Close() // ends long polls, so that serving can end
			stopServing(ctx)
			pool.Close()
		},
	}
	if err := q.createQueues(ctx, visibility); err != nil {
		q.close()
		return nil, fmt.Errorf("create the queues: %w", err)
	}
	return q, nil
}

// createQueues makes the queue of referrals and its dead-letter queue, as the deployment on AWS does.
func (q *localQueue) createQueues(ctx context.Context, visibility time.Duration) error {
	const retention = "1209600" // 14 days, the longest
	dead, err := q.client.CreateQueue(ctx, &sqs.CreateQueueInput{
		QueueName: aws.String("referrals-dead"), Attributes: map[string]string{"MessageRetentionPeriod": retention},
	})
	if err != nil {
		return err
	}
	arn, err := q.client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: dead.QueueUrl, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn},
	})
	if err != nil {
		return err
	}
	attributes := map[string]string{
		"MessageRetentionPeriod": retention,
		"VisibilityTimeout":      fmt.Sprint(int(math.Ceil(visibility.Seconds()))),
		"RedrivePolicy":          fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":1000}`, arn.Attributes["QueueArn"]),
	}
	main, err := q.client.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("referrals"), Attributes: map[string]string{}})
	if err != nil {
		return err
	}
	// Set afterwards: creating a queue that exists with other attributes is an error, and settings change.
	_, err = q.client.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: main.QueueUrl, Attributes: attributes})
	q.url, q.deadLetterURL = *main.QueueUrl, *dead.QueueUrl
	return err
}
