package awshttp_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdkhttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"github.com/ausbizconsulting/referral-fhir-server/shared/awshttp"
)

// closed is a request's body as net/http finds one of smithy-go's that is closed when all of it has been read.
type closed struct{ *strings.Reader }

func (closed) WriteTo(io.Writer) (int64, error) { return 0, io.EOF }
func (closed) Close() error                     { return nil }

// TestWrap: an answer is read to its end. With the SDK's own client, the control, its connection is closed meanwhile.
func TestWrap(t *testing.T) {
	for name, test := range map[string]struct {
		client aws.HTTPClient
		fails  bool
	}{"ours": {awshttp.Wrap(nil), false}, "the SDK's": {sdkhttp.NewBuildableClient(), true}} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, "answer")
		}))
		const text = "request"
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, closed{strings.NewReader(text)})
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength = int64(len(text))
		w, err := test.client.Do(r)
		var got []byte
		if err == nil {
			got, err = io.ReadAll(w.Body)
			w.Body.Close()
		}
		if (err != nil) != test.fails || !test.fails && string(got) != "answer" {
			t.Errorf("%s: got %q, error %v", name, got, err)
		}
		server.Close()
	}
}
