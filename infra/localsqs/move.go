package localsqs

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	moveBatch = 500         // of a step, where the task names no rate
	moveRetry = time.Second // after a step that the database did not do
)

const selectRunningMoves = `select task_id, max_per_second from sqs.move_task where status in ('RUNNING', 'CANCELLING')`

// resumeMoves lets the tasks go on that were running when the Server before this one ended.
func (s *Server) resumeMoves(ctx context.Context) error {
	rows, err := s.db.Query(ctx, selectRunningMoves)
	if err != nil {
		return fmt.Errorf("load move tasks: %w", err)
	}
	var task id
	var rate *int
	if _, err := pgx.ForEachRow(rows, []any{&task, &rate}, func() error {
		s.startMove(task, rate)
		return nil
	}); err != nil {
		return fmt.Errorf("load move tasks: %w", err)
	}
	return nil
}

// startMove runs a stored task until it ends, or the Server closes: then the next Server goes on with it.
func (s *Server) startMove(task id, perSecond *int) {
	s.starting.Lock()
	defer s.starting.Unlock()
	select {
	case <-s.closing:
	default:
		s.work.Go(func() { s.runMove(task, perSecond) })
	}
}

// runMove moves in steps, a tenth of a second's worth at a time where the rate allows for that much.
func (s *Server) runMove(task id, perSecond *int) {
	batch, pause := moveBatch, time.Duration(0)
	if perSecond != nil {
		batch = max(1, *perSecond/10)
		pause = time.Duration(batch) * time.Second / time.Duration(*perSecond)
	}
	for wait := pause; ; wait = pause {
		status, err := s.moveStep(task, batch)
		switch {
		case err != nil:
			s.log.Error("sqs move task delayed", cause(err))
			wait = moveRetry
		case status != moveRunning:
			return
		}
		select {
		case <-s.closing:
			return
		case <-time.After(wait):
		}
	}
}

const lockMoveTask = `select source_arn, destination_arn, status, to_move - moved from sqs.move_task where task_id = $1 for update`

// moveMessages moves up to $2 visible messages of queue $1 to queue $3, or where that is null to the queue each came
// from, as new ones: with a new id and time, and never received. It counts them by the queue that they come to; under
// null are those that have none to go to, which stay. $4 now, $5 sent at or before this is expired.
const moveMessages = `
with picked as materialized (
  select m.seq, q.id as target, m.source_queue_id is null as unknown
  from sqs.message m left join sqs.queue q on q.id = coalesce($3, m.source_queue_id)
  where m.queue_id = $1 and m.visible_at <= $4 and m.sent_at > $5
  order by m.visible_at, m.seq
  limit $2
  for update of m skip locked
), moved as (
  update sqs.message m set queue_id = p.target, message_id = gen_random_uuid(), sent_at = $4, visible_at = $4, lease = 0,
         receive_count = 0, queue_receives = 0, first_received_at = null, source_queue_id = null
  from picked p where m.seq = p.seq and p.target is not null
)
select target, unknown, count(*) from picked group by target, unknown`

const updateMoveTask = `update sqs.move_task set moved = moved + $2, status = $3, failure_reason = nullif($4, '') where task_id = $1`

// moveStep moves one batch and says how the task stands then. Moving and counting are one transaction: a crash undoes
// both or neither.
func (s *Server) moveStep(task id, batch int) (status moveStatus, err error) {
	ctx, cancel := context.WithTimeout(s.life, writeTimeout)
	defer cancel()
	var arrived map[int32]int
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) (err error) {
		var sourceARN, failure string
		var destinationARN *string
		var left, moved int
		if err := tx.QueryRow(ctx, lockMoveTask, task).Scan(&sourceARN, &destinationARN, &status, &left); err != nil {
			return err
		}
		if status == moveRunning {
			if arrived, failure, err = s.moveSome(ctx, tx, sourceARN, destinationARN, min(batch, left)); err != nil {
				return err
			}
		}
		for _, n := range arrived {
			moved += n
		}
		switch {
		case status == moveCancelling:
			status = moveCancelled
		case failure != "":
			status = moveFailed
		case moved == 0 || moved == left:
			status = moveCompleted
		}
		_, err = tx.Exec(ctx, updateMoveTask, task, moved, status, failure)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("move messages: %w", err)
	}
	for _, q := range s.allQueues() {
		q.pollers.arrived(arrived[q.id])
	}
	return status, nil
}

// moveSome returns how many messages came to which queue, and SQS's name for what kept others from it.
func (s *Server) moveSome(ctx context.Context, tx pgx.Tx, sourceARN string, destinationARN *string, limit int) (arrived map[int32]int, failure string, err error) {
	const nonExistent, noSource = "AWS.SimpleQueueService.NonExistentQueue", "CouldNotDetermineMessageSource"
	source := s.queueOf(sourceARN)
	var destination *int32
	if destinationARN != nil {
		q := s.queueOf(*destinationARN)
		if q == nil {
			return nil, nonExistent, nil
		}
		destination = &q.id
	}
	if source == nil {
		return nil, nonExistent, nil
	}
	now := s.now()
	rows, err := tx.Query(ctx, moveMessages, source.id, limit, destination, now, now.Add(-source.settings.Load().retention))
	if err != nil {
		return nil, "", err
	}
	arrived = make(map[int32]int)
	var target *int32
	var unknown bool
	var n int
	_, err = pgx.ForEachRow(rows, []any{&target, &unknown, &n}, func() error {
		switch {
		case target != nil:
			arrived[*target] += n
		case unknown:
			failure = noSource
		default:
			failure = nonExistent
		}
		return nil
	})
	return arrived, failure, err
}
