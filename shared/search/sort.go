package search

import (
	"fmt"
	"math"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// SortKey returns what a resource is sorted by for p, of several values the first; texts compare as the values do. ok is
// false when the resource has none.
func SortKey(resource *fhir.Value, p Param) (key string, ok bool) {
	for _, v := range elements(resource, p.Path) {
		switch p.Type {
		case Date:
			for _, i := range intervals(v) {
				return fmt.Sprintf("%020d", uint64(i.low)^(1<<63)), true // from the least int64 on
			}
		case String:
			for _, text := range texts(v) {
				return normal(text), true
			}
		case Token:
			for _, t := range tokens(v, p.System) {
				return t.code, true
			}
		case Reference:
			if to := reference(v); to != "" {
				return to, true
			}
		case URI:
			if v.Text() != "" {
				return v.Text(), true
			}
		}
	}
	return "", false
}

// Of tells whether c is of the parameter with a name, without a modifier.
func (c Criterion) Of(name string) bool { return c.param.Name == name && c.modifier == "" }

// Between returns the times at which an instant meets a criterion of a date with one alternative: from low, in ms since
// 1970, until before high. Others are between all times.
func (c Criterion) Between() (low, high int64) {
	low, high = math.MinInt64, math.MaxInt64
	if c.param.Type != Date || c.modifier != "" || len(c.alternatives) != 1 {
		return low, high
	}
	a := c.alternatives[0]
	switch a.comparator {
	case "eq", "ap":
		return a.interval.low, a.interval.high
	case "gt", "sa":
		return a.interval.high, high
	case "ge":
		return a.interval.low, high
	case "lt", "eb":
		return low, a.interval.low
	case "le":
		return low, a.interval.high
	default:
		return low, high
	}
}
