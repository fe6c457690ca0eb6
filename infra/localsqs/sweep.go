package localsqs

import (
	"context"
	"time"
)

// sweepEvery is how often messages are removed that are past their retention period and nobody received, or that were
// sent while their queue was being deleted. Receives never return one, however long the sweep is away.
const sweepEvery = 10 * time.Minute

const deleteExpired = `delete from sqs.message where queue_id = $1 and sent_at <= $2`

const deleteOrphans = `delete from sqs.message m where not exists (select from sqs.queue q where q.id = m.queue_id)`

// sweep deletes what nobody will receive until Close.
func (s *Server) sweep() {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-s.closing:
			return
		case <-ticker.C:
			s.sweepOnce()
		}
	}
}

func (s *Server) sweepOnce() {
	ctx, cancel := context.WithTimeout(s.life, writeTimeout)
	defer cancel()
	for _, q := range s.allQueues() {
		if _, err := s.db.Exec(ctx, deleteExpired, q.id, s.now().Add(-q.settings.Load().retention)); err != nil {
			s.log.Error("sqs retention sweep failed", "queue", q.name, cause(err))
		}
	}
	if _, err := s.db.Exec(ctx, deleteOrphans); err != nil {
		s.log.Error("sqs sweep of deleted queues failed", cause(err))
	}
}
