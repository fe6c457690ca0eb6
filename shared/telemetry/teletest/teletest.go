// Package teletest is an OpenTelemetry collector for tests: it keeps the spans that it is sent by OTLP/HTTP in JSON.
package teletest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// Span is one that was sent. Parent is empty where its trace begins; ids are in hexadecimal.
type Span struct {
	Service, Trace, ID, Parent, Name string

	Kind       int
	Start, End time.Time
	Attributes map[string]string
	Failed     bool
}

// Collector is a running collector. It is safe for concurrent use.
type Collector struct {
	URL *url.URL // its endpoint, as OTEL_EXPORTER_OTLP_ENDPOINT names it

	mu     sync.Mutex
	spans  []Span // guarded by mu, as are the next two
	header http.Header
	said   []byte
}

// Start returns a Collector that runs until t ends.
func Start(t testing.TB) *Collector {
	t.Helper()
	c := &Collector{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/traces", func(w http.ResponseWriter, r *http.Request) {
		if err := c.take(r); err != nil {
			t.Errorf("collector: %v", err)
			w.WriteHeader(http.StatusBadRequest)
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	var err error
	if c.URL, err = url.Parse(server.URL); err != nil {
		t.Fatal(err)
	}
	return c
}

// Spans returns those that have come, in their order.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.spans)
}

// Header returns that of the last request.
func (c *Collector) Header() http.Header {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.header
}

// Said is all that was sent, as it was sent.
func (c *Collector) Said() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.said)
}

type attributes []struct {
	Key   string
	Value struct{ StringValue string }
}

func (a attributes) byKey() map[string]string {
	var all map[string]string
	for _, one := range a {
		if all == nil {
			all = map[string]string{}
		}
		all[one.Key] = one.Value.StringValue
	}
	return all
}

func (c *Collector) take(r *http.Request) error {
	var body struct {
		ResourceSpans []struct {
			Resource   struct{ Attributes attributes }
			ScopeSpans []struct {
				Spans []struct {
					TraceID, SpanID, ParentSpanID, Name string
					Kind                                int
					StartTimeUnixNano, EndTimeUnixNano  string
					Attributes                          attributes
					Status                              struct{ Code int }
				}
			}
		}
	}
	said, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(said, &body); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.header, c.said = r.Header, append(c.said, said...)
	for _, resource := range body.ResourceSpans {
		service := resource.Resource.Attributes.byKey()["service.name"]
		for _, scope := range resource.ScopeSpans {
			for _, s := range scope.Spans {
				start, err := strconv.ParseInt(s.StartTimeUnixNano, 10, 64)
				if err != nil {
					return err
				}
				end, err := strconv.ParseInt(s.EndTimeUnixNano, 10, 64)
				if err != nil {
					return err
				}
				c.spans = append(c.spans, Span{
					Service: service, Trace: s.TraceID, ID: s.SpanID, Parent: s.ParentSpanID, Name: s.Name, Kind: s.Kind,
					Start: time.Unix(0, start), End: time.Unix(0, end), Attributes: s.Attributes.byKey(), Failed: s.Status.Code == 2,
				})
			}
		}
	}
	return nil
}
