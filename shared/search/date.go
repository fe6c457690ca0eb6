package search

import (
	"math"
	"strings"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// interval is from low until before high, in ms since 1970: what a date with its precision, a Period or the time of a
// search parameter means (FHIR R4 search.html#date). A date without a zone is in UTC.
type interval struct{ low, high int64 }

// unbounded is all times.
var unbounded = interval{math.MinInt64, math.MaxInt64}

// comparator is how the interval of a resource is held against that of a search (FHIR R4 search.html#prefix).
type comparator string

func (c comparator) holds(resource, search interval) bool {
	within := search.low <= resource.low && resource.high <= search.high
	switch c {
	case "ne":
		return !within
	case "gt":
		return resource.high > search.high
	case "lt":
		return resource.low < search.low
	case "ge":
		return resource.high > search.high || within
	case "le":
		return resource.low < search.low || within
	case "sa":
		return resource.low >= search.high
	case "eb":
		return resource.high <= search.low
	case "ap":
		return resource.low < search.high && search.low < resource.high
	default:
		return within
	}
}

// addDate takes a date with what its precision leaves open, behind a prefix or alone.
func (c *Criterion) addDate(resourceType, value string) error {
	a := alternative{comparator: "eq"}
	for _, known := range []comparator{"eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"} {
		if rest, ok := strings.CutPrefix(value, string(known)); ok {
			a.comparator, value = known, rest
		}
	}
	var ok bool
	if a.interval, ok = parseInterval(strings.Replace(value, " ", "+", 1)); !ok { // a plus that was not percent-encoded
		return c.malformed()
	}
	switch a.comparator {
	case "eq":
		c.Keys = append(c.Keys, KeyRange{dayKey(resourceType, c.param.Name, a.interval.low), dayKey(resourceType, c.param.Name, a.interval.high-1)})
	case "ap": // a tenth of the time between now and then
		now := time.Now().UnixMilli()
		tenth := max(a.interval.low-now, now-a.interval.high, 0) / 10
		a.interval = interval{a.interval.low - tenth, a.interval.high + tenth}
		c.Use = Unindexed
	default:
		c.Use = Unindexed
	}
	c.alternatives = append(c.alternatives, a)
	return nil
}

// dayKey is the key of the day that a date begins at.
func dayKey(resourceType, param string, ms int64) int64 {
	const yearZero = -719528 // in days since 1970
	day := time.UnixMilli(ms).Unix() / 86400
	return orderedKey.under(resourceType, param, uint64(max(0, day-yearZero)))
}

// layouts are those of date, dateTime and instant, from the least precise.
var layouts = []struct {
	layout string
	until  func(time.Time) time.Time
}{
	{"2006", func(t time.Time) time.Time { return t.AddDate(1, 0, 0) }},
	{"2006-01", func(t time.Time) time.Time { return t.AddDate(0, 1, 0) }},
	{"2006-01-02", func(t time.Time) time.Time { return t.AddDate(0, 0, 1) }},
	{"2006-01-02T15:04", func(t time.Time) time.Time { return t.Add(time.Minute) }},
	{"2006-01-02T15:04Z07:00", func(t time.Time) time.Time { return t.Add(time.Minute) }},
	{"2006-01-02T15:04:05", until},
	{time.RFC3339, until},
}

// until returns the end of a time that is given to the second or finer.
func until(t time.Time) time.Time {
	if t.Nanosecond() == 0 {
		return t.Add(time.Second)
	}
	return t.Truncate(time.Millisecond).Add(time.Millisecond)
}

// parseInterval reads a date, dateTime or instant.
func parseInterval(text string) (interval, bool) {
	for _, l := range layouts {
		if t, err := time.Parse(l.layout, text); err == nil && t.Year() > 0 { // FHIR has no year 0000
			end := l.until(t)
			if strings.Contains(text, ".") { // .000 is finer than a second, too
				end = t.Truncate(time.Millisecond).Add(time.Millisecond)
			}
			return interval{t.UnixMilli(), end.UnixMilli()}, true
		}
	}
	return interval{}, false
}

// intervals returns the times of a date, a dateTime, an instant, a Period or a Timing.
func intervals(v *fhir.Value) []interval {
	if v.Kind() != fhir.Object {
		if i, ok := parseInterval(v.Text()); ok {
			return []interval{i}
		}
		return nil
	}
	var found []interval
	for _, event := range children(v, "event") {
		found = append(found, intervals(event)...)
	}
	if bounds := v.At("repeat", "boundsPeriod"); bounds != nil {
		found = append(found, intervals(bounds)...)
	}
	if start, end := v.Get("start"), v.Get("end"); start != nil || end != nil {
		whole := unbounded
		if i, ok := parseInterval(start.Text()); ok {
			whole.low = i.low
		}
		if i, ok := parseInterval(end.Text()); ok {
			whole.high = i.high
		}
		found = append(found, whole)
	}
	return found
}
