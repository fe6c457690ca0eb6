package localsqs

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// counted and described are the attributes that GetQueueAttributes knows beside those that can be set.
var (
	counted   = []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"}
	described = []string{"QueueArn", "CreatedTimestamp", "LastModifiedTimestamp"}
)

type getQueueAttributesInput struct {
	QueueURL       string `json:"QueueUrl"`
	AttributeNames []string
}

type getQueueAttributesOutput struct {
	Attributes map[string]string `json:",omitempty"`
}

func (s *Server) getQueueAttributes(ctx context.Context, _ caller, in getQueueAttributesInput) (getQueueAttributesOutput, error) {
	q, err := s.queueAt(in.QueueURL)
	if err != nil {
		return getQueueAttributesOutput{}, err
	}
	values := q.settings.Load().all()
	values["QueueArn"] = q.arn
	values["CreatedTimestamp"] = strconv.FormatInt(q.created.Unix(), 10)
	values["LastModifiedTimestamp"] = strconv.FormatInt(q.modified.Load().Unix(), 10)

	everything := slices.Contains(in.AttributeNames, "All")
	if everything || slices.ContainsFunc(in.AttributeNames, func(name string) bool { return slices.Contains(counted, name) }) {
		counts, err := s.count(ctx, q)
		if err != nil {
			return getQueueAttributesOutput{}, err
		}
		maps.Copy(values, counts)
	}
	if everything {
		return getQueueAttributesOutput{values}, nil
	}
	chosen := make(map[string]string)
	for _, name := range in.AttributeNames {
		if !knownAttribute(name) {
			return getQueueAttributesOutput{}, errInvalidAttributeName(name)
		}
		if value, set := values[name]; set {
			chosen[name] = value
		}
	}
	return getQueueAttributesOutput{chosen}, nil
}

func knownAttribute(name string) bool {
	_, number := numeric[name]
	return number || name == "RedrivePolicy" || name == "RedriveAllowPolicy" ||
		slices.Contains(inert, name) || slices.Contains(counted, name) || slices.Contains(described, name)
}

const countMessages = `
select count(*) filter (where visible_at <= $2),
       count(*) filter (where visible_at > $2 and receive_count > 0),
       count(*) filter (where visible_at > $2 and receive_count = 0)
from sqs.message where queue_id = $1`

// count gives the three counts: visible, leased, and delayed since they were sent.
func (s *Server) count(ctx context.Context, q *queue) (map[string]string, error) {
	var n [3]int64
	if err := s.db.QueryRow(ctx, countMessages, q.id, s.now()).Scan(&n[0], &n[1], &n[2]); err != nil {
		return nil, fmt.Errorf("count messages: %w", err)
	}
	counts := make(map[string]string, len(counted))
	for i, name := range counted {
		counts[name] = strconv.FormatInt(n[i], 10)
	}
	return counts, nil
}

type setQueueAttributesInput struct {
	QueueURL   string `json:"QueueUrl"`
	Attributes map[string]string
}

const updateQueue = `update sqs.queue set attributes = $2, modified_at = $3 where id = $1`

// setQueueAttributes changes what is named and takes effect at once.
func (s *Server) setQueueAttributes(ctx context.Context, _ caller, in setQueueAttributesInput) (struct{}, error) {
	q, err := s.queueAt(in.QueueURL)
	if err != nil {
		return struct{}{}, err
	}
	if len(in.Attributes) == 0 {
		return struct{}{}, errMissingParameter("Attributes")
	}
	requested, err := readSettings(in.Attributes)
	if err != nil {
		return struct{}{}, err
	}
	if err := s.checkRedrive(q.name, requested); err != nil {
		return struct{}{}, err
	}
	s.mu.Lock() // two changes at once must both be kept
	defer s.mu.Unlock()
	changed, err := q.settings.Load().with(in.Attributes)
	if err != nil {
		return struct{}{}, err
	}
	modified := s.now()
	if _, err := s.db.Exec(ctx, updateQueue, q.id, changed.explicit, modified); err != nil {
		return struct{}{}, fmt.Errorf("update queue: %w", err)
	}
	q.settings.Store(changed)
	q.modified.Store(&modified)
	return struct{}{}, nil
}
