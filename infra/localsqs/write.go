package localsqs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// writeSends stores jobs until Close. The jobs that wait when it becomes free share one insert and thus one
// commit: the more senders wait, the fewer flushes each message costs, and a lone sender waits for nobody.
// One writer was measured to store as much as two and more than three: its inserts are the fullest.
func (s *Server) writeSends() {
	for {
		select {
		case <-s.closing:
			return
		case job := <-s.sends:
			s.write(s.gather(job))
		}
	}
}

// gather takes along the jobs that wait now.
func (s *Server) gather(first *sendJob) []*sendJob {
	jobs := []*sendJob{first}
	messages, bytes := len(first.rows), first.bytes
	for messages < sharedMessages && bytes < sharedBytes {
		select {
		case job := <-s.sends:
			jobs = append(jobs, job)
			messages += len(job.rows)
			bytes += job.bytes
		default:
			return jobs
		}
	}
	return jobs
}

// write stores the jobs and tells each how it ended. What PostgreSQL will not have of one is stored without it: no
// sender's message fails for another's.
func (s *Server) write(jobs []*sendJob) {
	err := s.insert(jobs)
	if len(jobs) > 1 && refused(err) {
		for _, job := range jobs {
			job.done <- s.insert([]*sendJob{job})
		}
		return
	}
	for _, job := range jobs {
		job.done <- err
	}
}

// refused tells whether err is about what was to be stored: a data exception, a constraint, a limit (PostgreSQL
// errcodes-appendix.html, classes 22, 23 and 54).
func refused(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && slices.Contains([]string{"22", "23", "54"}, pg.Code[:2])
}

const insertMessages = `
insert into sqs.message (queue_id, message_id, body, body_md5, attributes, group_id, trace_header, sender_id, sent_at, visible_at)
select queue_id, message_id, body, body_md5, attributes::json, group_id, trace_header, sender_id, sent_at, visible_at
from unnest($1::int[], $2::uuid[], $3::text[], $4::bytea[], $5::text[], $6::text[], $7::text[], $8::text[], $9::timestamptz[], $10::timestamptz[])
  as m (queue_id, message_id, body, body_md5, attributes, group_id, trace_header, sender_id, sent_at, visible_at)`

// columns are the arguments of insertMessages.
type columns struct {
	queueIDs                           []int32
	ids                                []id
	bodies                             []string
	bodyMD5s                           [][]byte
	attributes, groupIDs, traceHeaders []*string
	senders                            []string
	sentAts, visibleAts                []time.Time
}

func (c *columns) add(r row) {
	c.queueIDs = append(c.queueIDs, r.queue.id)
	c.ids = append(c.ids, r.id)
	c.bodies = append(c.bodies, r.body)
	c.bodyMD5s = append(c.bodyMD5s, r.bodyMD5)
	c.attributes = append(c.attributes, r.attributes)
	c.groupIDs = append(c.groupIDs, r.groupID)
	c.traceHeaders = append(c.traceHeaders, r.traceHeader)
	c.senders = append(c.senders, r.sender)
	c.sentAts = append(c.sentAts, r.sentAt)
	c.visibleAts = append(c.visibleAts, r.sentAt.Add(r.delay))
}

// insert stores the jobs' rows in one commit and wakes whom they concern. It belongs to no single request, but to
// the Server.
func (s *Server) insert(jobs []*sendJob) error {
	ctx, cancel := context.WithTimeout(s.life, writeTimeout)
	defer cancel()
	var c columns
	for _, job := range jobs {
		for _, r := range job.rows {
			c.add(r)
		}
	}
	_, err := s.db.Exec(ctx, insertMessages, c.queueIDs, c.ids, c.bodies, c.bodyMD5s,
		c.attributes, c.groupIDs, c.traceHeaders, c.senders, c.sentAts, c.visibleAts)
	if err != nil {
		return fmt.Errorf("insert messages: %w", err)
	}
	arrived := make(map[*queue]int)
	for _, job := range jobs {
		for _, r := range job.rows {
			if r.delay > 0 {
				r.queue.pollers.hidden(r.delay)
				continue
			}
			arrived[r.queue]++
		}
	}
	for q, messages := range arrived {
		q.pollers.arrived(messages)
	}
	return nil
}
