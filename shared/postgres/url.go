package postgres

import (
	"errors"
	"net/netip"
	"path/filepath"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

var (
	errURL      = errors.New("the database URL cannot be parsed") // the cause quotes its password
	errUnsecure = errors.New("the database is not on this machine: its URL needs sslmode=verify-full")
)

// CheckURL returns an error unless url is a PostgreSQL connection URI of a database on this machine, or of one that is
// reached over TLS with its certificate verified in full: patients' data and the password go there.
func CheckURL(url string) error {
	c, err := pgx.ParseConfig(url)
	if err != nil {
		return errURL
	}
	hosts := append([]*pgconn.FallbackConfig{{Host: c.Host, TLSConfig: c.TLSConfig}}, c.Fallbacks...)
	for _, h := range hosts {
		verified := h.TLSConfig != nil && !h.TLSConfig.InsecureSkipVerify && h.TLSConfig.ServerName == h.Host
		if !verified && !OnThisMachine(h.Host) {
			return errUnsecure
		}
	}
	return nil
}

// OnThisMachine tells whether what is sent to host, a name, an address or the directory of a socket, goes over no
// network.
func OnThisMachine(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || filepath.IsAbs(host) || err == nil && address.IsLoopback()
}
