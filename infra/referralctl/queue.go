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
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

type queueCommand struct {
	QueueURL           string `env:"REFERRAL_QUEUE_URL" placeholder:"URL" help:"The queue of referrals."`
	DeadLetterQueueURL string `env:"REFERRAL_DEAD_LETTER_QUEUE_URL" placeholder:"URL" help:"Its dead-letter queue; by default the one of its redrive policy."`
}

// Help is printed by queue --help.
func (*queueCommand) Help() string {
	return "Region, credentials and endpoint are those of the AWS command line (AWS_REGION, AWS_PROFILE, " +
		"AWS_ENDPOINT_URL_SQS …). The numbers are SQS's own approximations; nothing is received or changed."
}

// queueDepth is how full one queue is.
type queueDepth struct {
	Queue    string `json:"queue"`
	Visible  int    `json:"visible"`  // ApproximateNumberOfMessages
	InFlight int    `json:"inFlight"` // ApproximateNumberOfMessagesNotVisible
	Delayed  int    `json:"delayed"`  // ApproximateNumberOfMessagesDelayed
}

const useRunningStack = `with the stack of make run: set -a; eval "$(referralctl env)"; set +a`

// Run prints the depths.
func (c *queueCommand) Run(ctx context.Context, s *streams) error {
	if c.QueueURL == "" {
		return usageError{errors.New("which queue? Set REFERRAL_QUEUE_URL or --queue-url; " + useRunningStack)}
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	settings, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	if settings.Region == "" {
		return usageError{errors.New("which region? Set AWS_REGION; " + useRunningStack)}
	}
	depths, err := readDepths(ctx, sqs.NewFromConfig(settings), c.QueueURL, c.DeadLetterQueueURL)
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(map[string][]queueDepth{"queues": depths})
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "queue\tvisible\tin flight\tdelayed\t")
	for _, d := range depths {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t\n", d.Queue, d.Visible, d.InFlight, d.Delayed)
	}
	return w.Flush()
}

// readDepths returns the depth of the queue and, if it has one, of its dead-letter queue.
func readDepths(ctx context.Context, client *sqs.Client, queueURL, deadLetterURL string) ([]queueDepth, error) {
	depth, redrive, err := readDepth(ctx, client, queueURL)
	if err != nil {
		return nil, err
	}
	depths := []queueDepth{depth}
	if deadLetterURL == "" && redrive != "" {
		if deadLetterURL, err = deadLetterQueue(ctx, client, redrive); err != nil {
			return nil, err
		}
	}
	if deadLetterURL != "" {
		depth, _, err := readDepth(ctx, client, deadLetterURL)
		if err != nil {
			return nil, err
		}
		depths = append(depths, depth)
	}
	return depths, nil
}

func readDepth(ctx context.Context, client *sqs.Client, queueURL string) (d queueDepth, redrivePolicy string, err error) {
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
	return d, out.Attributes[string(types.QueueAttributeNameRedrivePolicy)], nil
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
