package localsqs

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// moveStatus is the Status of a message move task.
type moveStatus string

const (
	moveRunning    moveStatus = "RUNNING"
	moveCancelling moveStatus = "CANCELLING" // asked to end, and about to
	moveCancelled  moveStatus = "CANCELLED"
	moveCompleted  moveStatus = "COMPLETED"
	moveFailed     moveStatus = "FAILED"
)

const (
	maxMovesPerSecond = 500 // SQS API reference, StartMessageMoveTask
	maxMoveTasks      = 10  // of one list
)

// taskHandle is what a TaskHandle holds, as base64 of JSON.
type taskHandle struct {
	TaskID    string `json:"taskId"`
	SourceARN string `json:"sourceArn"`
}

func (h taskHandle) String() string { return base64.StdEncoding.EncodeToString([]byte(canonical(h))) }

func parseTaskHandle(text string) (h taskHandle, err error) {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || json.Unmarshal(b, &h) != nil || !uuid.MatchString(h.TaskID) {
		return taskHandle{}, errInvalidParameter("Value for parameter TaskHandle is invalid.")
	}
	return h, nil
}

// sourceOfMoves finds the queue that messages are moved out of.
func (s *Server) sourceOfMoves(arn string) (*queue, error) {
	if arn == "" {
		return nil, errMissingParameter("SourceArn")
	}
	q := s.queueOf(arn)
	if q == nil {
		return nil, errResourceNotFound("The resource that you specified for the SourceArn parameter doesn't exist.")
	}
	return q, nil
}

type startMessageMoveTaskInput struct {
	SourceARN                    string `json:"SourceArn"`
	DestinationARN               string `json:"DestinationArn"`
	MaxNumberOfMessagesPerSecond *int
}

type startMessageMoveTaskOutput struct{ TaskHandle string }

const insertMoveTask = `
insert into sqs.move_task (task_id, source_arn, destination_arn, max_per_second, status, to_move, started_at)
select $1, $2, nullif($3, ''), $4, 'RUNNING', count(*), $6
from sqs.message where queue_id = $5 and visible_at <= $6 and sent_at > $7`

// startMessageMoveTask stores the task and lets it run. It moves as many messages as are visible now, so that what dies
// again meanwhile is left for another one.
func (s *Server) startMessageMoveTask(_ context.Context, _ caller, in startMessageMoveTaskInput) (startMessageMoveTaskOutput, error) {
	var none startMessageMoveTaskOutput
	source, err := s.sourceOfMoves(in.SourceARN)
	if err != nil {
		return none, err
	}
	if in.DestinationARN != "" && s.queueOf(in.DestinationARN) == nil {
		return none, errResourceNotFound("The resource that you specified for the DestinationArn parameter doesn't exist.")
	}
	if in.DestinationARN == in.SourceARN {
		return none, errInvalidParameter("Value for parameter DestinationArn is invalid. Reason: It must not be the source queue.")
	}
	if n := in.MaxNumberOfMessagesPerSecond; n != nil && (*n < 1 || *n > maxMovesPerSecond) {
		return none, errOutOfRange("MaxNumberOfMessagesPerSecond", *n, 1, maxMovesPerSecond)
	}
	if !s.isDeadLetterQueue(source) {
		return none, errInvalidParameter("Source queue must be configured as a Dead Letter Queue.")
	}
	task, now := newID(), s.now()
	// The caller may hang up; a task that is stored has to run.
	ctx, cancel := context.WithTimeout(s.life, writeTimeout)
	defer cancel()
	_, err = s.db.Exec(ctx, insertMoveTask, task, in.SourceARN, in.DestinationARN, in.MaxNumberOfMessagesPerSecond,
		source.id, now, now.Add(-source.settings.Load().retention))
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.ConstraintName == "move_task_active" {
		return none, errInvalidParameter("There is already a task running. Only one active task is allowed for a source queue arn at a given time.")
	}
	if err != nil {
		return none, fmt.Errorf("insert move task: %w", err)
	}
	s.startMove(task, in.MaxNumberOfMessagesPerSecond)
	return startMessageMoveTaskOutput{taskHandle{task.String(), in.SourceARN}.String()}, nil
}

func (s *Server) isDeadLetterQueue(target *queue) bool {
	for _, q := range s.allQueues() {
		if redrive := q.settings.Load().redrive; redrive != nil && redrive.DeadLetterTargetARN == target.arn {
			return true
		}
	}
	return false
}

type listMessageMoveTasksInput struct {
	SourceARN  string `json:"SourceArn"`
	MaxResults *int
}

type listMessageMoveTasksOutput struct{ Results []moveTaskEntry }

// moveTaskEntry is ListMessageMoveTasksResultEntry.
type moveTaskEntry struct {
	TaskHandle                        string `json:",omitempty"` // only while it is running
	Status                            moveStatus
	SourceARN                         string  `json:"SourceArn"`
	DestinationARN                    *string `json:"DestinationArn,omitempty"`
	MaxNumberOfMessagesPerSecond      *int    `json:",omitempty"`
	ApproximateNumberOfMessagesMoved  int64
	ApproximateNumberOfMessagesToMove int64
	FailureReason                     *string `json:",omitempty"`
	StartedTimestamp                  int64   // unix ms
}

const selectMoveTasks = `
select task_id::text, status, source_arn, destination_arn, max_per_second, moved, to_move, failure_reason,
       (extract(epoch from started_at) * 1000)::bigint
from sqs.move_task where source_arn = $1 order by seq desc limit $2`

// listMessageMoveTasks lists the newest first; one where MaxResults is absent.
func (s *Server) listMessageMoveTasks(ctx context.Context, _ caller, in listMessageMoveTasksInput) (listMessageMoveTasksOutput, error) {
	out := listMessageMoveTasksOutput{Results: []moveTaskEntry{}}
	source, err := s.sourceOfMoves(in.SourceARN)
	if err != nil {
		return out, err
	}
	limit := 1
	if n := in.MaxResults; n != nil {
		if *n < 1 || *n > maxMoveTasks {
			return out, errOutOfRange("MaxResults", *n, 1, maxMoveTasks)
		}
		limit = *n
	}
	rows, err := s.db.Query(ctx, selectMoveTasks, source.arn, limit)
	if err != nil {
		return out, fmt.Errorf("list move tasks: %w", err)
	}
	var id string
	var e moveTaskEntry
	_, err = pgx.ForEachRow(rows, []any{&id, &e.Status, &e.SourceARN, &e.DestinationARN, &e.MaxNumberOfMessagesPerSecond,
		&e.ApproximateNumberOfMessagesMoved, &e.ApproximateNumberOfMessagesToMove, &e.FailureReason, &e.StartedTimestamp}, func() error {
		e.TaskHandle = ""
		if e.Status == moveRunning {
			e.TaskHandle = taskHandle{id, e.SourceARN}.String()
		}
		out.Results = append(out.Results, e)
		return nil
	})
	if err != nil {
		return out, fmt.Errorf("list move tasks: %w", err)
	}
	return out, nil
}

type cancelMessageMoveTaskInput struct{ TaskHandle string }

type cancelMessageMoveTaskOutput struct{ ApproximateNumberOfMessagesMoved int64 }

const cancelMoveTask = `
with t as (select seq, status, moved from sqs.move_task where task_id = $1::uuid and source_arn = $2 for update),
     u as (update sqs.move_task m set status = 'CANCELLING' from t where m.seq = t.seq and t.status = 'RUNNING')
select status, moved from t`

// cancelMessageMoveTask asks the task to end, which it does with its next step. What it has moved stays where it is.
func (s *Server) cancelMessageMoveTask(ctx context.Context, _ caller, in cancelMessageMoveTaskInput) (cancelMessageMoveTaskOutput, error) {
	var out cancelMessageMoveTaskOutput
	if in.TaskHandle == "" {
		return out, errMissingParameter("TaskHandle")
	}
	handle, err := parseTaskHandle(in.TaskHandle)
	if err != nil {
		return out, err
	}
	if _, err := s.sourceOfMoves(handle.SourceARN); err != nil {
		return out, err
	}
	var status moveStatus
	err = s.db.QueryRow(ctx, cancelMoveTask, handle.TaskID, handle.SourceARN).Scan(&status, &out.ApproximateNumberOfMessagesMoved)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return out, errResourceNotFound("Task does not exist.")
	case err != nil:
		return out, fmt.Errorf("cancel move task: %w", err)
	case status != moveRunning:
		return out, errInvalidParameter("Only active tasks can be cancelled.")
	}
	return out, nil
}
