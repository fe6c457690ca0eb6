package main

import (
	"context"
	"math/rand/v2"
	"net/http"

	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/generate"
)

// reads polls the status of one submission and reads one resource of it.
func (b *bench) reads(ctx context.Context) error {
	sender := b.organisations[0]
	body := generate.New(rand.Uint64()).Bundle(generate.Options{Entries: entries, Sender: sender.hpio, Recipient: b.organisations[1].hpio})
	header, err := b.client.do(ctx, sender.key, http.MethodPost, b.base+"/fhir", body, http.StatusAccepted)
	if err != nil {
		return err
	}
	status := header.Get("Content-Location")
	if err := b.drained(ctx); err != nil {
		return err
	}
	var id string
	if err := b.store.QueryRow(ctx, `select id::text from resource where type = 'Patient' and org = $1 order by vid desc limit 1`, sender.hpio).Scan(&id); err != nil {
		return err
	}
	for _, read := range []struct{ name, url string }{
		{"status polls, 8 clients", status}, {"reads, 8 clients", b.base + "/fhir/Patient/" + id},
	} {
		r, err := load(ctx, 8, b.each/2, func(ctx context.Context, _ int) error {
			_, err := b.client.do(ctx, sender.key, http.MethodGet, read.url, nil, http.StatusOK)
			return err
		})
		if err != nil {
			return err
		}
		b.add(read.name, r.perSecond, "/s")
	}
	return nil
}
