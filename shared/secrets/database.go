package secrets

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
)

// Database is where a PostgreSQL database is and how to log in to it, out of a secret as RDS and its rotation write it:
//
//	{"engine": "postgres", "host": "…", "port": 5432, "username": "…", "password": "…", "dbname": "…"}
//
// engine and port may be absent; others than these are ignored. Safe for concurrent use.
type Database struct {
	secret *secret[*pgx.ConnConfig]
}

// NewDatabase returns a Database that is read when it is first needed: a service that is down now may be up then.
func NewDatabase(c Config) *Database {
	return &Database{newSecret(c, "the database", parseDatabase)}
}

// BeforeConnect makes c connect with the credentials of now: host, port, database, user, password and TLS. It is
// pgxpool.Config's BeforeConnect, and for a single connection is called before pgx.ConnectConfig. When PostgreSQL refuses
// the password on the connection (28P01), the next one has it read again: so what failed for that may be tried again
// once. The error is that of the service, as long as there are no credentials at all.
func (d *Database) BeforeConnect(ctx context.Context, c *pgx.ConnConfig) error {
	v, err := d.secret.get(ctx)
	if err != nil {
		return err
	}
	now := v.value
	c.Host, c.Port, c.Database, c.User, c.Password = now.Host, now.Port, now.Database, now.User, now.Password
	c.TLSConfig, c.Fallbacks = now.TLSConfig, now.Fallbacks
	onError := c.OnPgError // which ends the connection where the error does
	c.OnPgError = func(conn *pgconn.PgConn, e *pgconn.PgError) bool {
		if e.Code == invalidPassword {
			d.secret.refused(v)
		}
		return onError(conn, e)
	}
	return nil
}

// invalidPassword is PostgreSQL's SQLSTATE invalid_password.
const invalidPassword = "28P01"

// engines are what RDS calls PostgreSQL.
var engines = []string{"", "postgres", "aurora-postgresql"}

func parseDatabase(content []byte) (*pgx.ConnConfig, error) {
	var s struct {
		Username, Password, Engine, Host, Dbname string
		Port                                     json.Number
	}
	if err := json.Unmarshal(content, &s); err != nil {
		return nil, errors.New("it is no JSON object with strings, and a number as port") // the cause quotes it
	}
	for _, member := range []struct{ name, value string }{
		{"username", s.Username}, {"password", s.Password}, {"host", s.Host}, {"dbname", s.Dbname},
	} {
		if member.value == "" {
			return nil, fmt.Errorf("%s is missing", member.name)
		}
	}
	if !slices.Contains(engines, s.Engine) {
		return nil, errors.New("engine is not postgres")
	}
	port := uint64(5432)
	if s.Port != "" {
		var err error
		if port, err = strconv.ParseUint(s.Port.String(), 10, 16); err != nil || port == 0 {
			return nil, errors.New("port is none")
		}
	}
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(s.Username, s.Password), Path: "/" + s.Dbname,
		Host: net.JoinHostPort(s.Host, strconv.FormatUint(port, 10)),
	}
	if !postgres.OnThisMachine(s.Host) {
		u.RawQuery = "sslmode=verify-full" // RDS's own issuers are in the file that PGSSLROOTCERT names
	}
	c, err := pgx.ParseConfig(u.String())
	if err != nil || c.Host != s.Host || c.Database != s.Dbname {
		return nil, errors.New("no connection can be made of it: host is no name or address, or the file PGSSLROOTCERT has no certificates")
	}
	return c, nil
}
