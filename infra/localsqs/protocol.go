package localsqs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
	"unicode/utf8"
)

const (
	contentType = "application/x-amz-json-1.0"
	target      = "AmazonSQS."

	// maxRequest bounds a request's bytes: a body of 1 MiB in JSON where every byte is escaped, and attributes.
	maxRequest = 8 << 20
)

// caller is who sent a request, and what goes wrong with it.
type caller struct {
	accessKeyID string // of the request's signature, which is not verified
	fault       *Fault // nil unless a test wants one
}

type operation func(s *Server, ctx context.Context, from caller, body []byte) (any, error)

// operationNamed finds the operation of an X-Amz-Target header.
func operationNamed(name string) (operation, bool) {
	switch name {
	case "CreateQueue":
		return bind((*Server).createQueue), true
	case "GetQueueUrl":
		return bind((*Server).getQueueURL), true
	case "ListQueues":
		return bind((*Server).listQueues), true
	case "ListDeadLetterSourceQueues":
		return bind((*Server).listDeadLetterSourceQueues), true
	case "GetQueueAttributes":
		return bind((*Server).getQueueAttributes), true
	case "SetQueueAttributes":
		return bind((*Server).setQueueAttributes), true
	case "DeleteQueue":
		return bind((*Server).deleteQueue), true
	case "PurgeQueue":
		return bind((*Server).purgeQueue), true
	case "SendMessage":
		return bind((*Server).sendMessage), true
	case "SendMessageBatch":
		return bind((*Server).sendMessageBatch), true
	case "ReceiveMessage":
		return bind((*Server).receiveMessage), true
	case "DeleteMessage":
		return bind((*Server).deleteMessage), true
	case "DeleteMessageBatch":
		return bind((*Server).deleteMessageBatch), true
	case "ChangeMessageVisibility":
		return bind((*Server).changeMessageVisibility), true
	case "ChangeMessageVisibilityBatch":
		return bind((*Server).changeMessageVisibilityBatch), true
	case "StartMessageMoveTask":
		return bind((*Server).startMessageMoveTask), true
	case "ListMessageMoveTasks":
		return bind((*Server).listMessageMoveTasks), true
	case "CancelMessageMoveTask":
		return bind((*Server).cancelMessageMoveTask), true
	}
	return nil, false
}

// bind makes an operation of a method by decoding its input from the request's body.
func bind[In, Out any](method func(*Server, context.Context, caller, In) (Out, error)) operation {
	return func(s *Server, ctx context.Context, from caller, body []byte) (any, error) {
		var in In
		if !utf8.Valid(body) {
			return nil, errSerialization("The request is not UTF-8.")
		}
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, errSerialization("The request is not the JSON that the operation expects.")
		}
		return method(s, ctx, from, in)
	}
}

// ServeHTTP answers one request of the AWS JSON 1.0 protocol, on any path.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), target)
	op, known := operationNamed(name)
	if r.Method != http.MethodPost || !ok || !known {
		s.fail(w, name, &apiError{"UnknownOperationException", "InvalidAction", "The operation is not one of this endpoint.", false})
		return
	}
	body, err := readBody(w, r)
	if err != nil {
		s.fail(w, name, err)
		return
	}
	fault := s.fault(name, body)
	if s.spoil(w, r, fault, false) {
		return
	}
	out, err := op(s, r.Context(), caller{signer(r), fault}, body)
	if s.spoil(w, r, fault, true) {
		return
	}
	if err != nil {
		if r.Context().Err() == nil { // otherwise nobody reads the answer
			s.fail(w, name, err)
		}
		return
	}
	s.answer(w, http.StatusOK, fault.answer(out))
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	var buf bytes.Buffer
	if n := r.ContentLength; n > 0 && n <= maxRequest {
		buf.Grow(int(n) + bytes.MinRead)
	}
	if _, err := io.Copy(&buf, http.MaxBytesReader(w, r.Body, maxRequest)); err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return nil, &apiError{"RequestEntityTooLarge", "RequestEntityTooLarge", "The request is too large.", false}
		}
		return nil, errSerialization("The request ended early.")
	}
	return buf.Bytes(), nil
}

// signer reads the access key id from a Signature Version 4 header:
// AWS4-HMAC-SHA256 Credential=AKID/date/region/sqs/aws4_request, …
// Nothing is checked here, but what can be no access key id, and may be no text that PostgreSQL stores, is anonymous.
func signer(r *http.Request) string {
	_, credential, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	id, _, _ := strings.Cut(credential, "/")
	if !accessKeyID.MatchString(id) {
		id = "anonymous"
	}
	return id
}

// accessKeyID is IAM's rule (API reference, AccessKey), without its least length: local endpoints are given short ones.
var accessKeyID = regexp.MustCompile(`^\w{1,128}$`)

// fail answers with err, and logs what only operators may know.
func (s *Server) fail(w http.ResponseWriter, operation string, err error) {
	shown, internal := asAPIError(err)
	if internal {
		s.log.Error("sqs request failed", "operation", operation, cause(err))
	}
	s.answerError(w, shown, shown.status())
}

// answerError is in SQS's form; see "Error handling" of the AWS JSON 1.0 protocol and its awsQueryCompatible trait
// for x-amzn-query-error.
func (s *Server) answerError(w http.ResponseWriter, shown *apiError, status int) {
	side := "Sender"
	if shown.fault {
		side = "Receiver"
	}
	w.Header().Set("X-Amzn-Query-Error", shown.code+";"+side)
	s.answer(w, status, struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}{"com.amazonaws.sqs#" + shown.shape, shown.message})
}

func (s *Server) answer(w http.ResponseWriter, status int, out any) {
	var buf bytes.Buffer
	encoder := json.NewEncoder(&buf)
	encoder.SetEscapeHTML(false) // keeps bodies at their size
	if err := encoder.Encode(out); err != nil {
		s.log.Error("sqs answer not encoded", "error", err)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("X-Amzn-Requestid", newID().String())
	w.WriteHeader(status)
	if _, err := w.Write(buf.Bytes()); err != nil {
		s.log.Debug("sqs client left before its answer", "error", err)
	}
}
