package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"
)

// fill returns a step that sends referrals until so many resources are stored.
func (b *bench) fill(resources int) func(context.Context) error {
	return func(ctx context.Context) error {
		const clients = 16
		post := b.submissions(clients, 0)
		begin := time.Now()
		for {
			var stored int
			if err := b.store.QueryRow(ctx, `select count(*) from resource`).Scan(&stored); err != nil {
				return err
			}
			if stored >= resources {
				b.add("resources stored", float64(stored), "")
				b.add("stored, 16 clients", float64(stored)/time.Since(begin).Seconds(), "resources/s")
				_, err := b.store.Exec(ctx, `analyze`)
				return err
			}
			if _, err := load(ctx, clients, 10*time.Second, post); err != nil {
				return err
			}
			if err := b.drained(ctx); err != nil {
				return err
			}
		}
	}
}

// search measures one client's searches, each for another resource, as the first organisation: what it sent, and as a
// recipient what others sent it.
func (b *bench) search(ctx context.Context) error {
	org := b.organisations[0]
	const system = `jsonb_path_query_first(('{' || r.content || '}')::jsonb, '$.identifier[0].system') #>> '{}'`
	for _, s := range []struct{ name, path, values string }{
		{"read", "Patient/%s", `select r.id::text from resource r where r.org = $1 and r.type = 'Patient'`},
		{"identifier", "Patient?identifier=%s", `select ` + system + ` || '|' || (('{' || r.content || '}')::jsonb #>> '{identifier,0,value}') from resource r where r.org = $1 and r.type = 'Patient'`},
		{"patient", "ServiceRequest?patient=%s", `select r.id::text from resource r where r.org = $1 and r.type = 'Patient'`},
		{"family and birthdate", "Patient?%s", `select 'family=' || (('{' || r.content || '}')::jsonb #>> '{name,0,family}') || '&birthdate=' || (('{' || r.content || '}')::jsonb ->> 'birthDate')
			from resource r where r.org = $1 and r.type = 'Patient'`},
		{"owner, status, _lastUpdated", "Task?owner=%s&status=requested&_lastUpdated=gt2020", `select ('{' || r.content || '}')::jsonb #>> '{owner,reference}' from resource r
			where r.readers @> array[$1::text] and r.type = 'Task' and r.content like '%owner%'`},
		{"inbox: status, _lastUpdated", "Task?status=requested&_lastUpdated=gt%s", `select to_char(r.last_updated, 'YYYY-MM-DD"T"HH24:MI:SS.MSZ') from resource r
			where r.readers @> array[$1::text] and r.type = 'Task'`},
		{"request with includes", "ServiceRequest?_id=%s&_include=ServiceRequest:*&_revinclude=Task:focus", `select r.id::text from resource r where r.org = $1 and r.type = 'ServiceRequest'`},
		{"chain", "ServiceRequest?patient.identifier=%s", `select (('{' || r.content || '}')::jsonb #>> '{identifier,0,value}') from resource r where r.org = $1 and r.type = 'Patient'`},
	} {
		var values []string
		if err := b.store.QueryRow(ctx, `select coalesce(array_agg(v), '{}') from (`+s.values+` limit 5000) x(v) where v is not null`, org.hpio).Scan(&values); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if len(values) == 0 {
			return fmt.Errorf("%s: there is nothing to look for", s.name)
		}
		var turn atomic.Int64
		r, err := load(ctx, 1, b.each, func(ctx context.Context, _ int) error {
			value := url.PathEscape(values[int(turn.Add(7919))%len(values)]) // which lets & and = be
			_, err := b.client.do(ctx, org.key, http.MethodGet, b.base+"/fhir/"+fmt.Sprintf(s.path, value), nil, http.StatusOK)
			return err
		})
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		b.add(s.name+" p50", r.quantile(0.50), "ms")
		b.add(s.name+" p99", r.quantile(0.99), "ms")
	}
	return b.pages(ctx)
}

// pages follows next links to page 1,000 of all of an organisation's resources of a type, and says how long the first
// ten and the last ten pages took.
func (b *bench) pages(ctx context.Context) error {
	next := b.base + "/fhir/Patient?_count=5"
	var first, last time.Duration
	n := 0
	for ; n < 1000 && next != ""; n++ {
		begin := time.Now()
		var err error
		if next, err = b.page(ctx, next); err != nil {
			return err
		}
		took := time.Since(begin)
		if n < 10 {
			first += took
		}
		if n >= 990 {
			last += took
		}
	}
	b.add("pages followed", float64(n), "")
	b.add("page, mean of the first ten", first.Seconds()*100, "ms")
	b.add("page, mean of 991 to 1,000", last.Seconds()*100, "ms")
	return nil
}

// page reads a page of results and returns the address of the next one, empty: there is none.
func (b *bench) page(ctx context.Context, address string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return "", err
	}
	r.Header.Set("X-Api-Key", b.organisations[0].key)
	response, err := b.client.http.Do(r)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(response.Body); err != nil {
		return "", err
	}
	var bundle struct {
		Link []struct{ Relation, URL string }
	}
	if err := json.Unmarshal(body.Bytes(), &bundle); err != nil || response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("a page: status %d, %w", response.StatusCode, err)
	}
	for _, l := range bundle.Link {
		if l.Relation == "next" {
			return l.URL, nil
		}
	}
	return "", nil
}
