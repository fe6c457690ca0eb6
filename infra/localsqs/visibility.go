package localsqs

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

type changeMessageVisibilityInput struct {
	QueueURL string `json:"QueueUrl"`
	visibilityChange
}

// visibilityChange is asked for one message, alone or as an entry of a batch.
type visibilityChange struct {
	ReceiptHandle     string
	VisibilityTimeout *int
}

// changeMessageVisibility hides the message for VisibilityTimeout from now; 0 releases it.
func (s *Server) changeMessageVisibility(ctx context.Context, _ caller, in changeMessageVisibilityInput) (struct{}, error) {
	q, err := s.queueAt(in.QueueURL)
	if err != nil {
		return struct{}{}, err
	}
	errs, err := s.change(ctx, q, []visibilityChange{in.visibilityChange})
	if err != nil {
		return struct{}{}, err
	}
	return struct{}{}, errs[0]
}

type changeMessageVisibilityBatchInput struct {
	QueueURL string `json:"QueueUrl"`
	Entries  []struct {
		ID string `json:"Id"`
		visibilityChange
	}
}

func (s *Server) changeMessageVisibilityBatch(ctx context.Context, _ caller, in changeMessageVisibilityBatchInput) (batchOutput, error) {
	q, err := s.queueAt(in.QueueURL)
	if err != nil {
		return batchOutput{}, err
	}
	ids := make([]string, len(in.Entries))
	changes := make([]visibilityChange, len(in.Entries))
	for i, e := range in.Entries {
		ids[i], changes[i] = e.ID, e.visibilityChange
	}
	if err := checkBatch(ids); err != nil {
		return batchOutput{}, err
	}
	errs, err := s.change(ctx, q, changes)
	if err != nil {
		return batchOutput{}, err
	}
	var out batchOutput
	for i, err := range errs {
		if err != nil {
			out.Failed = append(out.Failed, failed(ids[i], err))
			continue
		}
		out.Successful = append(out.Successful, entryID{ids[i]})
	}
	return out, nil
}

// changeLeased finds the messages that the handles still name and changes those that are in flight.
const changeLeased = `
with held as materialized (
  select m.seq, h.n, h.visible_at, m.visible_at > $2 as in_flight
  from unnest($3::bigint[], $4::uuid[], $5::bigint[], $6::timestamptz[]) with ordinality as h (seq, message_id, lease, visible_at, n)
  join sqs.message m on m.seq = h.seq and m.queue_id = $1 and m.message_id = h.message_id and m.lease = h.lease
  for update of m
), changed as (
  update sqs.message m set visible_at = h.visible_at from held h where m.seq = h.seq and h.in_flight
)
select n, in_flight from held`

// change applies changes and gives an error for each, nil where it was made.
func (s *Server) change(ctx context.Context, q *queue, changes []visibilityChange) ([]error, error) {
	now := s.now()
	errs := make([]error, len(changes))
	var rs receipts
	var visibleAts []time.Time
	var asked []int // index in changes of each handle in rs
	for i, c := range changes {
		r, err := parseReceipt(c.ReceiptHandle)
		switch t := c.VisibilityTimeout; {
		case err != nil:
			errs[i] = err
		case t == nil:
			errs[i] = errMissingParameter("VisibilityTimeout")
		case *t < 0 || *t > maxVisibility:
			errs[i] = errOutOfRange("VisibilityTimeout", *t, 0, maxVisibility)
		default:
			errs[i] = errInvalidParameter("Value for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.")
			rs.add(r)
			visibleAts = append(visibleAts, now.Add(seconds(*t)))
			asked = append(asked, i)
		}
	}
	if len(asked) == 0 {
		return errs, nil
	}
	args := []any{q.id, now, rs.seqs, rs.messageIDs, rs.leases, visibleAts}
	err := s.relaxed(ctx, changeLeased, args, func(rows pgx.Rows) error {
		var n int
		var inFlight bool
		_, err := pgx.ForEachRow(rows, []any{&n, &inFlight}, func() error {
			i := asked[n-1]
			errs[i] = nil
			if !inFlight {
				errs[i] = errMessageNotInflight()
			}
			return nil
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("change visibility: %w", err)
	}
	for _, i := range asked {
		if errs[i] != nil {
			continue
		}
		if t := *changes[i].VisibilityTimeout; t > 0 {
			q.pollers.hidden(seconds(t))
		} else {
			q.pollers.arrived(1)
		}
	}
	return errs, nil
}
