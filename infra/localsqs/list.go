package localsqs

import (
	"context"
	"encoding/base64"
	"maps"
	"slices"
	"strings"
)

// maxListed is how many queues one answer lists at most, and lists where MaxResults is absent.
const maxListed = 1000

// paging is what a request for a list says of the page it wants.
type paging struct {
	MaxResults *int
	NextToken  string
}

// page gives the URLs of the chosen queues in the order of their names, and the token of the next page: the last
// name given, encoded. As with SQS there is one only if MaxResults was set.
func (s *Server) page(in paging, chosen func(*queue) bool) (urls []string, next string, err error) {
	limit := maxListed
	if in.MaxResults != nil {
		limit = *in.MaxResults
		if limit < 1 || limit > maxListed {
			return nil, "", errOutOfRange("MaxResults", limit, 1, maxListed)
		}
	}
	after, err := base64.RawURLEncoding.DecodeString(in.NextToken)
	if err != nil {
		return nil, "", errInvalidParameter("Invalid or expired next token.")
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	urls = []string{}
	var last string
	for _, name := range slices.Sorted(maps.Keys(s.queues)) {
		q := s.queues[name]
		if name <= string(after) || !chosen(q) {
			continue
		}
		if len(urls) == limit {
			if in.MaxResults != nil {
				next = base64.RawURLEncoding.EncodeToString([]byte(last))
			}
			break
		}
		urls = append(urls, q.url)
		last = name
	}
	return urls, next, nil
}

type listQueuesInput struct {
	QueueNamePrefix string
	paging
}

type listQueuesOutput struct {
	QueueURLs []string `json:"QueueUrls"`
	NextToken string   `json:",omitempty"`
}

func (s *Server) listQueues(_ context.Context, _ caller, in listQueuesInput) (listQueuesOutput, error) {
	urls, next, err := s.page(in.paging, func(q *queue) bool { return strings.HasPrefix(q.name, in.QueueNamePrefix) })
	return listQueuesOutput{urls, next}, err
}

type listDeadLetterSourceQueuesInput struct {
	QueueURL string `json:"QueueUrl"`
	paging
}

type listDeadLetterSourceQueuesOutput struct {
	QueueURLs []string `json:"queueUrls"` // SQS writes it so here
	NextToken string   `json:",omitempty"`
}

// listDeadLetterSourceQueues lists the queues whose redrive policy names this one.
func (s *Server) listDeadLetterSourceQueues(_ context.Context, _ caller, in listDeadLetterSourceQueuesInput) (listDeadLetterSourceQueuesOutput, error) {
	target, err := s.queueAt(in.QueueURL)
	if err != nil {
		return listDeadLetterSourceQueuesOutput{}, err
	}
	urls, next, err := s.page(in.paging, func(q *queue) bool {
		redrive := q.settings.Load().redrive
		return redrive != nil && redrive.DeadLetterTargetARN == target.arn
	})
	return listDeadLetterSourceQueuesOutput{urls, next}, err
}
