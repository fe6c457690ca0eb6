package localsqs

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	maxMessages   = 10    // of one receive or batch
	maxWait       = 20    // seconds
	maxVisibility = 43200 // seconds
)

type receiveMessageInput struct {
	QueueURL                    string `json:"QueueUrl"`
	MaxNumberOfMessages         *int
	VisibilityTimeout           *int
	WaitTimeSeconds             *int
	AttributeNames              []string
	MessageSystemAttributeNames []string
	MessageAttributeNames       []string
}

type receiveMessageOutput struct {
	Messages []message `json:",omitempty"`
}

// message is a received message on the wire.
type message struct {
	MessageID              string `json:"MessageId"`
	ReceiptHandle          string
	Body                   string
	MD5OfBody              string
	Attributes             map[string]string         `json:",omitempty"`
	MessageAttributes      map[string]attributeValue `json:",omitempty"`
	MD5OfMessageAttributes string                    `json:",omitempty"`
}

// receiveMessage leases up to MaxNumberOfMessages. With nothing to receive it waits up to WaitTimeSeconds,
// and looks again when something was sent, released or comes back.
func (s *Server) receiveMessage(ctx context.Context, _ caller, in receiveMessageInput) (receiveMessageOutput, error) {
	q, err := s.queueAt(in.QueueURL)
	if err != nil {
		return receiveMessageOutput{}, err
	}
	limit, visibility, wait, err := in.limits(q.settings.Load())
	if err != nil {
		return receiveMessageOutput{}, err
	}
	select {
	case <-s.closing: // an empty answer would make clients ask again at once
		return receiveMessageOutput{}, errClosing()
	default:
	}
	poll := q.pollers.join()
	defer q.pollers.leave(poll)
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	for {
		received, err := s.lease(ctx, q, limit, visibility)
		if err != nil {
			return receiveMessageOutput{}, err
		}
		if len(received) > 0 || wait == 0 {
			return in.output(s, received)
		}
		if err := s.awaitHidden(ctx, q, poll); err != nil {
			return receiveMessageOutput{}, err
		}
		select {
		case <-poll.look:
		case <-deadline.C:
			return receiveMessageOutput{}, nil
		case <-q.deleted:
			return receiveMessageOutput{}, errQueueDoesNotExist()
		case <-s.closing:
			return receiveMessageOutput{}, nil
		case <-ctx.Done():
			return receiveMessageOutput{}, ctx.Err()
		}
	}
}

// limits are the request's parameters, or the queue's where they are absent.
func (in *receiveMessageInput) limits(set *settings) (messages int, visibility, wait time.Duration, err error) {
	messages, visibility, wait = 1, set.visibilityTimeout, set.receiveWait
	if n := in.MaxNumberOfMessages; n != nil {
		if *n < 1 || *n > maxMessages {
			return 0, 0, 0, errOutOfRange("MaxNumberOfMessages", *n, 1, maxMessages)
		}
		messages = *n
	}
	if n := in.VisibilityTimeout; n != nil {
		if *n < 0 || *n > maxVisibility {
			return 0, 0, 0, errOutOfRange("VisibilityTimeout", *n, 0, maxVisibility)
		}
		visibility = seconds(*n)
	}
	if n := in.WaitTimeSeconds; n != nil {
		if *n < 0 || *n > maxWait {
			return 0, 0, 0, errOutOfRange("WaitTimeSeconds", *n, 0, maxWait)
		}
		wait = seconds(*n)
	}
	return messages, visibility, wait, nil
}

// picked is a row that a receive has found, before its change.
type picked struct {
	receipt
	fate            string // received, exhausted or expired
	body            string
	bodyMD5         []byte
	attributes      []byte
	groupID         *string
	traceHeader     *string
	senderID        string
	sentAt          time.Time
	receiveCount    int32
	firstReceivedAt time.Time
	sourceQueue     *string
}

// leaseMessages takes the next visible messages, in order of becoming visible. What is past the retention
// period is deleted; what was received as often as the redrive policy allows moves to the dead-letter
// queue; the rest is leased. What never changes is not in picked: PostgreSQL would copy it, the body unpacked,
// for each of the three changes. $1 queue, $2 now, $3 number, $4 sent at or before this is expired, $5 maximum
// of receives, $6 dead-letter queue, $7 visible again at, $8 lease.
const leaseMessages = `
with picked as materialized (
  select seq, visible_at, receive_count, first_received_at, source_queue_id,
         case when sent_at <= $4 then 'expired' when queue_receives >= $5 then 'exhausted' else 'received' end as fate
  from sqs.message
  where queue_id = $1 and visible_at <= $2
  order by visible_at, seq
  limit $3
  for update skip locked
), expired as (
  delete from sqs.message m using picked p where m.seq = p.seq and p.fate = 'expired'
), exhausted as (
  update sqs.message m set queue_id = $6, source_queue_id = $1, queue_receives = 0, visible_at = $2
  from picked p where m.seq = p.seq and p.fate = 'exhausted'
), received as (
  update sqs.message m set visible_at = $7, lease = $8, receive_count = m.receive_count + 1,
         queue_receives = m.queue_receives + 1, first_received_at = coalesce(m.first_received_at, $2)
  from picked p where m.seq = p.seq and p.fate = 'received'
)
select m.seq, m.message_id, p.fate, m.body, m.body_md5, m.attributes, m.group_id, m.trace_header, m.sender_id, m.sent_at,
       p.receive_count + 1, coalesce(p.first_received_at, $2),
       (select name from sqs.queue where id = p.source_queue_id)
from picked p join sqs.message m on m.seq = p.seq
order by p.visible_at, p.seq`

// lease receives up to limit messages. It looks again when all it found was expired or exhausted.
func (s *Server) lease(ctx context.Context, q *queue, limit int, visibility time.Duration) ([]picked, error) {
	for {
		set := q.settings.Load()
		maxReceives, deadLetters := int32(math.MaxInt32), q
		if r := set.redrive; r != nil {
			if target := s.queueOf(r.DeadLetterTargetARN); target != nil {
				maxReceives, deadLetters = int32(r.MaxReceiveCount), target
			}
		}
		now, lease := s.now(), rand.Int64()
		args := []any{q.id, now, limit, now.Add(-set.retention), maxReceives, deadLetters.id, now.Add(visibility), lease}
		var received []picked
		var exhausted, found int
		err := s.relaxed(ctx, leaseMessages, args, func(rows pgx.Rows) error {
			p := picked{receipt: receipt{lease: lease}}
			_, err := pgx.ForEachRow(rows, []any{&p.seq, &p.messageID, &p.fate, &p.body, &p.bodyMD5, &p.attributes, &p.groupID,
				&p.traceHeader, &p.senderID, &p.sentAt, &p.receiveCount, &p.firstReceivedAt, &p.sourceQueue}, func() error {
				found++
				switch p.fate {
				case "received":
					received = append(received, p)
				case "exhausted":
					exhausted++
				}
				return nil
			})
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("lease messages: %w", err)
		}
		if exhausted > 0 {
			s.log.Warn("sqs messages moved to the dead-letter queue", "queue", q.name, "messages", exhausted)
			deadLetters.pollers.arrived(exhausted)
		}
		if len(received) > 0 {
			q.pollers.hidden(visibility)
		}
		if len(received) > 0 || found == 0 {
			return received, nil
		}
	}
}

const nextVisible = `
select visible_at from sqs.message where queue_id = $1 and visible_at > $2 order by visible_at, seq limit 1`

// awaitHidden sets the poll's timer to the next message that becomes visible by itself.
func (s *Server) awaitHidden(ctx context.Context, q *queue, w *poller) error {
	now := s.now()
	var at time.Time
	err := s.db.QueryRow(ctx, nextVisible, q.id, now).Scan(&at)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find next visible message: %w", err)
	}
	q.pollers.hiddenFor(w, at.Sub(now))
	return nil
}

func (in *receiveMessageInput) output(s *Server, received []picked) (receiveMessageOutput, error) {
	out := receiveMessageOutput{Messages: make([]message, 0, len(received))}
	wanted := slices.Concat(in.AttributeNames, in.MessageSystemAttributeNames)
	for _, p := range received {
		attributes, err := chosenAttributes(p.attributes, in.MessageAttributeNames)
		if err != nil {
			return receiveMessageOutput{}, err
		}
		out.Messages = append(out.Messages, message{
			MessageID:              p.messageID.String(),
			ReceiptHandle:          p.handle(),
			Body:                   p.body,
			MD5OfBody:              hex.EncodeToString(p.bodyMD5),
			Attributes:             p.systemAttributes(s, wanted),
			MessageAttributes:      attributes,
			MD5OfMessageAttributes: md5OfAttributes(attributes),
		})
	}
	return out, nil
}

// systemAttributes are those asked for that the message has.
func (p *picked) systemAttributes(s *Server, wanted []string) map[string]string {
	if len(wanted) == 0 {
		return nil
	}
	values := map[string]string{
		"SenderId":                         p.senderID,
		"SentTimestamp":                    strconv.FormatInt(p.sentAt.UnixMilli(), 10),
		"ApproximateReceiveCount":          strconv.Itoa(int(p.receiveCount)),
		"ApproximateFirstReceiveTimestamp": strconv.FormatInt(p.firstReceivedAt.UnixMilli(), 10),
	}
	if p.groupID != nil {
		values["MessageGroupId"] = *p.groupID
	}
	if p.traceHeader != nil {
		values["AWSTraceHeader"] = *p.traceHeader
	}
	if p.sourceQueue != nil {
		values["DeadLetterQueueSourceArn"] = s.arn(*p.sourceQueue)
	}
	if !slices.Contains(wanted, "All") {
		for name := range values {
			if !slices.Contains(wanted, name) {
				delete(values, name)
			}
		}
	}
	return values
}

// chosenAttributes decodes the attributes that the names select: exact, All, .* or a prefix as in "bar.*".
func chosenAttributes(text []byte, names []string) (map[string]attributeValue, error) {
	if text == nil || len(names) == 0 {
		return nil, nil
	}
	var attributes map[string]attributeValue
	if err := json.Unmarshal(text, &attributes); err != nil {
		return nil, fmt.Errorf("decode message attributes: %w", err)
	}
	for name := range attributes {
		if !slices.ContainsFunc(names, func(pattern string) bool {
			prefix, wild := strings.CutSuffix(pattern, ".*")
			return pattern == "All" || pattern == name || wild && strings.HasPrefix(name, prefix)
		}) {
			delete(attributes, name)
		}
	}
	return attributes, nil
}
