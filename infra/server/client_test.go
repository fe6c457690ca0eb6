package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"
)

// client speaks to a server with an API key.
type client struct {
	base string
	key  string
}

type received struct {
	status int
	header http.Header
	body   []byte
}

func (c client) do(method, url string, body []byte) (received, error) {
	return c.request(method, url, nil, body)
}

// send is request for a test that goes on with an answer only.
func (c client) send(t testing.TB, method, url string, header http.Header, body []byte) received {
	t.Helper()
	a, err := c.request(method, url, header, body)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (c client) request(method, url string, header http.Header, body []byte) (received, error) {
	if !strings.HasPrefix(url, "http") {
		url = c.base + url
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return received{}, err
	}
	maps.Copy(r.Header, header)
	r.Header.Set("X-Api-Key", c.key)
	if body != nil && r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", "application/fhir+json")
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return received{}, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	return received{response.StatusCode, response.Header, content}, err
}

func (c client) get(t testing.TB, url string) received {
	t.Helper()
	a, err := c.do("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// submit posts body and returns the status URL of the 202.
func (c client) submit(t testing.TB, body []byte) string {
	t.Helper()
	a, err := c.do("POST", "/fhir", body)
	if err != nil {
		t.Fatal(err)
	}
	if a.status != http.StatusAccepted {
		t.Fatalf("got %d %s, want 202", a.status, a.body)
	}
	return a.header.Get("Content-Location")
}

// follow polls a status URL until it is 200 and returns the batch-response.
func (c client) follow(t testing.TB, url string, within time.Duration) batchResponse {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		a, err := c.do("GET", url, nil)
		if err == nil && a.status == http.StatusOK {
			var b batchResponse
			if err := json.Unmarshal(a.body, &b); err != nil || len(b.Entry) == 0 {
				t.Fatalf("got %s, want a batch-response", a.body)
			}
			return b
		}
		if err == nil && a.status != http.StatusAccepted {
			t.Fatalf("got %d %s from the status URL, want 202 or 200", a.status, a.body)
		}
		if time.Now().After(deadline) {
			t.Fatalf("not settled within %v: status %d, X-Progress %q, error %v", within, a.status, a.header.Get("X-Progress"), err)
		}
		time.Sleep(20 * time.Millisecond) // as a client does
	}
}

type batchResponse struct {
	ID    string
	Type  string
	Entry []struct {
		Response struct {
			Status  string
			Outcome json.RawMessage
		}
		Resource struct {
			Type  string
			Entry []struct {
				Response struct{ Status, Location, Etag, LastModified string }
			}
		}
	}
}
