package main

import (
	"math"
	"runtime/debug"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/env/envtest"
)

// TestCollectSeldom: the server collects garbage seldom, within a limit, and leaves alone what the environment says.
func TestCollectSeldom(t *testing.T) {
	for _, test := range []struct {
		name           string
		vars           map[string]string
		percent, limit int64
	}{
		{"by default", nil, 400, (192 + 2*64) << 20},
		{"with more work", map[string]string{"REFERRAL_MAX_WORK": "134217728"}, 400, (192 + 2*128) << 20},
		{"with GOGC", map[string]string{"GOGC": "50"}, 100, math.MaxInt64},
		{"with GOMEMLIMIT", map[string]string{"GOMEMLIMIT": "64MiB"}, 100, math.MaxInt64},
	} {
		t.Run(test.name, func(t *testing.T) {
			percent, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(math.MaxInt64)
			defer func() { debug.SetGCPercent(percent); debug.SetMemoryLimit(limit) }()
			v := envtest.Settings(test.vars)
			readSettings(v).collectSeldom()
			if got := int64(debug.SetGCPercent(100)); got != test.percent {
				t.Errorf("got GC percent %d, want %d", got, test.percent)
			}
			if got := debug.SetMemoryLimit(-1); got != test.limit {
				t.Errorf("got memory limit %d, want %d", got, test.limit)
			}
		})
	}
}
