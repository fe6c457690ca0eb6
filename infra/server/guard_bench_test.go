package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
)

// BenchmarkGuards sends referrals, each to its settlement, to a server as make run starts it, and to one on which all is
// on that asks who is calling: TLS with client certificates, keys of a registry, limits and CORS. They take turns, so
// that what else the machine does strikes both alike. of-plain is what the second one settles a second, of the first
// one's, in the median turn; 0.90 is the least that is wanted. Organisations are kept apart on both.
//
//	go test ./infra/server -run '^$' -bench Guards -benchtime 20x
func BenchmarkGuards(b *testing.B) {
	plain := started(b)
	registry := registryWith(b, principal.Client{
		Org: "8003621566684455", Name: "dev-sender", Certificates: []principal.Certificate{{NASH: true}},
		Rate: &principal.Rate{RPS: 1e6, Burst: 1e6}, Quota: 1e9,
	})
	guarded, dir := startedOverTLS(b, "REFERRAL_CLIENTS", registry, "REFERRAL_CORS_ORIGINS", "https://app.example.org")
	guardedClient := tlsClient(b, dir, senderCertificate)
	guardedClient.Transport.(*http.Transport).MaxIdleConnsPerHost = atOnce
	plainClient := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: atOnce}}
	b.Cleanup(plainClient.CloseIdleConnections)

	compare(b, "guarded", side{plain, plainClient}, side{guarded, guardedClient})
}

// BenchmarkRecord sends referrals, each to its settlement, to a server that logs as make run does and audits, and to one
// that does neither: its log takes only errors, and its table of the audit keeps nothing. As BenchmarkGuards otherwise.
//
//	go test ./infra/server -run '^$' -bench Record -benchtime 20x
func BenchmarkRecord(b *testing.B) {
	silent := started(b)
	store, err := pgx.Connect(b.Context(), silent.pg.URL("referral"))
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close(context.WithoutCancel(b.Context()))
	if _, err := store.Exec(b.Context(), `
		create function keep_nothing() returns trigger language plpgsql as $$ begin return null; end $$;
		create trigger keep_nothing before insert on audit for each row execute function keep_nothing()`); err != nil {
		b.Fatal(err)
	}
	file, err := os.Create(filepath.Join(b.TempDir(), "log"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { file.Close() })
	recorded := startedLogging(b, slog.New(slog.NewJSONHandler(file, nil)))
	select {
	case <-recorded.settling:
	case <-time.After(time.Minute):
		b.Fatal("the store was not there within a minute")
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: atOnce}}
	b.Cleanup(client.CloseIdleConnections)
	compare(b, "recorded", side{silent, client}, side{recorded, client})
	if audited := count(b, silent, `select count(*) from audit`); audited != 0 {
		b.Errorf("the server without the audit has %d records", audited)
	}
}

// side is a server and how to call it.
type side struct {
	*server
	client *http.Client
}

// send sends referrals, numbered from n on, and returns how long they took to settle.
func (s side) send(b *testing.B, n int) time.Duration {
	b.Helper()
	bodies := make(chan []byte, each)
	for i := range each {
		bodies <- numbered(b, n+i)
	}
	close(bodies)
	begin := time.Now()
	var clients sync.WaitGroup
	for range atOnce {
		clients.Go(func() {
			for body := range bodies {
				if status, err := settle(b.Context(), s.client, s.base.String(), body); err != nil || status != http.StatusOK {
					b.Errorf("got %d, error %v; want 200", status, err)
				}
			}
		})
	}
	clients.Wait()
	return time.Since(begin)
}

// compare lets two servers take turns and reports what each settles a second, and the median of the ratios as of-plain.
func compare(b *testing.B, name string, plain, other side) {
	b.Helper()
	n := 0
	turn := func() (p, o time.Duration) {
		p, o = plain.send(b, n), other.send(b, n+each)
		n += 2 * each
		return p, o
	}
	turn() // connections, prepared statements, handshakes
	var ratios []float64
	var without, with time.Duration
	for b.Loop() {
		p, o := turn()
		without, with, ratios = without+p, with+o, append(ratios, p.Seconds()/o.Seconds())
	}
	slices.Sort(ratios)
	b.ReportMetric(float64(len(ratios)*each)/without.Seconds(), "plain/s")
	b.ReportMetric(float64(len(ratios)*each)/with.Seconds(), name+"/s")
	b.ReportMetric(ratios[len(ratios)/2], "of-plain")
}

// each referrals are one turn, atOnce of them at the same time.
const each, atOnce = 100, 8

// settle posts body as a page of the origin and waits until it has settled.
func settle(ctx context.Context, c *http.Client, base string, body []byte) (status int, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/fhir", bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	for name, value := range map[string]string{
		"X-Api-Key": "dev-sender", "Content-Type": "application/fhir+json", "Prefer": "wait=20", "Origin": "https://app.example.org",
	} {
		r.Header.Set(name, value)
	}
	response, err := c.Do(r)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err
}
