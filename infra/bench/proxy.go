package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// proxy stands between a program and PostgreSQL and counts round trips: each Sync of the extended protocol and each
// simple query ends in one ReadyForQuery (PostgreSQL protocol-flow.html), however much is pipelined before it.
type proxy struct {
	listener net.Listener
	target   string
	trips    atomic.Int64
	relays   sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn // guarded by mu
}

func startProxy(target string) (*proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{listener: listener, target: target}
	p.relays.Go(p.accept)
	return p, nil
}

func (p *proxy) address() string { return p.listener.Addr().String() }

func (p *proxy) accept() {
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
		})
	}
}

// answers relays what the server sends, and counts.
func (p *proxy) answers(to io.Writer, from io.Reader) error {
	const readyForQuery = 'Z'
	in, out := bufio.NewReaderSize(from, 64<<10), bufio.NewWriterSize(to, 64<<10)
	for started := false; ; {
		header, err := in.Peek(5) // type, and length with itself
		if err != nil {
			return err
		}
		if header[0] == readyForQuery {
			if started {
				p.trips.Add(1)
			}
			started = true // the first belongs to the session's start
		}
		if _, err := io.CopyN(out, in, 1+int64(binary.BigEndian.Uint32(header[1:]))); err != nil {
			return err
		}
		if in.Buffered() == 0 {
			if err := out.Flush(); err != nil {
				return err
			}
		}
	}
}

func (p *proxy) close() error {
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
