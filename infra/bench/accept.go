package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"

	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/generate"
)

// submissions returns a function that posts referrals, each another, with one generator for each client. A client posts
// for one organisation after the other.
func (b *bench) submissions(clients int) func(context.Context, int) error {
	generators, turns := make([]*generate.Generator, clients), make([]int, clients)
	for i := range generators {
		generators[i], turns[i] = generate.New(rand.Uint64()), i
	}
	return func(ctx context.Context, i int) error {
		from, to := b.organisations[turns[i]%len(b.organisations)], b.organisations[(turns[i]+1)%len(b.organisations)]
		turns[i]++
		body := generators[i].Bundle(generate.Options{Entries: entries, Sender: from.hpio, Recipient: to.hpio})
		_, err := b.client.do(ctx, from.key, http.MethodPost, b.base+"/fhir", body, http.StatusAccepted)
		return err
	}
}

func (b *bench) accept(ctx context.Context) error {
	for _, clients := range []int{1, 8, 32} {
		r, err := load(ctx, clients, b.each, b.submissions(clients))
		if err != nil {
			return err
		}
		b.add(fmt.Sprintf("accepted, %d clients", clients), r.perSecond, "Bundles/s")
		b.add(fmt.Sprintf("accept p50, %d clients", clients), r.quantile(0.50), "ms")
		b.add(fmt.Sprintf("accept p99, %d clients", clients), r.quantile(0.99), "ms")
		if err := b.drained(ctx); err != nil {
			return err
		}
	}
	return nil
}
