package limit_test

import (
	"errors"
	"net"
	"testing"
	"testing/synctest"

	"github.com/ausbizconsulting/referral-fhir-server/shared/limit"
)

// pipes is a listener to which any number of clients have connected.
type pipes struct {
	net.Listener
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case <-p.closed:
		return nil, net.ErrClosed
	default:
		_, conn := net.Pipe()
		return conn, nil
	}
}

func (p *pipes) Close() error { close(p.closed); return nil }

func TestConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limit.Connections(&pipes{closed: make(chan struct{})}, 2)
		accepted, done := make(chan net.Conn, 10), make(chan error, 1)
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					done <- err
					return
				}
				accepted <- conn
			}
		}()
		wantOpen := func(want int) {
			t.Helper()
			if synctest.Wait(); len(accepted) != want {
				t.Errorf("got %d connections, want %d", len(accepted), want)
			}
		}
		wantOpen(2)
		first := <-accepted
		first.Close()
		wantOpen(2)
		first.Close() // again: it has no place any more
		wantOpen(2)
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, net.ErrClosed) {
			t.Errorf("got %v, want %v", err, net.ErrClosed)
		}
	})
}
