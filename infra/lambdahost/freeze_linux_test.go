package lambdahost_test

import (
	"context"
	"errors"
	"flag"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/ausbizconsulting/referral-fhir-server/infra/lambdahost"
)

var freeze = flag.Duration("freeze", 2*time.Second, "how long TestFreeze stops the functions' processes")

// TestFreeze stops the functions' processes between two events, as Lambda does, and takes their connections to the store
// away meanwhile: closed by the server, or gone without a word, as after a failover. What comes next is answered at once,
// with the same processes.
func TestFreeze(t *testing.T) {
	for name, harm := range map[string]func(*stack, *relay){
		"closed": func(s *stack, _ *relay) {
			s.execute(t, `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`)
		},
		"silent": func(_ *stack, r *relay) { r.forget() },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStack(t)
			store, err := url.Parse(s.storeURL)
			if err != nil {
				t.Fatal(err)
			}
			r := newRelay(t, store.Host)
			store.Host = r.listener.Addr().String()
			s.env = append(s.env, "DATABASE_URL="+store.String())
			ingest, process, query := s.start(t, "ingest", 10*time.Second), s.start(t, "processor", 10*time.Second), s.start(t, "query", 10*time.Second)
			travel := func(n string) {
				t.Helper()
				status := submit(t, lambdahost.HTTP(ingest), example(t, n))
				response, err := process.HandleSQS(t.Context(), events.SQSEvent{Records: s.received(t, 1)})
				if err != nil || len(response.BatchItemFailures) > 0 {
					t.Errorf("%s: got %+v, error %v; want it settled", n, response, err)
				}
				if w := do(t, lambdahost.HTTP(query), "GET", status, nil); w.Code != http.StatusOK {
					t.Errorf("%s: got %d %s, want 200", n, w.Code, w.Body)
				}
			}
			travel("before")
			processes := map[string]int{}
			for _, function := range []string{"ingest", "processor", "query"} {
				processes[function] = childOf(t, bootstrapOf(t, function))
				signal(t, processes[function], syscall.SIGSTOP)
			}
			harm(s, r)
			time.Sleep(*freeze) // that is what is tested
			for _, process := range processes {
				signal(t, process, syscall.SIGCONT)
			}
			travel("after")
			for function, before := range processes {
				if after := childOf(t, bootstrapOf(t, function)); after != before {
					t.Errorf("%s: got another process than before", function)
				}
			}
		})
	}
}

func signal(t testing.TB, process int, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(process, s); err != nil {
		t.Fatal(err)
	}
}

// relay stands before a server, and can lose the connections that there are without closing them.
type relay struct {
	listener net.Listener
	target   string

	mu    sync.Mutex
	lost  chan struct{} // closed when those of now are lost; guarded by mu
	conns []net.Conn    // guarded by mu
}

func newRelay(t testing.TB, target string) *relay {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{listener: listener, target: target, lost: make(chan struct{})}
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return // closed
			}
			accepting.Go(func() { r.serve(client) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		r.forget()
		r.mu.Lock()
		for _, c := range r.conns {
			c.Close()
		}
		r.mu.Unlock()
		accepting.Wait()
	})
	return r
}

func (r *relay) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.lost)
	r.lost = make(chan struct{})
}

func (r *relay) serve(client net.Conn) {
	var dialer net.Dialer
	server, err := dialer.DialContext(context.Background(), "tcp", r.target)
	if err != nil {
		client.Close()
		return
	}
	r.mu.Lock()
	lost := r.lost
	r.conns = append(r.conns, client, server)
	r.mu.Unlock()
	var copying sync.WaitGroup
	for from, to := range map[net.Conn]net.Conn{client: server, server: client} {
		copying.Go(func() {
			_, err := io.Copy(gate{to, lost}, from)
			if !errors.Is(err, errLost) {
				client.Close()
				server.Close()
			}
		})
	}
	copying.Wait()
}

var errLost = errors.New("lost")

// gate writes until it is lost.
type gate struct {
	io.Writer
	lost chan struct{}
}

func (g gate) Write(b []byte) (int, error) {
	select {
	case <-g.lost:
		return 0, errLost
	default:
		return g.Writer.Write(b)
	}
}
