package lambdahost

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// poll is a process waiting for its next event, which it takes from the channel.
type poll struct {
	invocation chan<- *invocation
}

// routes are the Runtime API, version 2018-06-01 (Lambda Developer Guide "Using the Lambda runtime API").
func (e *environment) routes() http.Handler {
	const base = "/2018-06-01/runtime/"
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+base+"invocation/next", e.next)
	mux.HandleFunc("POST "+base+"invocation/{id}/response", e.response)
	mux.HandleFunc("POST "+base+"invocation/{id}/error", e.failure)
	mux.HandleFunc("POST "+base+"init/error", e.initFailure)
	return mux
}

// next answers with an event, when there is one.
func (e *environment) next(w http.ResponseWriter, r *http.Request) {
	events := make(chan *invocation)
	select {
	case e.polls <- poll{events}:
	case <-r.Context().Done():
		return
	}
	var i *invocation
	select {
	case i = <-events:
	case <-r.Context().Done():
		return
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Lambda-Runtime-Aws-Request-Id", i.id)
	header.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(i.deadline.UnixMilli(), 10))
	header.Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:ap-southeast-2:000000000000:function:"+e.f.Name)
	header.Set("Lambda-Runtime-Trace-Id", newTraceID(time.Now()))
	header.Set("Content-Length", strconv.Itoa(len(i.payload)))
	_, _ = w.Write(i.payload) // a process that has gone is seen by its exit
}

// response ends an invocation with the function's answer.
func (e *environment) response(w http.ResponseWriter, r *http.Request) {
	i := e.invocation(r)
	if i == nil {
		refuse(w, http.StatusBadRequest, "InvalidRequestID")
		return
	}
	answer, err := io.ReadAll(io.LimitReader(r.Body, maxPayload+1))
	switch {
	case err != nil:
		refuse(w, http.StatusBadRequest, "InvalidBody")
	case len(answer) > maxPayload:
		i.finish(nil, &FunctionError{Type: "Function.ResponseSizeTooLarge"})
		refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge")
	case !i.finish(answer, nil):
		refuse(w, http.StatusBadRequest, "InvalidRequestID")
	default:
		accept(w)
	}
}

// failure ends an invocation with the function's error.
func (e *environment) failure(w http.ResponseWriter, r *http.Request) {
	i := e.invocation(r)
	if i == nil || !i.finish(nil, reported(r)) {
		refuse(w, http.StatusBadRequest, "InvalidRequestID")
		return
	}
	accept(w)
}

// initFailure ends the start of a process.
func (e *environment) initFailure(w http.ResponseWriter, r *http.Request) {
	select {
	case e.initError <- reported(r):
		accept(w)
	case <-time.After(time.Second): // nobody waits for a start
		refuse(w, http.StatusForbidden, "InvalidStateTransition")
	case <-r.Context().Done():
	}
}

// invocation is the one in progress when r names it, else nil.
func (e *environment) invocation(r *http.Request) *invocation {
	if i := e.current.Load(); i != nil && i.id == r.PathValue("id") {
		return i
	}
	return nil
}

// reported is the error in r. Its type is in a header or in the body.
func reported(r *http.Request) *FunctionError {
	payload, err := io.ReadAll(io.LimitReader(r.Body, 256<<10))
	body := struct{ ErrorType string }{}
	if err != nil || json.Unmarshal(payload, &body) != nil || body.ErrorType == "" {
		body.ErrorType = "Runtime.Unknown"
	}
	if header := r.Header.Get("Lambda-Runtime-Function-Error-Type"); header != "" {
		body.ErrorType = header
	}
	return &FunctionError{Type: body.ErrorType, Payload: payload}
}

func accept(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"status":"OK"}`) // a process that has gone is seen by its exit
}

func refuse(w http.ResponseWriter, status int, errorType string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"errorMessage":"%[1]s","errorType":"%[1]s"}`, errorType)
}

// newRequestID returns a random UUID (RFC 9562 §5.4), as Lambda's request ids are.
func newRequestID() string {
	b := random(16)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// newTraceID returns a tracing header of AWS X-Ray that asks for nothing to be sampled.
func newTraceID(now time.Time) string {
	return fmt.Sprintf("Root=1-%08x-%s;Parent=%s;Sampled=0", now.Unix(), hex.EncodeToString(random(12)), hex.EncodeToString(random(8)))
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // it never fails
	return b
}
