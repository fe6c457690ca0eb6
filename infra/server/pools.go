package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/env"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
)

// pool is connections to a database that this process and its functions open at the most.
type pool struct {
	database postgres.Config
	size     int
	setting  string // and how the size comes from it
}

// migrationConnections are those of migrating: its lock and its work.
const migrationConnections = 2

// listenConnections are those on which a function is told of what its callers wait for.
const listenConnections = 1

func (s *server) pools(store postgres.Config, queueURL string) []pool {
	pools := []pool{
		{store, s.settings.storeConns, "REFERRAL_STORE_CONNECTIONS for query"},
		{store, migrationConnections, "for migrating"},
	}
	if s.settings.queue != queueDirect {
		pools = append(pools, pool{postgres.Config{URL: queueURL}, s.settings.queueConns, "REFERRAL_QUEUE_CONNECTIONS"})
	}
	if s.settings.lambdaDir == "" {
		return append(pools, pool{store, s.settings.storeConns, "REFERRAL_STORE_CONNECTIONS for processor"},
			pool{store, listenConnections, "for those who wait"})
	}
	for function, each := range map[string]int{
		"ingest": env.FunctionStoreConnections + listenConnections, "processor": env.FunctionStoreConnections,
		"query": env.FunctionStoreConnections + listenConnections,
	} {
		pools = append(pools, pool{store, s.settings.workers * each, fmt.Sprintf("REFERRAL_WORKERS times %d for the bootstraps of %s", each, function)})
	}
	return pools
}

// checkPools fails when a PostgreSQL server allows fewer connections than all pools to it may come to have: later, some
// statement under load would be the one to be refused. What cannot be asked now is left out.
func (s *server) checkPools(ctx context.Context, store postgres.Config, queueURL string) error {
	type demand struct {
		capacity postgres.Capacity
		size     int
		settings []string
	}
	servers := map[string]*demand{}              // by Capacity.Server: both databases may be of one
	capacities := map[string]postgres.Capacity{} // by URL, which one that is of a secret has not
	for _, p := range s.pools(store, queueURL) {
		capacity, asked := capacities[p.database.URL]
		if !asked {
			var err error
			if capacity, err = postgres.ReadCapacity(ctx, p.database); err != nil && !errors.Is(err, postgres.ErrUnavailable) {
				return err
			}
			capacities[p.database.URL] = capacity
		}
		if capacity.Server == "" {
			continue
		}
		d := cmp.Or(servers[capacity.Server], &demand{capacity: capacity})
		servers[capacity.Server] = d
		d.size += p.size
		d.settings = append(d.settings, fmt.Sprintf("%d %s", p.size, p.setting))
	}
	for _, d := range servers {
		if d.size > d.capacity.Usable() {
			return fmt.Errorf("the connection pools may come to %d connections (%s), and PostgreSQL has %v for them: lower these settings, or raise max_connections",
				d.size, strings.Join(d.settings, ", "), d.capacity)
		}
	}
	return nil
}
