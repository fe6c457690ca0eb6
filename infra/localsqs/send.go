package localsqs

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"time"
)

const (
	// A shared insert takes no more jobs once it holds this much.
	sharedMessages = 256
	sharedBytes    = 4 << 20

	// writeTimeout bounds one insert, so that a hanging database turns into errors.
	writeTimeout = 30 * time.Second
)

// row is a message as it is inserted.
type row struct {
	queue       *queue
	id          id
	body        string
	bodyMD5     []byte
	attributes  *string // JSON
	groupID     *string
	traceHeader *string
	sender      string
	sentAt      time.Time
	delay       time.Duration
}

// sendJob is one request's messages on their way to the writer, which answers on done once they are
// committed or have failed together.
type sendJob struct {
	rows  []row
	bytes int
	done  chan error
}

type sendMessageInput struct {
	QueueURL string `json:"QueueUrl"`
	outgoing
}

type sendMessageOutput struct {
	MD5OfMessageBody             string
	MD5OfMessageAttributes       string `json:",omitempty"`
	MD5OfMessageSystemAttributes string `json:",omitempty"`
	MessageID                    string `json:"MessageId"`
}

// sendMessage answers when the message is durable.
func (s *Server) sendMessage(ctx context.Context, from caller, in sendMessageInput) (sendMessageOutput, error) {
	q, err := s.queueAt(in.QueueURL)
	if err != nil {
		return sendMessageOutput{}, err
	}
	if err := in.check(q.settings.Load().maximumSize); err != nil {
		return sendMessageOutput{}, err
	}
	r, err := s.newRow(q, from, &in.outgoing)
	if err != nil {
		return sendMessageOutput{}, err
	}
	if err := s.store(ctx, from.fault.stored(r), in.size()); err != nil {
		return sendMessageOutput{}, err
	}
	return sent(&in.outgoing, r), nil
}

func sent(m *outgoing, r row) sendMessageOutput {
	return sendMessageOutput{
		MD5OfMessageBody:             hex.EncodeToString(r.bodyMD5),
		MD5OfMessageAttributes:       md5OfAttributes(m.MessageAttributes),
		MD5OfMessageSystemAttributes: md5OfAttributes(m.MessageSystemAttributes),
		MessageID:                    r.id.String(),
	}
}

func (s *Server) newRow(q *queue, from caller, m *outgoing) (row, error) {
	body := from.fault.body(*m.MessageBody)
	r := row{
		queue:       q,
		id:          newID(),
		body:        body,
		bodyMD5:     md5OfBody(body),
		groupID:     m.MessageGroupID,
		traceHeader: m.traceHeader(),
		sender:      from.accessKeyID,
		sentAt:      s.now(),
		delay:       q.settings.Load().delay,
	}
	if m.DelaySeconds != nil {
		r.delay = seconds(*m.DelaySeconds)
	}
	if len(m.MessageAttributes) > 0 {
		text, err := json.Marshal(m.MessageAttributes)
		if err != nil {
			return row{}, fmt.Errorf("encode message attributes: %w", err)
		}
		attributes := string(text)
		r.attributes = &attributes
	}
	return r, nil
}

type sendMessageBatchInput struct {
	QueueURL string `json:"QueueUrl"`
	Entries  []struct {
		ID string `json:"Id"`
		outgoing
	}
}

type sendMessageBatchOutput struct {
	Successful []sentEntry   `json:",omitempty"`
	Failed     []failedEntry `json:",omitempty"`
}

type sentEntry struct {
	ID string `json:"Id"`
	sendMessageOutput
}

// failedEntry is BatchResultErrorEntry.
type failedEntry struct {
	ID          string `json:"Id"`
	Code        string
	Message     string
	SenderFault bool
}

func failed(id string, err error) failedEntry {
	e, _ := asAPIError(err)
	return failedEntry{ID: id, Code: e.code, Message: e.message, SenderFault: !e.fault}
}

// sendMessageBatch stores the valid entries in one commit.
func (s *Server) sendMessageBatch(ctx context.Context, from caller, in sendMessageBatchInput) (sendMessageBatchOutput, error) {
	var out sendMessageBatchOutput
	q, err := s.queueAt(in.QueueURL)
	if err != nil {
		return out, err
	}
	ids := make([]string, len(in.Entries))
	var size int
	for i := range in.Entries {
		ids[i] = in.Entries[i].ID
		size += in.Entries[i].size()
	}
	if err := checkBatch(ids); err != nil {
		return out, err
	}
	if size > maxMessageSize {
		return out, errBatch("BatchRequestTooLong", fmt.Sprintf("Batch requests cannot be longer than %d bytes. You have sent %d bytes.", maxMessageSize, size))
	}
	var rows []row
	for i := range in.Entries {
		e := &in.Entries[i]
		if err := e.check(q.settings.Load().maximumSize); err != nil {
			out.Failed = append(out.Failed, failed(e.ID, err))
			continue
		}
		r, err := s.newRow(q, from, &e.outgoing)
		if err != nil {
			return sendMessageBatchOutput{}, err
		}
		rows = append(rows, from.fault.stored(r)...)
		out.Successful = append(out.Successful, sentEntry{e.ID, sent(&e.outgoing, r)})
	}
	if len(rows) > 0 {
		if err := s.store(ctx, rows, size); err != nil {
			return sendMessageBatchOutput{}, err
		}
	}
	return out, nil
}

var batchID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// checkBatch applies the rules that all batch operations share to the entries' ids.
func checkBatch(ids []string) error {
	if len(ids) == 0 {
		return errBatch("EmptyBatchRequest", "There should be at least one entry in the request.")
	}
	if len(ids) > maxMessages {
		return errBatch("TooManyEntriesInBatchRequest", fmt.Sprintf("Maximum number of entries per request are %d. You have sent %d.", maxMessages, len(ids)))
	}
	seen := make(map[string]bool, len(ids))
	for _, id := range ids {
		if !batchID.MatchString(id) {
			return errBatch("InvalidBatchEntryId", "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.")
		}
		if seen[id] {
			return errBatch("BatchEntryIdsNotDistinct", "Id "+id+" repeated.")
		}
		seen[id] = true
	}
	return nil
}

// store hands rows to the writer and waits for their commit. When ctx ends meanwhile they may or may not be
// stored, as with any answer that got lost.
func (s *Server) store(ctx context.Context, rows []row, bytes int) error {
	job := &sendJob{rows: rows, bytes: bytes, done: make(chan error, 1)}
	select {
	case s.sends <- job:
	case <-s.closing:
		return errClosing()
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-job.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
