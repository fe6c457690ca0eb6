package telemetry

import (
	"encoding/hex"
	"strconv"
)

// The JSON encoding of ExportTraceServiceRequest (OTLP 1.x, "JSON Protobuf Encoding": ids in hexadecimal, 64-bit
// integers as strings, enums as numbers).
type (
	otlpRequest struct {
		ResourceSpans []otlpResourceSpans `json:"resourceSpans"`
	}
	otlpResourceSpans struct {
		Resource   otlpAttributes   `json:"resource"`
		ScopeSpans []otlpScopeSpans `json:"scopeSpans"`
	}
	otlpScopeSpans struct {
		Scope otlpScope  `json:"scope"`
		Spans []otlpSpan `json:"spans"`
	}
	otlpScope struct {
		Name string `json:"name"`
	}
	otlpSpan struct {
		TraceID      string          `json:"traceId"`
		SpanID       string          `json:"spanId"`
		ParentSpanID string          `json:"parentSpanId,omitempty"`
		Name         string          `json:"name"`
		Kind         SpanKind        `json:"kind"`
		Start        string          `json:"startTimeUnixNano"`
		End          string          `json:"endTimeUnixNano"`
		Attributes   []otlpAttribute `json:"attributes,omitempty"`
		Status       otlpStatus      `json:"status"`
	}
	otlpStatus struct {
		Code int `json:"code,omitempty"` // 2: error
	}
	otlpAttributes struct {
		Attributes []otlpAttribute `json:"attributes"`
	}
	otlpAttribute struct {
		Key   string    `json:"key"`
		Value otlpValue `json:"value"`
	}
	otlpValue struct {
		String string `json:"stringValue"`
	}
)

// scope is the name of what makes the spans.
const scope = "github.com/ausbizconsulting/referral-fhir-server"

func (e *exporter) request(spans []*Span) otlpRequest {
	all := make([]otlpSpan, len(spans))
	for i, s := range spans {
		all[i] = otlpSpan{
			TraceID: s.TraceID(), SpanID: hex.EncodeToString(s.id[:]), Name: s.name, Kind: s.kind,
			Start: strconv.FormatInt(s.start.UnixNano(), 10), End: strconv.FormatInt(s.end.UnixNano(), 10),
		}
		if s.parent != ([8]byte{}) {
			all[i].ParentSpanID = hex.EncodeToString(s.parent[:])
		}
		for _, a := range s.attributes {
			all[i].Attributes = append(all[i].Attributes, otlpAttribute{a.key, otlpValue{a.value}})
		}
		if s.failed {
			all[i].Status.Code = 2
		}
	}
	return otlpRequest{[]otlpResourceSpans{{
		Resource:   otlpAttributes{[]otlpAttribute{{"service.name", otlpValue{e.service}}}},
		ScopeSpans: []otlpScopeSpans{{otlpScope{scope}, all}},
	}}}
}
