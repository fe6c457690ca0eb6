package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/generate"
)

// ahead is how many referrals a second are made before a load begins, which is more than goes in: while it lasts a client
// takes of the machine what sending takes, and no more.
const ahead = 1000

// submissions returns a function that posts referrals, each another, with one generator for each client. A client posts
// for one organisation after the other. Those of a load of d are made before it returns, further ones when they are sent.
func (b *bench) submissions(clients int, d time.Duration) func(context.Context, int) error {
	type referral struct {
		key  string // of the sender
		body []byte
	}
	generators, turns, made := make([]*generate.Generator, clients), make([]int, clients), make([][]referral, clients)
	next := func(i int) referral {
		from, to := b.organisations[turns[i]%len(b.organisations)], b.organisations[(turns[i]+1)%len(b.organisations)]
		turns[i]++
		return referral{from.key, generators[i].Bundle(generate.Options{Entries: entries, Sender: from.hpio, Recipient: to.hpio})}
	}
	var making sync.WaitGroup
	for i := range clients {
		making.Go(func() {
			generators[i], turns[i] = generate.New(rand.Uint64()), i
			for range int(d.Seconds() * ahead / float64(clients)) {
				made[i] = append(made[i], next(i))
			}
		})
	}
	making.Wait()
	return func(ctx context.Context, i int) error {
		var r referral
		if len(made[i]) > 0 {
			r, made[i] = made[i][0], made[i][1:]
		} else {
			r = next(i)
		}
		_, err := b.client.do(ctx, r.key, http.MethodPost, b.base+"/fhir", r.body, http.StatusAccepted)
		return err
	}
}

func (b *bench) accept(ctx context.Context) error {
	for _, clients := range []int{1, 8, 32} {
		r, err := load(ctx, clients, b.each, b.submissions(clients, b.each))
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
