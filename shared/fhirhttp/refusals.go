package fhirhttp

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// Refusals returns listener with connections on which net/http's own answers, to what it cannot read as a request, are
// those of this server: an OperationOutcome with the headers of every answer. net/http has no hook for them; it writes
// each at once, and no handler writes the same. Connections may be TLS's; log is told of handshakes that fail.
func Refusals(listener net.Listener, log *slog.Logger) net.Listener { return &refusals{listener, log} }

type refusals struct {
	net.Listener
	log *slog.Logger
}

func (l *refusals) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if secure, ok := conn.(*tls.Conn); ok {
		return &tlsRefuser{refuser{secure, true}, secure, l.log}, nil
	}
	return &refuser{conn, false}, nil
}

// refuser is a connection with the server's own words for refusals.
type refuser struct {
	net.Conn
	secure bool
}

func (c *refuser) Write(p []byte) (int, error) {
	status := refusal(p)
	if status == 0 {
		return c.Conn.Write(p)
	}
	if _, err := c.Conn.Write(refuse(status, c.secure)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// nativeHeader is all the header of what net/http writes past its handlers.
const nativeHeader = "\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"

// refusal returns the status that net/http refuses a request with in p, or 0 when p is anything else. No handler answers
// 417: that is for an expectation, which net/http refuses by itself.
func refusal(p []byte) int {
	rest, isAnswer := bytes.CutPrefix(p, []byte("HTTP/1.1 "))
	if !isAnswer || len(rest) < 3 {
		return 0
	}
	status, err := strconv.Atoi(string(rest[:3]))
	line, _, native := bytes.Cut(rest, []byte(nativeHeader))
	if err != nil || status != http.StatusExpectationFailed && (!native || bytes.Contains(line, []byte("\r\n"))) {
		return 0
	}
	return status
}

// refuse is the answer with a status that net/http refuses a request with.
func refuse(status int, secure bool) []byte {
	code, details := fhir.CodeStructure, "The request is not one of HTTP/1.1 as RFC 9112 has it"
	switch status {
	case http.StatusRequestHeaderFieldsTooLarge:
		code, details = fhir.CodeInvalid, tooMuchHeader
	case http.StatusExpectationFailed, http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		code, details = fhir.CodeNotSupported, "The request asks HTTP for what this server does not do"
	}
	body := fhir.Outcome([]fhir.Issue{{Severity: fhir.SeverityError, Code: code, Details: details}})
	header := http.Header{}
	unread := &http.Request{}
	if secure {
		unread.TLS = &tls.ConnectionState{}
	}
	protect(header, unread)
	header.Set("X-Request-ID", requestID(unread))
	header.Set("Content-Type", MediaType)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	header.Set("Connection", "close")
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", status, http.StatusText(status))
	_ = header.Write(&b) // into memory
	b.WriteString("\r\n")
	b.Write(body)
	return b.Bytes()
}

// tlsRefuser is a refuser above TLS.
type tlsRefuser struct {
	refuser
	tls *tls.Conn
	log *slog.Logger
}

// handshakeTimeout is for the whole of a TLS handshake.
const handshakeTimeout = 5 * time.Second

// ConnectionState shakes hands first: net/http asks for the state of any connection once, before it reads, and shakes
// hands itself on none but a *tls.Conn. When that fails, so does what is read.
func (c *tlsRefuser) ConnectionState() tls.ConnectionState {
	_ = c.tls.SetDeadline(time.Now().Add(handshakeTimeout)) // of an open connection
	err := c.tls.Handshake()
	_ = c.tls.SetDeadline(time.Time{})
	if err != nil {
		c.log.Warn("TLS handshake failed", slog.String("error", err.Error()))
		if e, ok := errors.AsType[tls.RecordHeaderError](err); ok && e.Conn != nil && isMethod(e.RecordHeader) {
			_, _ = e.Conn.Write(refuse(http.StatusBadRequest, false))
		}
		_ = c.tls.Close()
	}
	return c.tls.ConnectionState()
}

// isMethod tells that where TLS begins a request of plain HTTP does.
func isMethod(begin [5]byte) bool {
	switch string(begin[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO", "PATCH", "DELET":
		return true
	}
	return false
}
