package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// result is what a load came to.
type result struct {
	perSecond float64
	latencies []time.Duration // sorted
}

func (r result) quantile(q float64) float64 {
	if len(r.latencies) == 0 {
		return 0
	}
	return r.latencies[min(int(q*float64(len(r.latencies))), len(r.latencies)-1)].Seconds() * 1000
}

// load lets clients call do, one call after the other, for d. do is given the client's number.
func load(ctx context.Context, clients int, d time.Duration, do func(ctx context.Context, client int) error) (result, error) {
	ctx, cancel := context.WithTimeout(ctx, d+time.Minute)
	defer cancel()
	var mu sync.Mutex
	var all []time.Duration // guarded by mu
	var failure error       // guarded by mu
	begin := time.Now()
	var running sync.WaitGroup
	for client := range clients {
		running.Go(func() {
			var own []time.Duration
			var err error
			for err == nil && time.Since(begin) < d {
				start := time.Now()
				if err = do(ctx, client); err == nil {
					own = append(own, time.Since(start))
				}
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, own...)
			if failure == nil {
				failure = err
			}
		})
	}
	running.Wait()
	took := time.Since(begin).Seconds()
	slices.Sort(all)
	return result{float64(len(all)) / took, all}, failure
}

// client speaks HTTP as a sender does, and keeps its connections.
type client struct {
	http *http.Client
	base string
}

func newClient(base string) *client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	return &client{&http.Client{Transport: transport}, base}
}

// do sends a request with an API key, reads the answer to its end, and returns its header; its status must be want.
func (c *client) do(ctx context.Context, key, method, url string, body []byte, want int) (http.Header, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("X-Api-Key", key)
	if body != nil {
		r.Header.Set("Content-Type", "application/fhir+json")
	}
	response, err := c.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	if err == nil && response.StatusCode != want {
		err = fmt.Errorf("%s %s: status %d, want %d", method, r.URL.Path, response.StatusCode, want)
	}
	return response.Header, err
}
