// Package awslambda lets an http.Handler answer the events that AWS sends to a Lambda function for HTTP requests: of
// API Gateway REST APIs (payload version 1.0) and HTTP APIs (2.0), of function URLs and of Application Load Balancers,
// told apart by their content. It also runs the functions of this product, and reads the settings that they have in
// common.
//
// It promises that a handler sees what net/http would show it: the escaped path, every header and query value that the
// event still has, r.Host, r.RemoteAddr with the caller's address as AWS saw it, and in r.TLS.PeerCertificates the
// client certificate that API Gateway has verified. It never takes a certificate or an address from a header that the
// caller could have sent. A body that is no base64, where the event says that it is, cannot be read: the handler
// answers as to any body that is cut short. A panic in a function that Main runs fails the invocation without telling
// what was panicked with.
//
// It leaves authentication to the handler, and to AWS what AWS has already lost: payload 2.0 joins values of one header
// with commas, and HTTP APIs decode the path. A load balancer allows answers of 1 MB, the others of 6 MB.
//
// It is code of our own, since awslabs/aws-lambda-go-api-proxy leaves r.Host, r.RemoteAddr and r.TLS empty, and the
// types of aws-lambda-go/events would have each event decoded twice, once to learn its shape.
package awslambda

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
)

// Handler answers events with an http.Handler. It is a lambda.Handler of aws-lambda-go, safe for concurrent use.
type Handler struct {
	http http.Handler
}

// Handle returns a Handler for h.
func Handle(h http.Handler) *Handler { return &Handler{http: h} }

// ErrNotHTTP says that a payload is not an event of an HTTP request.
var ErrNotHTTP = errors.New("the event is not one of an HTTP request")

// Invoke answers the event in payload with a response of the same shape. The error is ErrNotHTTP;
// whoever sent the event answers its client with a 5xx then.
func (h *Handler) Invoke(ctx context.Context, payload []byte) (response []byte, err error) {
	var e event
	if json.Unmarshal(payload, &e) != nil { // its error may quote the event
		return nil, ErrNotHTTP
	}
	r, err := e.request(ctx)
	if err != nil {
		return nil, err
	}
	w := &recorder{method: r.Method, header: http.Header{}}
	h.http.ServeHTTP(w, r)
	return e.response(w)
}
