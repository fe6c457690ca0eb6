package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener whose clients are on the other ends of net.Pipe.
type pipes struct {
	dialled chan net.Conn
	closed  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.dialled:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// TestSlowClients: whatever a client does not do, its connection ends in time.
func TestSlowClients(t *testing.T) {
	const header = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
	for _, test := range []struct {
		name         string
		atOnce, then string        // what the client sends, then a byte a second
		deaf         bool          // it does not read
		want         time.Duration // until its connection is closed
	}{
		{"says nothing", "", "", false, 5 * time.Second},
		{"sends its header slowly", "", header, false, 5 * time.Second},
		{"sends half a header", header[:20], "", false, 5 * time.Second},
		{"sends its body slowly", header, strings.Repeat("x", 1000), false, 31 * time.Second},
		{"sends half a body", header + "half", "", false, 31 * time.Second},
		{"does not read its answer", "GET /endless HTTP/1.1\r\nHost: x\r\n\r\n", "", true, writeTimeout},
		{"is answered and keeps still", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "", false, 2 * time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mux := http.NewServeMux()
				mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
					_, err := io.Copy(io.Discard, r.Body)
					fmt.Fprintln(w, err)
				})
				mux.HandleFunc("/endless", func(w http.ResponseWriter, _ *http.Request) {
					for {
						if _, err := w.Write(make([]byte, 4<<10)); err != nil {
							return
						}
					}
				})
				l := &pipes{dialled: make(chan net.Conn), closed: make(chan struct{})}
				stop := serve(l, mux, slog.New(slog.DiscardHandler))
				ours, theirs := net.Pipe()
				watched := &ended{Conn: theirs, at: make(chan time.Time, 1)}
				begin := time.Now()
				l.dialled <- watched
				var client sync.WaitGroup
				if !test.deaf {
					client.Go(func() { _, _ = io.Copy(io.Discard, ours) })
				}
				client.Go(func() {
					_, err := io.WriteString(ours, test.atOnce)
					for i := 0; i < len(test.then) && err == nil; i++ {
						_, err = io.WriteString(ours, test.then[i:i+1])
						time.Sleep(time.Second)
					}
				})
				if took := (<-watched.at).Sub(begin).Round(time.Second); took > test.want || took < test.want-time.Second {
					t.Errorf("the connection ended after %v, want %v", took, test.want)
				}
				ours.Close()
				client.Wait()
				stop(context.Background())
			})
		})
	}
}

// ended is a connection that tells when it is closed first.
type ended struct {
	net.Conn
	at chan time.Time
}

func (e *ended) Close() error {
	select {
	case e.at <- time.Now():
	default:
	}
	return e.Conn.Close()
}

// TestLongPollsHaveTheirTime: who waits for a settlement is not cut off.
func TestLongPollsHaveTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &pipes{dialled: make(chan net.Conn), closed: make(chan struct{})}
		stop := serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(20 * time.Second)
			io.WriteString(w, "settled")
		}), slog.New(slog.DiscardHandler))
		ours, theirs := net.Pipe()
		l.dialled <- theirs
		io.WriteString(ours, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		response, err := http.ReadResponse(bufio.NewReader(ours), nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(response.Body); string(body) != "settled" {
			t.Errorf("got %q, error %v", body, err)
		}
		ours.Close()
		stop(context.Background())
	})
}
