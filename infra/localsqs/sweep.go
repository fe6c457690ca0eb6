package localsqs

import (
	"context"
	"time"
)

// sweepEvery is how often messages past their retention period are removed that nobody received. Receives
// never return one, however long the sweep is away.
const sweepEvery = 10 * time.Minute

const deleteExpired = `delete from sqs.message where queue_id = $1 and sent_at <= $2`

// sweep deletes expired messages until Close.
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
}
