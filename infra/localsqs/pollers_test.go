package localsqs

import (
	"testing"
	"testing/synctest"
	"time"
)

// called says which pollers are called, and takes the calls.
func called(pollers ...*poller) []bool {
	var got []bool
	for _, w := range pollers {
		select {
		case <-w.look:
			got = append(got, true)
		default:
			got = append(got, false)
		}
	}
	return got
}

func wantCalled(t *testing.T, got []bool, want ...bool) {
	t.Helper()
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("poller %d called: %v, want %v", i, got[i], want[i])
		}
	}
}

func TestArrivedCallsOnePollerForEachMessage(t *testing.T) {
	var p pollers
	a, b, c := p.join(), p.join(), p.join()
	p.arrived(2)
	wantCalled(t, called(a, b, c), true, true, false)
	p.arrived(1)
	wantCalled(t, called(a, b, c), false, false, true)
	p.arrived(9)
	wantCalled(t, called(a, b, c), true, true, true)
}

func TestCallOfLeavingPollerGoesToAnother(t *testing.T) {
	var p pollers
	a, b := p.join(), p.join()
	p.arrived(1)
	p.leave(a)
	wantCalled(t, called(b), true)
	p.leave(b)
	p.arrived(1)
	wantCalled(t, called(a, b), false, false)
}

func TestHiddenRingsAtTheEarliestTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pollers
		w := p.join()
		p.hiddenFor(w, 10*time.Second)
		p.hidden(3 * time.Second)
		p.hidden(8 * time.Second)
		time.Sleep(3*time.Second - time.Nanosecond)
		wantCalled(t, called(w), false)
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		wantCalled(t, called(w), true)

		p.hidden(5 * time.Second) // a timer that has rung is set again
		time.Sleep(5 * time.Second)
		synctest.Wait()
		wantCalled(t, called(w), true)
		p.leave(w)
	})
}
