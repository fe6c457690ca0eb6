package lambdahost_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/infra/lambdahost"
)

var testdata = filepath.Join("..", "..", "testdata")

// shapes are the events of testdata/lambda for HTTP requests.
var shapes = []string{"rest-v1", "http-v2", "function-url", "alb", "alb-multi-value"}

// gateway sends requests to a function in events of one shape, as the AWS service would whose shape it is.
type gateway struct {
	shape    string
	template []byte
	function lambdahost.Invoker
}

func newGateway(t testing.TB, shape string, function lambdahost.Invoker) *gateway {
	t.Helper()
	template, err := os.ReadFile(filepath.Join(testdata, "lambda", shape+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return &gateway{shape, template, function}
}

// ServeHTTP serves tests that have net/http's requests. A failed invocation is a 502.
func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		var answer []byte
		if answer, err = g.invoke(r.Context(), r, body); err == nil {
			err = g.write(w, answer)
		}
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
	}
}

// invoke puts r into the template and gives it to the function.
func (g *gateway) invoke(ctx context.Context, r *http.Request, body []byte) ([]byte, error) {
	var event map[string]any
	if err := json.Unmarshal(g.template, &event); err != nil {
		return nil, err
	}
	event["body"], event["isBase64Encoded"] = base64.StdEncoding.EncodeToString(body), true
	headers := map[string]string{"host": r.Host}
	for name, values := range r.Header {
		headers[strings.ToLower(name)] = strings.Join(values, ",")
	}
	lists := r.Header.Clone()
	lists.Set("Host", r.Host)
	query, err := parameters(g.shape, r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	switch g.shape {
	case "http-v2", "function-url":
		delete(event, "cookies")
		event["rawPath"], event["rawQueryString"], event["headers"] = r.URL.EscapedPath(), r.URL.RawQuery, headers
		event["requestContext"].(map[string]any)["http"].(map[string]any)["method"] = r.Method
	case "rest-v1":
		event["multiValueHeaders"], event["headers"] = lists, headers
		event["multiValueQueryStringParameters"] = query
		event["path"], event["httpMethod"] = r.URL.EscapedPath(), r.Method
	case "alb":
		event["headers"] = headers
		single := map[string]string{}
		for name, values := range query {
			single[name] = values[len(values)-1]
		}
		event["queryStringParameters"] = single
		event["path"], event["httpMethod"] = r.URL.EscapedPath(), r.Method
	case "alb-multi-value":
		event["multiValueHeaders"], event["multiValueQueryStringParameters"] = lists, query
		event["path"], event["httpMethod"] = r.URL.EscapedPath(), r.Method
	}
	payload, err := json.Marshal(event)
	if err != nil {
		return nil, err
	}
	return g.function.Invoke(ctx, payload)
}

// parameters gives the parameters as the shape has them: a load balancer does not decode.
func parameters(shape, raw string) (map[string][]string, error) {
	if !strings.HasPrefix(shape, "alb") {
		r, err := http.NewRequest(http.MethodGet, "/?"+raw, nil)
		if err != nil {
			return nil, err
		}
		return r.URL.Query(), nil
	}
	values := map[string][]string{}
	for pair := range strings.SplitSeq(raw, "&") {
		if name, value, found := strings.Cut(pair, "="); found {
			values[name] = append(values[name], value)
		}
	}
	return values, nil
}

// write answers with the function's response, whichever fields its shape has.
func (g *gateway) write(w http.ResponseWriter, answer []byte) error {
	var response struct {
		StatusCode        int
		Headers           map[string]string
		MultiValueHeaders map[string][]string
		Cookies           []string
		Body              string
		IsBase64Encoded   bool
	}
	if err := json.Unmarshal(answer, &response); err != nil {
		return err
	}
	multi := g.shape == "rest-v1" || g.shape == "alb-multi-value"
	if multi && response.Headers != nil || !multi && response.MultiValueHeaders != nil {
		return fmt.Errorf("the response %.200s is not of shape %s", answer, g.shape)
	}
	for name, value := range response.Headers {
		w.Header().Set(name, value)
	}
	for name, values := range response.MultiValueHeaders {
		w.Header()[name] = values
	}
	body := []byte(response.Body)
	if response.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(response.Body); err != nil {
			return err
		}
	}
	w.WriteHeader(response.StatusCode)
	_, err := w.Write(body)
	return err
}

// do sends a request of dev-sender through handler.
func do(t testing.TB, handler http.Handler, method, target string, body []byte) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, target, strings.NewReader(string(body)))
	r.Header.Set("X-Api-Key", "dev-sender")
	if body != nil {
		r.Header.Set("Content-Type", "application/fhir+json")
	}
	handler.ServeHTTP(w, r)
	return w
}
