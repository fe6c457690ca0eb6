package main

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are what the process counts. Labels are routes, statuses and outcomes: never anything of a caller's.
type metrics struct {
	registry       *prometheus.Registry
	requests       *prometheus.CounterVec
	requestSeconds *prometheus.HistogramVec
	deliveries     *prometheus.CounterVec
	settleSeconds  prometheus.Histogram
	acceptToSettle prometheus.Histogram
}

// newMetrics returns metrics that tell whether there is a queue: queue is a value of REFERRAL_QUEUE.
func newMetrics(queue string) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "referral_http_requests_total", Help: "Requests answered, by route and status.",
		}, []string{"route", "status"}),
		requestSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "referral_http_request_seconds", Help: "Time to answer a request.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15),
		}, []string{"route"}),
		deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "referral_deliveries_total", Help: "Messages delivered to the processor, by outcome.",
		}, []string{"outcome"}),
		settleSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "referral_delivery_seconds", Help: "Time to settle one delivered message.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15),
		}),
		acceptToSettle: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "referral_accept_to_settle_seconds", Help: "Time from 202 to settled, of messages that settled.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 22),
		}),
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "referral_queue_info", Help: "1. kind is sqs, or direct where there is no queue.", ConstLabels: prometheus.Labels{"kind": queue},
	})
	info.Set(1)
	m.registry.MustRegister(info, m.requests, m.requestSeconds, m.deliveries, m.settleSeconds, m.acceptToSettle,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) request(route string, status int, d time.Duration) {
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
	m.requestSeconds.WithLabelValues(route).Observe(d.Seconds())
}

func (m *metrics) delivery(outcome string, d, age time.Duration) {
	m.deliveries.WithLabelValues(outcome).Inc()
	m.settleSeconds.Observe(d.Seconds())
	if outcome == "completed" || outcome == "rejected" {
		m.acceptToSettle.Observe(age.Seconds())
	}
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}
