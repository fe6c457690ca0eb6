package main

import "runtime/debug"

const (
	// gcPercent lets the heap grow to five times what is in use before it is collected, where Go's default is twice.
	// In use is little, most of it the compiled schemas: to go through them for every dozen referrals took a quarter
	// of this process's time, and the memory saved by it was 60 MiB.
	gcPercent = 400
	// memoryBase, and twice what the bodies being checked may take, is from where on the collector keeps to the
	// memory rather than to gcPercent.
	memoryBase = 192 << 20
)

// collectSeldom trades memory for time, unless GOGC or GOMEMLIMIT say how: those Go has read by itself.
func (s settings) collectSeldom() {
	if s.collector != "" {
		return
	}
	debug.SetGCPercent(gcPercent)
	debug.SetMemoryLimit(memoryBase + 2*int64(s.maxWork))
}
