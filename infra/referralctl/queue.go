package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// queues says which queues are meant.
type queues struct {
	QueueURL           string `env:"REFERRAL_QUEUE_URL" placeholder:"URL" help:"The queue of referrals."`
	DeadLetterQueueURL string `env:"REFERRAL_DEAD_LETTER_QUEUE_URL" placeholder:"URL" help:"Its dead-letter queue; by default the one of its redrive policy."`
	Kind               string `env:"REFERRAL_QUEUE" name:"kind" default:"sqs" hidden:"" help:"sqs, or direct: there is none."`
}

type queueCommand struct {
	queues
	Ages bool `default:"true" negatable:"" help:"Receive up to ten messages of each queue that is not empty and tell the age of the oldest; --no-ages leaves them alone."`
}

// Help is printed by queue --help.
func (*queueCommand) Help() string {
	return "Region, credentials and endpoint are those of the AWS command line (AWS_REGION, AWS_PROFILE, " +
		"AWS_ENDPOINT_URL_SQS …). The numbers are SQS's own approximations. SQS tells the " +
		"age of a message only to who receives it: the one shown is the oldest of a sample of at most ten, since it was first " +
		"sent. That counts as a receive of each and hides it from others for a second; --no-ages receives nothing."
}

// queueDepth is how full one queue is.
type queueDepth struct {
	Queue    string `json:"queue"`
	Visible  int    `json:"visible"`  // ApproximateNumberOfMessages
	InFlight int    `json:"inFlight"` // ApproximateNumberOfMessagesNotVisible
	Delayed  int    `json:"delayed"`  // ApproximateNumberOfMessagesDelayed
	// OldestSeconds is the age of the oldest message of a sample; nil when there was none.
	OldestSeconds *int64 `json:"oldestSeconds,omitempty"`
}

const useRunningStack = `with the stack of make run: set -a; eval "$(referralctl env)"; set +a`

// open returns the SDK's settings and a client with them.
func (c *queues) open(ctx context.Context) (settings aws.Config, client *sqs.Client, err error) {
	if c.QueueURL == "" && c.Kind == "direct" {
		return settings, nil, errors.New("there is no queue: the server settles each request before it answers (REFERRAL_QUEUE=direct)")
	}
	if c.QueueURL == "" {
		return settings, nil, usageError{errors.New("which queue? Set REFERRAL_QUEUE_URL or --queue-url; " + useRunningStack)}
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	settings, err = lookUpAWS(ctx)
	if err != nil {
		return settings, nil, err
	}
	if settings.Region == "" {
		return settings, nil, usageError{errors.New("which region? Set AWS_REGION; " + useRunningStack)}
	}
	return settings, sqs.NewFromConfig(settings), nil
}

// Run prints the depths.
func (c *queueCommand) Run(ctx context.Context, s *streams) error {
	_, client, err := c.open(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	depths, err := c.readDepths(ctx, client)
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(map[string][]queueDepth{"queues": depths})
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "queue\tvisible\tin flight\tdelayed\toldest\t")
	for _, d := range depths {
		oldest := "-"
		if d.OldestSeconds != nil {
			oldest = (time.Duration(*d.OldestSeconds) * time.Second).String()
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%s\t\n", d.Queue, d.Visible, d.InFlight, d.Delayed, oldest)
	}
	return w.Flush()
}

// readDepths returns the depth of the queue and, if it has one, of its dead-letter queue.
func (c *queueCommand) readDepths(ctx context.Context, client *sqs.Client) ([]queueDepth, error) {
	depth, redrive, err := c.readDepth(ctx, client, c.QueueURL)
	if err != nil {
		return nil, err
	}
	depths, deadLetterURL := []queueDepth{depth}, c.DeadLetterQueueURL
	if deadLetterURL == "" && redrive != "" {
		if deadLetterURL, err = deadLetterQueue(ctx, client, redrive); err != nil {
			return nil, err
		}
	}
	if deadLetterURL != "" {
		depth, _, err := c.readDepth(ctx, client, deadLetterURL)
		if err != nil {
			return nil, err
		}
		depths = append(depths, depth)
	}
	return depths, nil
}

func (c *queueCommand) readDepth(ctx context.Context, client *sqs.Client, queueURL string) (d queueDepth, redrivePolicy string, err error) {
	d.Queue = path.Base(queueURL)
	counts := map[types.QueueAttributeName]*int{
		types.QueueAttributeNameApproximateNumberOfMessages:           &d.Visible,
		types.QueueAttributeNameApproximateNumberOfMessagesNotVisible: &d.InFlight,
		types.QueueAttributeNameApproximateNumberOfMessagesDelayed:    &d.Delayed,
	}
	names := []types.QueueAttributeName{types.QueueAttributeNameRedrivePolicy}
	for name := range counts {
		names = append(names, name)
	}
	out, err := client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &queueURL, AttributeNames: names})
	if missing, ok := errors.AsType[*types.QueueDoesNotExist](err); ok {
		return d, "", fmt.Errorf("there is no queue %s: %w", queueURL, missing)
	}
	if err != nil {
		return d, "", fmt.Errorf("ask %s: %w", queueURL, err)
	}
	for name, n := range counts {
		if *n, err = strconv.Atoi(out.Attributes[string(name)]); err != nil {
			return d, "", fmt.Errorf("ask %s: %s is no number", queueURL, name)
		}
	}
	if c.Ages && d.Visible > 0 {
		if d.OldestSeconds, err = sampleAge(ctx, client, queueURL); err != nil {
			return d, "", err
		}
	}
	return d, out.Attributes[string(types.QueueAttributeNameRedrivePolicy)], nil
}

// sampleAge receives what SQS gives in one go, ten messages at most, and returns the age of the oldest in seconds, or
// nil when others were faster. They are hidden for a second: the SDK leaves a VisibilityTimeout of 0 out of the
// request, and the queue's own takes its place.
func sampleAge(ctx context.Context, client *sqs.Client, queueURL string) (*int64, error) {
	out, err := client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: &queueURL, MaxNumberOfMessages: 10, VisibilityTimeout: 1, WaitTimeSeconds: 1,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameSentTimestamp},
	})
	if err != nil {
		return nil, fmt.Errorf("receive from %s, to see ages (--no-ages goes without): %w", queueURL, err)
	}
	var oldest *int64
	for _, m := range out.Messages {
		sent, err := strconv.ParseInt(m.Attributes[string(types.MessageSystemAttributeNameSentTimestamp)], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("receive from %s: SentTimestamp is no number", queueURL)
		}
		age := max(0, int64(time.Since(time.UnixMilli(sent))/time.Second))
		if oldest == nil || age > *oldest {
			oldest = &age
		}
	}
	return oldest, nil
}

// deadLetterQueue returns the URL of the queue that a redrive policy names by its ARN, arn:aws:sqs:region:account:name.
func deadLetterQueue(ctx context.Context, client *sqs.Client, redrivePolicy string) (string, error) {
	var policy struct {
		Target string `json:"deadLetterTargetArn"`
	}
	err := json.Unmarshal([]byte(redrivePolicy), &policy)
	arn := strings.Split(policy.Target, ":")
	if err != nil || len(arn) != 6 {
		return "", errors.New("the queue's redrive policy names no queue; set REFERRAL_DEAD_LETTER_QUEUE_URL")
	}
	out, err := client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &arn[5], QueueOwnerAWSAccountId: &arn[4]})
	if err != nil {
		return "", fmt.Errorf("find the dead-letter queue: %w", err)
	}
	return aws.ToString(out.QueueUrl), nil
}
