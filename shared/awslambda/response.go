package awslambda

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"
)

// recorder is the http.ResponseWriter of one request. Everything written is kept until the handler returns: a function
// answers once.
type recorder struct {
	method string
	header http.Header
	status int         // 0 until the header is written
	sent   http.Header // as it was when it was written
	body   bytes.Buffer
}

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) {
	if w.status != 0 || status < http.StatusOK { // 1xx are for connections that go on
		return
	}
	w.status, w.sent = status, w.header.Clone()
}

func (w *recorder) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	switch {
	case w.status == http.StatusNoContent, w.status == http.StatusNotModified:
		return 0, http.ErrBodyNotAllowed
	case w.method == http.MethodHead:
		return len(p), nil
	}
	return w.body.Write(p)
}

// response is the answer in every shape; each leaves fields empty. headers and multiValueHeaders are never both there,
// since which one wins differs.
type response struct {
	StatusCode        int                 `json:"statusCode"`
	StatusDescription string              `json:"statusDescription,omitempty"` // for load balancers
	Headers           map[string]string   `json:"headers,omitempty"`
	MultiValueHeaders map[string][]string `json:"multiValueHeaders,omitempty"`
	Cookies           []string            `json:"cookies,omitempty"` // for payload 2.0, which cannot repeat a header
	Body              string              `json:"body"`
	IsBase64Encoded   bool                `json:"isBase64Encoded"`
}

// response returns what w holds in the shape that the sender of e takes.
func (e *event) response(w *recorder) ([]byte, error) {
	w.WriteHeader(http.StatusOK) // for a handler that wrote nothing
	if w.body.Len() > 0 && len(w.sent.Values("Content-Type")) == 0 {
		w.sent.Set("Content-Type", http.DetectContentType(w.body.Bytes())) // as net/http does
	}
	answer := response{StatusCode: w.status}
	answer.Body, answer.IsBase64Encoded = encodeBody(w.sent, w.body.Bytes())
	switch {
	case e.isV2():
		answer.Cookies = w.sent.Values("Set-Cookie")
		w.sent.Del("Set-Cookie")
		answer.Headers = joined(w.sent)
	case e.isLoadBalancer():
		answer.StatusDescription = fmt.Sprintf("%d %s", w.status, http.StatusText(w.status))
		// A target group takes the form in which it sends.
		if e.MultiValueHeaders != nil {
			answer.MultiValueHeaders = w.sent
		} else {
			answer.Headers = joined(w.sent)
		}
	default:
		answer.MultiValueHeaders = w.sent
	}
	return marshal(answer)
}

// joined are the headers with their values as one list each (RFC 9110 §5.3).
func joined(header http.Header) map[string]string {
	headers := make(map[string]string, len(header))
	for name, values := range header {
		headers[name] = strings.Join(values, ", ")
	}
	return headers
}

// encodeBody gives text as it is, and as base64 what is not text or would grow beyond base64 through JSON's escapes:
// an answer of 4 MiB then fits into the 6 MB of an invocation whatever it holds.
func encodeBody(header http.Header, body []byte) (text string, isBase64 bool) {
	if header.Get("Content-Encoding") == "" && utf8.Valid(body) && escapedLen(body) <= base64.StdEncoding.EncodedLen(len(body)) {
		return string(body), false
	}
	return base64.StdEncoding.EncodeToString(body), len(body) > 0
}

// escapedLen is the number of bytes of body within a JSON string, or a little more.
func escapedLen(body []byte) int {
	n := len(body) + 3*(bytes.Count(body, []byte("\u2028"))+bytes.Count(body, []byte("\u2029"))) // JavaScript's line ends
	for _, b := range body {
		switch {
		case b == '"', b == '\\', b == '\n', b == '\r', b == '\t':
			n++
		case b < ' ':
			n += len(`\u0000`) - 1
		}
	}
	return n
}

// marshal is json.Marshal without the escapes that only HTML needs, which would make narratives grow sixfold.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return b.Bytes(), err
}
