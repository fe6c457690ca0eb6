package main

import (
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/telemetry"
)

// metrics keeps what the process measures for Prometheus. It is a telemetry.Recorder.
type metrics struct {
	registry *prometheus.Registry
	series   map[series]func(float64) // takes a measurement
}

// series is a metric with a value of its label.
type series struct{ metric, label string }

// newMetrics returns metrics that tell whether there is a queue: queue is a value of REFERRAL_QUEUE. What no event tells
// is asked for: connections to the store, and lines that the log has dropped.
func newMetrics(queue string, connections func() int, dropped func() uint64) *metrics {
	m := &metrics{registry: prometheus.NewRegistry(), series: map[series]func(float64){}}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "referral_queue_info", Help: "1. kind is sqs, or direct where there is no queue.", ConstLabels: prometheus.Labels{"kind": queue},
	})
	info.Set(1)
	m.registry.MustRegister(info, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	asked := map[string]func() float64{
		telemetry.StoreConnections().Name: func() float64 { return float64(connections()) },
		telemetry.LogLinesDropped().Name:  func() float64 { return float64(dropped()) },
	}
	for _, metric := range telemetry.Catalogue() {
		m.register(metric, asked[metric.Name])
	}
	return m
}

// register adds a metric; where ask is not nil, whoever reads it asks for its value.
func (m *metrics) register(metric telemetry.Metric, ask func() float64) {
	o := prometheus.Opts{Name: metric.Prometheus, Help: metric.Help}
	switch {
	case ask != nil && metric.Unit == telemetry.Gauge:
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts(o), ask))
	case ask != nil:
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts(o), ask))
	case metric.Unit == telemetry.Milliseconds:
		histogram := prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: o.Name, Help: o.Help, Buckets: prometheus.ExponentialBuckets(0.0005, 2, 23), // up to half an hour
		})
		m.registry.MustRegister(histogram)
		m.series[series{metric.Name, ""}] = func(ms float64) { histogram.Observe(ms / 1000) }
	case metric.Label == "":
		counter := prometheus.NewCounter(prometheus.CounterOpts(o))
		m.registry.MustRegister(counter)
		m.series[series{metric.Name, ""}] = counter.Add
	default:
		counters := prometheus.NewCounterVec(prometheus.CounterOpts(o), []string{snake(metric.Label)})
		m.registry.MustRegister(counters)
		for _, value := range metric.Values { // which shows them before they count anything
			m.series[series{metric.Name, value}] = counters.WithLabelValues(value).Add
		}
	}
}

// Record adds measurements.
func (m *metrics) Record(all []telemetry.Measurement) {
	for _, one := range all {
		if add := m.series[series{one.Metric.Name, one.Label}]; add != nil {
			add(one.Value)
		}
	}
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// snake is a name as Prometheus writes names.
func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if i > 0 && r >= 'A' && r <= 'Z' {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return strings.ToLower(b.String())
}
