package lambdahost

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
)

// Invoker is what HTTP needs of a *Function.
type Invoker interface {
	Invoke(ctx context.Context, payload []byte) ([]byte, error)
}

// HTTP returns a handler that answers requests as API Gateway's HTTP APIs do: the function gets an event of payload
// version 2.0 and its response is the answer. Unlike there, the path stays escaped, and where the function gives no
// usable answer there is an OperationOutcome: 413 when the request is larger than Lambda allows, 503 when no
// environment is free, 504 past the time limit, else 502.
func HTTP(function Invoker) http.Handler {
	return fhirhttp.Server{}.Handle("lambda", func(w *fhirhttp.Response, r *http.Request) error {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPayload))
		if err != nil {
			return unreadable(err)
		}
		payload, err := json.Marshal(newEvent(r, body))
		if err != nil {
			return err
		}
		answer, err := function.Invoke(r.Context(), payload)
		if err != nil {
			return gatewayError(err)
		}
		return write(w, answer)
	})
}

func unreadable(err error) error {
	if _, oversize := errors.AsType[*http.MaxBytesError](err); oversize {
		return fhir.NewError(fhir.CodeTooLong, "", "The body is larger than Lambda allows")
	}
	return fhir.NewError(fhir.CodeStructure, "", "The body is incomplete")
}

func gatewayError(err error) error {
	failure, _ := errors.AsType[*FunctionError](err)
	switch {
	case errors.Is(err, ErrPayloadTooLarge):
		return fhir.NewError(fhir.CodeTooLong, "", "The request is larger than Lambda allows")
	case errors.Is(err, ErrThrottled), errors.Is(err, ErrClosed):
		return fhir.NewError(fhir.CodeTransient, "", "").WithCause(err)
	case failure != nil && failure.Type == "Sandbox.Timedout", errors.Is(err, context.DeadlineExceeded):
		return fhir.NewError(fhir.CodeTransient, "", "").WithStatus(http.StatusGatewayTimeout).WithCause(err)
	}
	return fhir.NewError(fhir.CodeException, "", "").WithStatus(http.StatusBadGateway).WithCause(err)
}

// newEvent is the event of r (API Gateway Developer Guide "AWS Lambda proxy integrations for HTTP APIs").
func newEvent(r *http.Request, body []byte) events.APIGatewayV2HTTPRequest {
	now := time.Now().UTC()
	source, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		source = r.RemoteAddr
	}
	event := events.APIGatewayV2HTTPRequest{
		Version: "2.0", RouteKey: "$default", RawPath: r.URL.EscapedPath(), RawQueryString: r.URL.RawQuery,
		Headers: map[string]string{"host": r.Host},
		RequestContext: events.APIGatewayV2HTTPRequestContext{
			RouteKey: "$default", Stage: "$default", AccountID: "000000000000", APIID: "local", DomainName: r.Host,
			RequestID: newRequestID(), Time: now.Format("02/Jan/2006:15:04:05 -0700"), TimeEpoch: now.UnixMilli(),
			HTTP: events.APIGatewayV2HTTPRequestContextHTTPDescription{
				Method: r.Method, Path: r.URL.Path, Protocol: r.Proto, SourceIP: source, UserAgent: r.UserAgent(),
			},
		},
	}
	for name, values := range r.Header {
		if name == "Cookie" {
			event.Cookies = strings.Split(strings.Join(values, "; "), "; ")
			continue
		}
		event.Headers[strings.ToLower(name)] = strings.Join(values, ",")
	}
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		event.RequestContext.Authentication.ClientCert.ClientCertPem = string(pem.EncodeToMemory(
			&pem.Block{Type: "CERTIFICATE", Bytes: r.TLS.PeerCertificates[0].Raw}))
	}
	event.Body, event.IsBase64Encoded = string(body), !isText(r.Header.Get("Content-Type"), body)
	if event.IsBase64Encoded {
		event.Body = base64.StdEncoding.EncodeToString(body)
	}
	return event
}

// isText tells whether a body travels as it is.
func isText(contentType string, body []byte) bool {
	media, _, _ := mime.ParseMediaType(contentType)
	return utf8.Valid(body) && (media == "application/json" || strings.HasPrefix(media, "text/"))
}

// write answers with the response of a function.
func write(w http.ResponseWriter, answer []byte) error {
	var response events.APIGatewayV2HTTPResponse
	if json.Unmarshal(answer, &response) != nil || response.StatusCode < 200 || response.StatusCode > 599 {
		return gatewayError(errors.New("the function's answer is no HTTP response"))
	}
	body := []byte(response.Body)
	if response.IsBase64Encoded {
		decoded, err := base64.StdEncoding.DecodeString(response.Body)
		if err != nil {
			return gatewayError(errors.New("the body of the function's answer is no base64"))
		}
		body = decoded
	}
	for name, value := range response.Headers {
		w.Header().Set(name, value)
	}
	for _, cookie := range response.Cookies {
		w.Header().Add("Set-Cookie", cookie)
	}
	w.WriteHeader(response.StatusCode)
	_, _ = w.Write(body) // the client's loss if it has gone
	return nil
}
