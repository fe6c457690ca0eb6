// Package pgproxy stands between a program and PostgreSQL, counts round trips and cuts connections at a chosen answer.
// It is for measurements and tests: it promises to relay every other byte as it is, and leaves encryption to nobody,
// since it reads the protocol.
package pgproxy

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// Proxy relays connections to one server. It is safe for concurrent use.
type Proxy struct {
	listener net.Listener
	target   string
	trips    atomic.Int64
	cut      atomic.Pointer[func(kind byte, body []byte) bool]
	relays   sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn // guarded by mu
}

// Start returns a Proxy on a free port of loopback that relays to target (host:port).
func Start(target string) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{listener: listener, target: target}
	p.relays.Go(p.accept)
	return p, nil
}

// Address is where it listens, host:port.
func (p *Proxy) Address() string { return p.listener.Addr().String() }

// Trips is the number of round trips so far: each Sync of the extended protocol and each simple query ends in one
// ReadyForQuery (PostgreSQL protocol-flow.html), however much is pipelined before it.
func (p *Proxy) Trips() int64 { return p.trips.Load() }

// Cut has when asked of every message from the server, with its type and at most 64 bytes of its body (PostgreSQL
// protocol-message-formats.html); true closes the connection before the message is relayed. nil asks nobody.
func (p *Proxy) Cut(when func(kind byte, body []byte) bool) {
	if when == nil {
		p.cut.Store(nil)
		return
	}
	p.cut.Store(&when)
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			client.Close() // as if nobody listened
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, client, server)
		p.mu.Unlock()
		p.relays.Go(func() {
			_, _ = io.Copy(server, client) // either end's leaving ends both
			server.Close()
		})
		p.relays.Go(func() {
			_ = p.answers(client, server) // likewise
			client.Close()
			server.Close()
		})
	}
}

var errCut = errors.New("cut")

// answers relays what the server sends, and counts.
func (p *Proxy) answers(to io.Writer, from io.Reader) error {
	const (
		header        = 5 // type, and length with itself
		readyForQuery = 'Z'
		looked        = 64
	)
	in, out := bufio.NewReaderSize(from, 64<<10), bufio.NewWriterSize(to, 64<<10)
	for started := false; ; {
		head, err := in.Peek(header)
		if err != nil {
			return err
		}
		size := int64(binary.BigEndian.Uint32(head[1:]))
		if when := p.cut.Load(); when != nil {
			message, err := in.Peek(header + int(min(size-4, looked)))
			if err != nil {
				return err
			}
			if (*when)(message[0], message[header:]) {
				return errCut
			}
		}
		if head[0] == readyForQuery {
			if started {
				p.trips.Add(1)
			}
			started = true // the first belongs to the session's start
		}
		if _, err := io.CopyN(out, in, 1+size); err != nil {
			return err
		}
		if in.Buffered() == 0 {
			if err := out.Flush(); err != nil {
				return err
			}
		}
	}
}

// Close ends all connections and returns when they are relayed no more.
func (p *Proxy) Close() error {
	err := p.listener.Close()
	p.mu.Lock()
	for _, conn := range p.conns {
		if closeErr := conn.Close(); !errors.Is(closeErr, net.ErrClosed) {
			err = errors.Join(err, closeErr)
		}
	}
	p.mu.Unlock()
	p.relays.Wait()
	return err
}
