package telemetry

import (
	"strconv"
	"sync"
	"time"
)

// EMF records measurements as lines of CloudWatch's embedded metric format, one an event, which CloudWatch Logs makes
// metrics of (Amazon CloudWatch User Guide, "Specification: Embedded metric format"). Each metric has the dimension
// Service, and the one of its label if it has one.
type EMF struct {
	Writer      *Writer
	Namespace   string
	Service     string
	Connections func() int       // to the store; nil: there are none ever
	Now         func() time.Time // nil: time.Now

	mu      sync.Mutex
	line    []byte // guarded by mu, as is what follows; what was written last
	dropped uint64 // of the Writer's lines, those that a line has told of
}

// serviceDimension is the name of the dimension of all metrics.
const serviceDimension = "Service"

// Record writes one line.
func (e *EMF) Record(all []Measurement) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.Connections != nil {
		all = append(all, Measurement{&catalogue[storeConnections], "", float64(e.Connections())})
	}
	dropped := e.Writer.Dropped()
	if dropped > e.dropped {
		all = append(all, Measurement{&catalogue[linesDropped], "", float64(dropped - e.dropped)})
	}
	now := time.Now
	if e.Now != nil {
		now = e.Now
	}
	l := e.line[:0]
	l = append(l, `{"_aws":{"Timestamp":`...)
	l = strconv.AppendInt(l, now().UnixMilli(), 10)
	l = append(l, `,"CloudWatchMetrics":[`...)
	l = e.directive(l, all, "")
	for _, m := range all {
		if m.Metric.Label != "" {
			l = e.directive(l, all, m.Metric.Label)
		}
	}
	l = append(l, `]},"`+serviceDimension+`":`...)
	l = strconv.AppendQuote(l, e.Service)
	for _, m := range all {
		if m.Metric.Label != "" {
			l = member(l, m.Metric.Label)
			l = strconv.AppendQuote(l, m.Label)
		}
		l = member(l, m.Metric.Name)
		l = strconv.AppendFloat(l, m.Value, 'f', -1, 64)
	}
	l = append(l, '}', '\n')
	e.line = l
	if e.Writer.take(e.line) {
		e.dropped = dropped
	}
}

// directive appends what CloudWatch is to make of the metrics that have the label, if there are any.
func (e *EMF) directive(l []byte, all []Measurement, label string) []byte {
	first := true
	for _, m := range all {
		if m.Metric.Label != label {
			continue
		}
		if first {
			if l[len(l)-1] == '}' {
				l = append(l, ',')
			}
			l = append(l, `{"Namespace":`...)
			l = strconv.AppendQuote(l, e.Namespace)
			l = append(l, `,"Dimensions":[["`+serviceDimension+`"`...)
			if label != "" {
				l = append(l, ',')
				l = strconv.AppendQuote(l, label)
			}
			l = append(l, `]],"Metrics":[`...)
		} else {
			l = append(l, ',')
		}
		first = false
		l = append(l, `{"Name":`...)
		l = strconv.AppendQuote(l, m.Metric.Name)
		l = append(l, `,"Unit":`...)
		l = strconv.AppendQuote(l, string(m.Metric.Unit))
		l = append(l, '}')
	}
	if !first {
		l = append(l, ']', '}')
	}
	return l
}

func member(l []byte, name string) []byte {
	l = append(l, ',')
	l = strconv.AppendQuote(l, name)
	return append(l, ':')
}
