package telemetry

import (
	"slices"
	"time"
)

// Metric is something that is counted or measured.
type Metric struct {
	Name       string   // CloudWatch's
	Prometheus string   // its name there, in seconds where Unit is milliseconds
	Unit       Unit     // CloudWatch's
	Label      string   // CloudWatch's dimension beside Service; empty: there is none
	Values     []string // that the label may have
	Services   []string // that emit it
	Help       string
}

// Unit is what a metric is measured in.
type Unit string

// The units, as CloudWatch names them.
const (
	Count        Unit = "Count" // each measurement is added
	Milliseconds Unit = "Milliseconds"
	Gauge        Unit = "None" // each measurement replaces the one before
)

// Measurement is one value of a metric.
type Measurement struct {
	Metric *Metric
	Label  string
	Value  float64
}

// Recorder takes measurements, all of one event at a time. It is safe for concurrent use, keeps nothing of what it is
// given and never waits.
type Recorder interface {
	Record([]Measurement)
}

// The places of metrics in catalogue.
const (
	accepted = iota
	acceptTime
	refused
	pollTime
	readTime
	settled
	settleTime
	acceptToSettle
	quarantined
	failed
	queueAge
	storeConnections
	linesDropped
)

// catalogue is every metric that this product emits. No label has a value that a caller could choose.
var catalogue = [...]Metric{
	accepted: {
		Name: "Accepted", Prometheus: "referral_accepted_total", Unit: Count, Services: []string{"ingest"},
		Help: "Submissions that are on the queue for good.",
	},
	acceptTime: {
		Name: "Accept", Prometheus: "referral_accept_seconds", Unit: Milliseconds, Services: []string{"ingest"},
		Help: "Time from a request's header to its submission being on the queue.",
	},
	refused: {
		Name: "Refused", Prometheus: "referral_refused_total", Unit: Count, Services: []string{"ingest", "query"},
		Label: "StatusClass", Values: []string{"4xx", "5xx"},
		Help: "Requests answered with 4xx or 5xx.",
	},
	pollTime: {
		Name: "Poll", Prometheus: "referral_poll_seconds", Unit: Milliseconds, Services: []string{"query"},
		Help: "Time to answer how a submission stands.",
	},
	readTime: {
		Name: "Read", Prometheus: "referral_read_seconds", Unit: Milliseconds, Services: []string{"query"},
		Help: "Time to answer a read or a search.",
	},
	settled: {
		Name: "Settled", Prometheus: "referral_settled_total", Unit: Count, Services: []string{"processor"},
		Label: "Outcome", Values: []string{"completed", "rejected"},
		Help: "Submissions that settled.",
	},
	settleTime: {
		Name: "Settle", Prometheus: "referral_settle_seconds", Unit: Milliseconds, Services: []string{"processor"},
		Help: "Time of a delivery that did not fail.",
	},
	acceptToSettle: {
		Name: "AcceptToSettle", Prometheus: "referral_accept_to_settle_seconds", Unit: Milliseconds, Services: []string{"processor"},
		Help: "Time from being accepted to settled.",
	},
	quarantined: {
		Name: "Quarantined", Prometheus: "referral_quarantined_total", Unit: Count, Services: []string{"processor"},
		Help: "Messages sent to the dead-letter queue.",
	},
	failed: {
		Name: "Failed", Prometheus: "referral_failed_total", Unit: Count, Services: []string{"processor"},
		Label: "Class", Values: []string{"infrastructure", "transient", "security", "bug"},
		Help: "Deliveries that did not settle, by the class of the error.",
	},
	queueAge: {
		Name: "QueueAge", Prometheus: "referral_queue_age_seconds", Unit: Milliseconds, Services: []string{"processor"},
		Help: "Time from being sent to being received.",
	},
	storeConnections: {
		Name: "StoreConnections", Prometheus: "referral_store_connections", Unit: Gauge, Services: []string{"ingest", "processor", "query"},
		Help: "Connections to the store.",
	},
	linesDropped: {
		Name: "LogLinesDropped", Prometheus: "referral_log_lines_dropped_total", Unit: Count, Services: []string{"ingest", "processor", "query"},
		Help: "Lines that standard error did not take in time.",
	},
}

// Catalogue returns every metric that this product emits.
func Catalogue() []Metric { return slices.Clone(catalogue[:]) }

// StoreConnections and LogLinesDropped are what no event tells: a Recorder asks for them itself.
func StoreConnections() *Metric { return &catalogue[storeConnections] }

// LogLinesDropped is described at StoreConnections.
func LogLinesDropped() *Metric { return &catalogue[linesDropped] }

// Record gives to what is measured of the request, if anything is; nil takes nothing.
func (r *Request) Record(to Recorder) {
	if to == nil {
		return
	}
	var all [4]Measurement
	m := all[:0]
	if r.AcceptedAfter > 0 {
		m = append(m, count(accepted, ""), timed(acceptTime, r.AcceptedAfter))
	}
	if kind, _ := RouteOf(r.Route); kind == Poll {
		m = append(m, timed(pollTime, r.Duration))
	} else if kind == Read {
		m = append(m, timed(readTime, r.Duration))
	}
	if class := r.Status / 100; class == 4 || class == 5 {
		m = append(m, count(refused, catalogue[refused].Values[class-4]))
	}
	if len(m) > 0 {
		to.Record(m)
	}
}

// Record gives to what is measured of the delivery; nil takes nothing.
func (d *Delivery) Record(to Recorder) {
	if to == nil {
		return
	}
	var all [6]Measurement
	m := all[:0]
	if d.QueueAge > 0 {
		m = append(m, timed(queueAge, d.QueueAge))
	}
	if d.Class != "" {
		m = append(m, count(failed, d.Class))
	} else {
		m = append(m, timed(settleTime, d.Duration))
	}
	if d.Outcome == Quarantined {
		m = append(m, count(quarantined, ""))
	}
	if d.Settled {
		m = append(m, count(settled, d.Outcome), timed(acceptToSettle, d.Age))
	}
	to.Record(m)
}

func count(metric int, label string) Measurement {
	return Measurement{&catalogue[metric], label, 1}
}

func timed(metric int, d time.Duration) Measurement {
	return Measurement{&catalogue[metric], "", milliseconds(d)}
}
