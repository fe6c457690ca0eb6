package localsqs

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Fault is one line of a test's script: which requests go wrong, and how. Its effects may be combined; each says with
// which operations it works, and does nothing with others. The functions may be called by several requests at once.
//
// Of the faults that apply to a request only the first takes effect, while every one of them counts it. A client's
// own retries are requests like any other.
type Fault struct {
	Action string              // operation of the SQS API, such as "SendMessage"; empty means every one
	Queue  string              // name of a queue; empty means every one
	On     func(call int) bool // which of these requests, counted from 1; nil means every one. See Calls.

	// With every operation.
	Latency time.Duration // passes before the request is looked at
	Ending  Ending        // what the client gets instead of its answer; zero means that it gets its answer
	After   bool          // Ending comes when all is done: the message is stored, or leased, or deleted
	Code    string        // of EndError, such as "RequestThrottled"; empty means InternalFailure
	Status  int           // of EndError; 0 means 500 for InternalFailure and ServiceUnavailable, else 400

	// With SendMessage and SendMessageBatch.
	Copies int                  // so many duplicates of each message are stored with it, under its MessageId
	Shift  func() time.Duration // moves each message: a negative one before others that are visible, a positive one delays it

	// With DeleteMessage and DeleteMessageBatch.
	Zombie bool // answered like a deletion, but what would have been deleted is visible again

	// With SendMessage and SendMessageBatch, where it is stored so, and ReceiveMessage, where it is delivered so.
	Alter    func(body string) string // replaces each body; MD5OfMessageBody and MD5OfBody are the new one's
	WrongMD5 bool                     // the answer's MD5OfMessageBody or MD5OfBody is another body's
}

// Ending is how a request ends that a Fault deprives of its answer.
type Ending int

const (
	EndProper Ending = iota // its answer
	EndError                // an error with Fault's Code and Status
	EndCut                  // the connection closes without an answer
	EndHang                 // nothing until the client leaves or the Server closes
)

// Calls gives a Fault's On: the calls of these numbers, counted from 1.
func Calls(numbers ...int) func(call int) bool {
	return func(call int) bool { return slices.Contains(numbers, call) }
}

// script is Config.Faults with what each has counted.
type script []*scripted

type scripted struct {
	Fault
	calls atomic.Int64
}

// newScript refuses what would never take effect.
func newScript(faults []Fault) (script, error) {
	var all script
	for i, f := range faults {
		if _, known := operationNamed(f.Action); !known && f.Action != "" {
			return nil, fmt.Errorf("fault %d: no operation is named %q", i, f.Action)
		}
		all = append(all, &scripted{Fault: f})
	}
	return all, nil
}

// next counts a request and gives the fault that applies to it, or nil.
func (all script) next(action, queue string) *Fault {
	var found *Fault
	for _, f := range all {
		if f.Action != "" && f.Action != action || f.Queue != "" && f.Queue != queue {
			continue
		}
		call := int(f.calls.Add(1))
		if found == nil && (f.On == nil || f.On(call)) {
			found = &f.Fault
		}
	}
	return found
}

// fault gives what goes wrong with a request: nil without a script.
func (s *Server) fault(action string, body []byte) *Fault {
	if len(s.script) == 0 {
		return nil
	}
	var in struct {
		QueueURL  string `json:"QueueUrl"`
		SourceARN string `json:"SourceArn"`
		QueueName string
	}
	if json.Unmarshal(body, &in) == nil && in.QueueName == "" {
		in.QueueName = in.QueueURL[strings.LastIndexByte(in.QueueURL, '/')+1:] + in.SourceARN[strings.LastIndexByte(in.SourceARN, ':')+1:]
	}
	return s.script.next(action, in.QueueName)
}

// spoil ends a request before or after its operation, if f says so, and tells whether it did.
func (s *Server) spoil(w http.ResponseWriter, r *http.Request, f *Fault, after bool) bool {
	if f == nil {
		return false
	}
	if !after && f.Latency > 0 {
		timer := time.NewTimer(f.Latency)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-s.closing:
		case <-r.Context().Done():
			return true
		}
	}
	if f.After != after {
		return false
	}
	switch f.Ending {
	case EndError:
		shown, status := f.failure()
		s.answerError(w, shown, status)
		return true
	case EndHang:
		select {
		case <-s.closing:
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler) // closes the connection, see http.Handler
	case EndCut:
		panic(http.ErrAbortHandler)
	default:
		return false
	}
}

// failure is the error of EndError, with its status.
func (f *Fault) failure() (*apiError, int) {
	code, status := f.Code, f.Status
	if code == "" {
		code = "InternalFailure"
	}
	ours := code == "InternalFailure" || code == "ServiceUnavailable"
	switch {
	case status != 0:
	case ours:
		status = 500
	default:
		status = 400
	}
	return &apiError{strings.TrimPrefix(code, "AWS.SimpleQueueService."), code, "A test wants this error.", status >= 500}, status
}

// stored is what is stored of a message that was sent. Like body and answer it changes nothing where f is nil.
func (f *Fault) stored(r row) []row {
	if f == nil {
		return []row{r}
	}
	if f.Shift != nil {
		r.delay += f.Shift()
	}
	return slices.Repeat([]row{r}, 1+f.Copies)
}

// revives tells whether deletions do the contrary.
func (f *Fault) revives() bool { return f != nil && f.Zombie }

const reviveLeased = `
update sqs.message m set visible_at = $2
from unnest($3::bigint[], $4::uuid[], $5::bigint[]) as h (seq, message_id, lease)
where m.seq = h.seq and m.queue_id = $1 and m.message_id = h.message_id and m.lease = h.lease`

// revive makes visible what the receipts would have deleted.
func (s *Server) revive(ctx context.Context, q *queue, rs receipts) error {
	if _, err := s.db.Exec(ctx, reviveLeased, q.id, s.now(), rs.seqs, rs.messageIDs, rs.leases); err != nil {
		return fmt.Errorf("revive messages: %w", err)
	}
	q.pollers.arrived(len(rs.seqs))
	return nil
}

// body is what becomes of a body on its way in or out.
func (f *Fault) body(body string) string {
	if f == nil || f.Alter == nil {
		return body
	}
	return f.Alter(body)
}

// answer is what becomes of an operation's answer.
func (f *Fault) answer(out any) any {
	if f == nil {
		return out
	}
	switch out := out.(type) {
	case sendMessageOutput:
		out.MD5OfMessageBody = f.md5(out.MD5OfMessageBody)
		return out
	case sendMessageBatchOutput:
		for i := range out.Successful {
			m := &out.Successful[i]
			m.MD5OfMessageBody = f.md5(m.MD5OfMessageBody)
		}
	case receiveMessageOutput:
		for i := range out.Messages {
			m := &out.Messages[i]
			m.Body = f.body(m.Body)
			m.MD5OfBody = f.md5(hex.EncodeToString(md5OfBody(m.Body)))
		}
	}
	return out
}

// md5 gives the right digest, or that of a body which nobody can send.
func (f *Fault) md5(right string) string {
	if f.WrongMD5 {
		return hex.EncodeToString(md5OfBody(""))
	}
	return right
}
