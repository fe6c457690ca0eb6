package localsqs

import (
	"slices"
	"sync"
	"time"
)

// pollers are the long polls waiting at one queue. The zero value is ready.
type pollers struct {
	mu      sync.Mutex
	waiting []*poller // longest first; guarded by mu
}

// poller is one long poll. It joins before it looks into the database, so that nothing that is committed
// after the look goes unnoticed, and leaves when it answers.
type poller struct {
	look chan struct{} // has room for one: look again

	// Both are guarded by pollers.mu.
	timer *time.Timer // calls when the next hidden message becomes visible; nil while none is known
	rings time.Time   // when timer does
}

func (p *pollers) join() *poller {
	w := &poller{look: make(chan struct{}, 1)}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = append(p.waiting, w)
	return w
}

// leave takes w out. A call to look that reached w but was not followed goes to another poller: the
// message that caused it may still be there.
func (p *pollers) leave(w *poller) {
	p.mu.Lock()
	if i := slices.Index(p.waiting, w); i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
	}
	if w.timer != nil {
		w.timer.Stop()
	}
	p.mu.Unlock()
	select {
	case <-w.look:
		p.arrived(1)
	default:
	}
}

// arrived lets as many pollers look as messages became visible. One that was called already is passed
// over, and the pollers called go to the end, so that all take their turn.
func (p *pollers) arrived(messages int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var called []*poller
	p.waiting = slices.DeleteFunc(p.waiting, func(w *poller) bool {
		if messages == 0 || !w.call() {
			return false
		}
		messages--
		called = append(called, w)
		return true
	})
	p.waiting = append(p.waiting, called...)
}

// hidden tells that a message becomes visible in the given time.
func (p *pollers) hidden(in time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.waiting {
		w.ring(in)
	}
}

// hiddenFor tells it to w alone, which has found nothing visible.
func (p *pollers) hiddenFor(w *poller, in time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w.ring(in)
}

// ring sets the timer, unless it rings earlier anyway. It is called with pollers.mu held.
func (w *poller) ring(in time.Duration) {
	now := time.Now()
	at := now.Add(in)
	switch {
	case w.timer == nil:
		w.timer = time.AfterFunc(in, func() { w.call() })
	case w.rings.After(now) && !w.rings.After(at):
		return
	default:
		w.timer.Reset(in)
	}
	w.rings = at
}

// call reports false when a call is pending already.
func (w *poller) call() bool {
	select {
	case w.look <- struct{}{}:
		return true
	default:
		return false
	}
}
