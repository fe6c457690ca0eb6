// Package pgproxy stands between a program and PostgreSQL, counts round trips, cuts connections at a chosen answer and
// puts other SQL in the place of what the program sends. It is for measurements and tests: it promises to relay every
// other byte as it is, and leaves encryption to nobody, since it reads the protocol.
package pgproxy

import (
	"bufio"
	"bytes"
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
	refuse   atomic.Pointer[func(kind byte) bool]
	rewrite  atomic.Pointer[func(sql string) string]
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

// CutRequests has when asked of every message from the client behind the first, with its type; true closes the connection
// before the message is relayed. nil asks nobody.
func (p *Proxy) CutRequests(when func(kind byte) bool) {
	if when == nil {
		p.refuse.Store(nil)
		return
	}
	p.refuse.Store(&when)
}

// Rewrite has with asked of the text of every statement, whether it is prepared (Parse) or simple (Query); what it
// returns is sent on in its place. nil asks nobody. Statements that a connection has prepared before stay as they are.
func (p *Proxy) Rewrite(with func(sql string) string) {
	if with == nil {
		p.rewrite.Store(nil)
		return
	}
	p.rewrite.Store(&with)
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
			_ = p.requests(server, client) // either end's leaving ends both
			server.Close()
		})
		p.relays.Go(func() {
			_ = p.answers(client, server) // likewise
			client.Close()
			server.Close()
		})
	}
}

// requests relays what the client sends.
func (p *Proxy) requests(to io.Writer, from io.Reader) error {
	in, out := bufio.NewReaderSize(from, 64<<10), bufio.NewWriterSize(to, 64<<10)
	for kindSize := 0; ; kindSize = 1 { // the first message, which starts the session, has no type
		head, err := in.Peek(kindSize + 4)
		if err != nil {
			return err
		}
		size := int(binary.BigEndian.Uint32(head[kindSize:]))
		if when := p.refuse.Load(); when != nil && kindSize == 1 && (*when)(head[0]) {
			return errCut
		}
		if with := p.rewrite.Load(); with != nil && kindSize == 1 && (head[0] == 'P' || head[0] == 'Q') {
			message := make([]byte, 1+size)
			if _, err := io.ReadFull(in, message); err != nil {
				return err
			}
			if _, err := out.Write(rewritten(message, *with)); err != nil {
				return err
			}
		} else if _, err := io.CopyN(out, in, int64(kindSize+size)); err != nil {
			return err
		}
		if in.Buffered() == 0 {
			if err := out.Flush(); err != nil {
				return err
			}
		}
	}
}

// rewritten returns a Parse or Query message with another text: the one behind the statement's name, which only Parse
// has, up to a zero byte.
func rewritten(message []byte, with func(string) string) []byte {
	start := 5
	if message[0] == 'P' {
		start += bytes.IndexByte(message[start:], 0) + 1
	}
	end := start + bytes.IndexByte(message[start:], 0)
	m := append(bytes.Clone(message[:start]), with(string(message[start:end]))...)
	m = append(m, message[end:]...)
	binary.BigEndian.PutUint32(m[1:], uint32(len(m)-1))
	return m
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
