package dlq

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// lookEvery is how often a task is asked how far it is.
const lookEvery = 200 * time.Millisecond

// Move lets SQS itself send all visible letters again (StartMessageMoveTask), to the queue at to, at most rate of 1 to
// 500 a second, and follows the task until it has ended; one that is under way already to the same queue is followed
// as it is. Look, if not nil, is told how far it is. When ctx ends the task is cancelled. It returns how many letters
// were moved.
func (q *Queue) Move(ctx context.Context, to string, rate int, look func(moved, of int)) (moved int, err error) {
	source, err := q.arn(ctx, q.URL)
	if err != nil {
		return 0, err
	}
	destination, err := q.arn(ctx, to)
	if err != nil {
		return 0, err
	}
	task, err := q.task(ctx, source)
	switch {
	case err != nil:
		return 0, err
	case task == nil || !active(task):
		_, err := q.Client.StartMessageMoveTask(ctx, &sqs.StartMessageMoveTaskInput{
			SourceArn: &source, DestinationArn: &destination, MaxNumberOfMessagesPerSecond: aws.Int32(int32(rate)),
		})
		if err != nil {
			return 0, fmt.Errorf("start moving dead letters: %w", err)
		}
	case aws.ToString(task.DestinationArn) != destination:
		return 0, fmt.Errorf("the dead letters are being moved to %s by another task; wait for it, or cancel it", aws.ToString(task.DestinationArn))
	}
	return q.follow(ctx, source, look)
}

func active(task *types.ListMessageMoveTasksResultEntry) bool {
	status := aws.ToString(task.Status)
	return status == "RUNNING" || status == "CANCELLING"
}

func (q *Queue) arn(ctx context.Context, url string) (string, error) {
	const name = types.QueueAttributeNameQueueArn
	out, err := q.Client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{name}})
	if err != nil {
		return "", fmt.Errorf("ask %s: %w", url, err)
	}
	return out.Attributes[string(name)], nil
}

// task returns the newest task, or nil.
func (q *Queue) task(ctx context.Context, source string) (*types.ListMessageMoveTasksResultEntry, error) {
	out, err := q.Client.ListMessageMoveTasks(ctx, &sqs.ListMessageMoveTasksInput{SourceArn: &source})
	if err != nil {
		return nil, fmt.Errorf("ask how the move of dead letters stands: %w", err)
	}
	if len(out.Results) == 0 {
		return nil, nil
	}
	return &out.Results[0], nil
}

// follow looks until the task has ended, and ends it when ctx ends.
func (q *Queue) follow(ctx context.Context, source string, look func(moved, of int)) (moved int, err error) {
	interrupted := ctx.Done()
	asking, cancel := context.WithCancel(context.WithoutCancel(ctx)) // also how a cancelled task ended
	defer cancel()
	for {
		task, err := q.task(asking, source)
		switch {
		case err != nil:
			return moved, err
		case task == nil:
			return moved, errors.New("SQS has forgotten the move of dead letters; do it again, which is harmless")
		}
		moved = int(task.ApproximateNumberOfMessagesMoved)
		if look != nil {
			look(moved, int(aws.ToInt64(task.ApproximateNumberOfMessagesToMove)))
		}
		if !active(task) {
			return moved, ended(ctx, task)
		}
		select {
		case <-interrupted:
			interrupted = nil
			time.AfterFunc(finish, cancel)
			_, err := q.Client.CancelMessageMoveTask(asking, &sqs.CancelMessageMoveTaskInput{TaskHandle: task.TaskHandle})
			if err != nil {
				return moved, fmt.Errorf("cancel the move of dead letters, which goes on unless it has just ended: %w", err)
			}
		case <-time.After(lookEvery):
		}
	}
}

// ended is the error with which a task ended.
func ended(ctx context.Context, task *types.ListMessageMoveTasksResultEntry) error {
	switch status := aws.ToString(task.Status); status {
	case "COMPLETED":
		return nil
	case "CANCELLED":
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return errors.New("somebody has cancelled the move of dead letters; the same again moves the others")
	default:
		return fmt.Errorf("the move of dead letters ended as %s: %s", status, aws.ToString(task.FailureReason))
	}
}
