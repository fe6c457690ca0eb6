package localsqs

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

type deleteMessageInput struct {
	QueueURL      string `json:"QueueUrl"`
	ReceiptHandle string
}

// deleteMessage deletes by the latest receipt handle. A handle of an earlier receive, or of a message that
// is gone, deletes nothing and is no error, as with SQS.
func (s *Server) deleteMessage(ctx context.Context, from caller, in deleteMessageInput) (struct{}, error) {
	q, err := s.queueAt(in.QueueURL)
	if err != nil {
		return struct{}{}, err
	}
	r, err := parseReceipt(in.ReceiptHandle)
	if err != nil {
		return struct{}{}, err
	}
	var rs receipts
	rs.add(r)
	return struct{}{}, s.delete(ctx, from, q, rs)
}

type deleteMessageBatchInput struct {
	QueueURL string `json:"QueueUrl"`
	Entries  []struct {
		ID            string `json:"Id"`
		ReceiptHandle string
	}
}

type batchOutput struct {
	Successful []entryID     `json:",omitempty"`
	Failed     []failedEntry `json:",omitempty"`
}

type entryID struct {
	ID string `json:"Id"`
}

func (s *Server) deleteMessageBatch(ctx context.Context, from caller, in deleteMessageBatchInput) (batchOutput, error) {
	q, err := s.queueAt(in.QueueURL)
	if err != nil {
		return batchOutput{}, err
	}
	ids := make([]string, len(in.Entries))
	for i, e := range in.Entries {
		ids[i] = e.ID
	}
	if err := checkBatch(ids); err != nil {
		return batchOutput{}, err
	}
	var out batchOutput
	var rs receipts
	for _, e := range in.Entries {
		r, err := parseReceipt(e.ReceiptHandle)
		if err != nil {
			out.Failed = append(out.Failed, failed(e.ID, err))
			continue
		}
		rs.add(r)
		out.Successful = append(out.Successful, entryID{e.ID})
	}
	if err := s.delete(ctx, from, q, rs); err != nil {
		return batchOutput{}, err
	}
	return out, nil
}

const deleteLeased = `
delete from sqs.message m
using unnest($2::bigint[], $3::uuid[], $4::bigint[]) as h (seq, message_id, lease)
where m.seq = h.seq and m.queue_id = $1 and m.message_id = h.message_id and m.lease = h.lease`

func (s *Server) delete(ctx context.Context, from caller, q *queue, rs receipts) error {
	if len(rs.seqs) == 0 {
		return nil
	}
	if from.fault.revives() {
		return s.revive(ctx, q, rs)
	}
	args := []any{q.id, rs.seqs, rs.messageIDs, rs.leases}
	err := s.relaxed(ctx, deleteLeased, args, func(rows pgx.Rows) error {
		rows.Close()
		return rows.Err()
	})
	if err != nil {
		return fmt.Errorf("delete messages: %w", err)
	}
	return nil
}
