package limit

import (
	"net"
	"sync"
)

// Connections returns listener with at most limit connections open at a time. Whoever connects while that many are open
// waits in the queue of the operating system, which refuses further ones. The server's time-outs decide how long a slow
// or idle client keeps a place.
func Connections(listener net.Listener, limit int) net.Listener {
	return &connections{Listener: listener, places: make(chan struct{}, limit), closed: make(chan struct{})}
}

type connections struct {
	net.Listener
	places chan struct{} // holds one for each open connection
	close  sync.Once
	closed chan struct{}
}

// Accept waits for a place first, so that who connects is not kept waiting behind a connection that is never read.
func (l *connections) Accept() (net.Conn, error) {
	select {
	case l.places <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.places
		return nil, err
	}
	return &connection{Conn: conn, leave: sync.OnceFunc(func() { <-l.places })}, nil
}

// Close ends Accept also where it waits for a place.
func (l *connections) Close() error {
	l.close.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type connection struct {
	net.Conn
	leave func()
}

func (c *connection) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
