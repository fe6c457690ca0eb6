package localsqs

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// queue is one row of sqs.queue, kept in memory for as long as the Server runs.
type queue struct {
	id       int32
	name     string
	arn      string
	url      string
	created  time.Time
	modified atomic.Pointer[time.Time]
	settings atomic.Pointer[settings]
	pollers  pollers
	deleted  chan struct{} // closed by DeleteQueue: ends long polls
}

var queueName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

func (s *Server) newQueue(id int32, name string, set *settings, created, modified time.Time) *queue {
	q := &queue{
		id:      id,
		name:    name,
		arn:     s.arn(name),
		url:     s.baseURL + "/" + account + "/" + name,
		created: created,
		deleted: make(chan struct{}),
	}
	q.modified.Store(&modified)
	q.settings.Store(set)
	return q
}

func (s *Server) arn(name string) string {
	return "arn:aws:sqs:" + s.region + ":" + account + ":" + name
}

const selectQueues = `select id, name, attributes, created_at, modified_at from sqs.queue`

func (s *Server) loadQueues(ctx context.Context) error {
	rows, err := s.db.Query(ctx, selectQueues)
	if err != nil {
		return fmt.Errorf("load queues: %w", err)
	}
	var (
		id                int32
		name              string
		attributes        []byte
		created, modified time.Time
	)
	_, err = pgx.ForEachRow(rows, []any{&id, &name, &attributes, &created, &modified}, func() error {
		var explicit map[string]string
		if err := json.Unmarshal(attributes, &explicit); err != nil {
			return err
		}
		set, err := readSettings(explicit)
		if err != nil {
			return err
		}
		s.queues[name] = s.newQueue(id, name, set, created, modified)
		return nil
	})
	if err != nil {
		return fmt.Errorf("load queues: %w", err)
	}
	return nil
}

func (s *Server) queueNamed(name string) (*queue, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if q, ok := s.queues[name]; ok {
		return q, nil
	}
	return nil, errQueueDoesNotExist()
}

// queueAt finds the queue of a URL. Only its path counts: localhost and 127.0.0.1 mean the same.
func (s *Server) queueAt(url string) (*queue, error) {
	name, err := nameIn(url)
	if err != nil {
		return nil, err
	}
	return s.queueNamed(name)
}

func nameIn(url string) (string, error) {
	if url == "" {
		return "", errMissingParameter("QueueUrl")
	}
	_, name, ok := strings.Cut(url, "/"+account+"/")
	if !ok {
		return "", errInvalidAddress()
	}
	return name, nil
}

// queueOf finds the queue of an ARN; nil when there is none.
func (s *Server) queueOf(arn string) *queue {
	q, err := s.queueNamed(arn[strings.LastIndexByte(arn, ':')+1:])
	if err != nil || q.arn != arn {
		return nil
	}
	return q
}

type createQueueInput struct {
	QueueName  string
	Attributes map[string]string
}

type queueURLOutput struct {
	QueueURL string `json:"QueueUrl"`
}

const insertQueue = `
insert into sqs.queue (name, attributes, created_at, modified_at) values ($1, $2, $3, $3) returning id`

// createQueue makes a queue. The same name with the same values for the attributes given is no error.
func (s *Server) createQueue(ctx context.Context, _ caller, in createQueueInput) (queueURLOutput, error) {
	if strings.HasSuffix(in.QueueName, ".fifo") {
		return queueURLOutput{}, errUnsupportedOperation("FIFO queues are not supported by this endpoint.")
	}
	if !queueName.MatchString(in.QueueName) {
		return queueURLOutput{}, errInvalidParameter("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	}
	wanted, err := readSettings(in.Attributes)
	if err != nil {
		return queueURLOutput{}, err
	}
	if q, err := s.queueNamed(in.QueueName); err == nil {
		return existing(q, wanted)
	}
	if err := s.checkRedrive(in.QueueName, wanted); err != nil {
		return queueURLOutput{}, err
	}
	s.mu.Lock() // also over the insert: creating is rare, and two at once must not both insert
	defer s.mu.Unlock()
	if q, ok := s.queues[in.QueueName]; ok {
		return existing(q, wanted)
	}
	created := s.now()
	var id int32
	if err := s.db.QueryRow(ctx, insertQueue, in.QueueName, wanted.explicit, created).Scan(&id); err != nil {
		return queueURLOutput{}, fmt.Errorf("insert queue: %w", err)
	}
	q := s.newQueue(id, in.QueueName, wanted, created, created)
	s.queues[in.QueueName] = q
	return queueURLOutput{q.url}, nil
}

func existing(q *queue, wanted *settings) (queueURLOutput, error) {
	if name := q.settings.Load().differing(wanted); name != "" {
		return queueURLOutput{}, errQueueNameExists(name)
	}
	return queueURLOutput{q.url}, nil
}

// checkRedrive says whether the dead-letter queue of set exists and lets the named queue use it.
func (s *Server) checkRedrive(name string, set *settings) error {
	if set.redrive == nil {
		return nil
	}
	target := s.queueOf(set.redrive.DeadLetterTargetARN)
	if target == nil {
		return errInvalidParameter("Value for parameter RedrivePolicy is invalid. Reason: Dead letter target does not exist.")
	}
	allow := target.settings.Load().redriveAllow
	if allow == nil || allow.RedrivePermission == "allowAll" {
		return nil
	}
	if allow.RedrivePermission == "byQueue" && slices.Contains(allow.SourceQueueARNs, s.arn(name)) {
		return nil
	}
	return errInvalidParameter("Value for parameter RedrivePolicy is invalid. Reason: Dead letter target does not allow this source queue.")
}

type getQueueURLInput struct{ QueueName string }

func (s *Server) getQueueURL(_ context.Context, _ caller, in getQueueURLInput) (queueURLOutput, error) {
	q, err := s.queueNamed(in.QueueName)
	if err != nil {
		return queueURLOutput{}, err
	}
	return queueURLOutput{q.url}, nil
}

type purgeQueueInput struct {
	QueueURL string `json:"QueueUrl"`
}

const deleteMessages = `delete from sqs.message where queue_id = $1`

// purgeQueue deletes every message at once, so that there is no PurgeQueueInProgress.
func (s *Server) purgeQueue(ctx context.Context, _ caller, in purgeQueueInput) (struct{}, error) {
	q, err := s.queueAt(in.QueueURL)
	if err != nil {
		return struct{}{}, err
	}
	if _, err := s.db.Exec(ctx, deleteMessages, q.id); err != nil {
		return struct{}{}, fmt.Errorf("purge queue: %w", err)
	}
	return struct{}{}, nil
}

type deleteQueueInput struct {
	QueueURL string `json:"QueueUrl"`
}

const deleteQueueAndMessages = `
with q as (delete from sqs.queue where id = $1)
delete from sqs.message where queue_id = $1`

// deleteQueue deletes the queue and its messages at once, so that its name is free again and there is no
// QueueDeletedRecently. Queues that have it as dead-letter queue keep their messages from then on. What a send stores
// at the same moment is the sweeper's.
func (s *Server) deleteQueue(ctx context.Context, _ caller, in deleteQueueInput) (struct{}, error) {
	name, err := nameIn(in.QueueURL)
	if err != nil {
		return struct{}{}, err
	}
	s.mu.Lock() // also over the statement, as in createQueue
	defer s.mu.Unlock()
	q, ok := s.queues[name]
	if !ok {
		return struct{}{}, errQueueDoesNotExist()
	}
	if _, err := s.db.Exec(ctx, deleteQueueAndMessages, q.id); err != nil {
		return struct{}{}, fmt.Errorf("delete queue: %w", err)
	}
	delete(s.queues, q.name)
	close(q.deleted)
	return struct{}{}, nil
}

func (s *Server) allQueues() []*queue {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Collect(maps.Values(s.queues))
}
