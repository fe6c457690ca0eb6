// Package awshttp keeps the AWS SDK's HTTP client from losing answers on a busy machine.
//
// A request's body, as smithy-go v1.28.8 makes it, answers WriteTo with io.EOF once the SDK has closed it, which it does
// when the answer's header has come. Where net/http looks for the body's end after that, it takes the request for failed and
// closes the connection in the middle of the answer. The SDK asks again; but messages that the lost answer had stay hidden
// until their visibility time-out.
package awshttp

import (
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdkhttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// Wrap returns c, or where that is nil what the SDK would use, for a client of the SDK, which then reads every answer to its
// end. Safe for concurrent use if c is.
func Wrap(c aws.HTTPClient) aws.HTTPClient {
	if c == nil {
		c = sdkhttp.NewBuildableClient()
	}
	return client{c}
}

// Configured wraps the client of a configuration that has just been loaded.
func Configured(c aws.Config, err error) (aws.Config, error) {
	c.HTTPClient = Wrap(c.HTTPClient)
	return c, err
}

type client struct{ wrapped aws.HTTPClient }

// Do hides all of the body but Read and Close.
func (c client) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		r.Body = struct{ io.ReadCloser }{r.Body}
	}
	return c.wrapped.Do(r)
}
