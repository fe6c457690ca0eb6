package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

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

	n := 0
	send := func(s *server, c *http.Client) time.Duration {
		bodies := make(chan []byte, each)
		for range each {
			n++
			bodies <- numbered(b, n)
		}
		close(bodies)
		begin := time.Now()
		var clients sync.WaitGroup
		for range atOnce {
			clients.Go(func() {
				for body := range bodies {
					if status, err := settle(b.Context(), c, s.base.String(), body); err != nil || status != http.StatusOK {
						b.Errorf("got %d, error %v; want 200", status, err)
					}
				}
			})
		}
		clients.Wait()
		return time.Since(begin)
	}
	send(plain, plainClient) // connections, prepared statements, handshakes
	send(guarded, guardedClient)
	var ratios []float64
	var without, with time.Duration
	for b.Loop() {
		p, g := send(plain, plainClient), send(guarded, guardedClient)
		without, with, ratios = without+p, with+g, append(ratios, p.Seconds()/g.Seconds())
	}
	slices.Sort(ratios)
	b.ReportMetric(float64(len(ratios)*each)/without.Seconds(), "plain/s")
	b.ReportMetric(float64(len(ratios)*each)/with.Seconds(), "guarded/s")
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
