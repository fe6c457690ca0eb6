package secrets_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/secrets"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

// login is a role of a real PostgreSQL whose password the test changes.
type login struct {
	admin *pgx.Conn
	url   *url.URL
	name  string
}

func newLogin(t testing.TB) login {
	t.Helper()
	return loginOf(t, pgtest.Empty(t))
}

// loginOf returns a new one to the database at address.
func loginOf(t testing.TB, address string) login {
	t.Helper()
	admin, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	l := login{admin, u, "rotating_" + u.Path[1:]}
	l.execute(t, "create role "+l.name+" login")
	t.Cleanup(func() {
		if _, err := admin.Exec(context.Background(), "drop role "+l.name); err != nil {
			t.Error(err)
		}
		admin.Close(context.Background())
	})
	return l
}

func (l login) execute(t testing.TB, sql string) {
	t.Helper()
	if _, err := l.admin.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

// rotate gives the login another password and returns the secret with it.
func (l login) rotate(t testing.TB, password string) string {
	t.Helper()
	l.execute(t, "alter role "+l.name+" password '"+password+"'")
	return fmt.Sprintf(`{"username": %q, "password": %q, "engine": "postgres", "host": %q, "port": %s, "dbname": %q, "masterarn": "x"}`,
		l.name, password, l.url.Hostname(), l.url.Port(), l.url.Path[1:])
}

func openPool(t testing.TB, d *secrets.Database) *pgxpool.Pool {
	t.Helper()
	c, err := pgxpool.ParseConfig("")
	if err != nil {
		t.Fatal(err)
	}
	c.BeforeConnect = d.BeforeConnect
	pool, err := pgxpool.NewWithConfig(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func refused(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == "28P01"
}

func TestPasswordRotates(t *testing.T) {
	l := newLogin(t)
	s := newService(t, l.rotate(t, "zqx-one"))
	c := newSetup(s)
	pool := openPool(t, secrets.NewDatabase(c.Config))
	if got := s.requests(); got != 0 {
		t.Errorf("got %d requests before a connection was needed, want 0", got)
	}
	ping := func(step string, wantRefused bool, wantRequests int) {
		t.Helper()
		pool.Reset() // so that it connects
		err := pool.Ping(t.Context())
		if wantRefused != refused(err) || !wantRefused && err != nil {
			t.Errorf("%s: got %v, want refused: %t", step, err, wantRefused)
		}
		if got := s.requests(); got != wantRequests {
			t.Errorf("%s: got %d requests, want %d", step, got, wantRequests)
		}
	}
	ping("first", false, 1)
	ping("again", false, 0)
	next := l.rotate(t, "zqx-two") // the service has not got it yet
	c.clock.advance(time.Minute)
	ping("refused", true, 0)
	ping("refused, and the service has no other", true, 1)
	ping("refused, and the service was just asked", true, 0)
	s.put(next)
	c.clock.advance(2 * time.Second)
	ping("the service has the new one", false, 1)
	ping("in use", false, 0)
	s.put(l.rotate(t, "zqx-three"))
	c.clock.advance(5 * time.Minute)
	ping("read for its age before anybody is refused", false, 1)
	if strings.Contains(c.log.String(), "zqx") {
		t.Errorf("got log %s, which has a password", c.log)
	}
}

func TestManyRefusedAtOnceAskOnce(t *testing.T) {
	l := newLogin(t)
	s := newService(t, l.rotate(t, "zqx-one"))
	c := newSetup(s)
	d := secrets.NewDatabase(c.Config)
	pool := openPool(t, d)
	if err := pool.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.put(l.rotate(t, "zqx-two"))
	c.clock.advance(time.Minute)
	s.requests()
	pool.Reset()
	s.before = func() { time.Sleep(100 * time.Millisecond) } // so that all but one come while that one is reading
	const users = 8
	var first, all sync.WaitGroup
	first.Add(users)
	for range users {
		all.Go(func() {
			err := connect(t.Context(), d)
			first.Done()
			first.Wait()
			if refused(err) {
				err = connect(t.Context(), d)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := s.requests(); got != 1 {
		t.Errorf("got %d requests, want 1", got)
	}
}

// connect makes a single connection.
func connect(ctx context.Context, d *secrets.Database) error {
	c, err := pgx.ParseConfig("")
	if err != nil {
		return err
	}
	if err := d.BeforeConnect(ctx, c); err != nil {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// before returns what a connection out of secret is made with.
func before(t testing.TB, secret string) (*pgx.ConnConfig, error) {
	t.Helper()
	c, err := pgx.ParseConfig("application_name=kept")
	if err != nil {
		t.Fatal(err)
	}
	return c, secrets.NewDatabase(newSetup(newService(t, secret)).Config).BeforeConnect(t.Context(), c)
}

func TestConnectionsAreVerifiedInFull(t *testing.T) {
	t.Setenv("PGSSLMODE", "disable") // does not count
	const secret = `{"username":"u:@/?#[] 'x","password":"p:@/?#[]%%41 'x","engine":"postgres","host":%q,"port":"6432","dbname":"d /?x"}`
	for host, verified := range map[string]bool{
		"db.example.org": true, "203.0.113.9": true, "localhost.example.org": true, "2001:db8::1": true,
		"db.example.org/d?sslmode=disable&x=": true, // no name, and no way to smuggle a setting in
		"127.0.0.1":                           false, "localhost": false, "::1": false,
	} {
		c, err := before(t, fmt.Sprintf(secret, host))
		if err != nil {
			t.Errorf("%s: %v", host, err)
			continue
		}
		if c.Host != host || c.Port != 6432 || c.User != "u:@/?#[] 'x" || c.Password != "p:@/?#[]%41 'x" || c.Database != "d /?x" {
			t.Errorf("got %s:%d, user %q, password %q, database %q, want those of the secret", c.Host, c.Port, c.User, c.Password, c.Database)
		}
		if c.RuntimeParams["application_name"] != "kept" {
			t.Error("parameters were lost")
		}
		if got := c.TLSConfig != nil && c.TLSConfig.ServerName == host && !c.TLSConfig.InsecureSkipVerify && len(c.Fallbacks) == 0; got != verified {
			t.Errorf("%s: got verified %t, want %t", host, got, verified)
		}
	}
}

func TestDatabaseSecrets(t *testing.T) {
	for _, test := range []struct{ name, secret, want string }{
		{"least", `{"username":"a","password":"b","host":"db.example.org","dbname":"d"}`, ""},
		{"of Aurora", `{"username":"a","password":"b","host":"db.example.org","dbname":"d","engine":"aurora-postgresql","port":5432}`, ""},
		{"no JSON", `zqx`, "no JSON"},
		{"wrong type", `{"username":{"zqx":1}}`, "no JSON"},
		{"wrong port type", `{"username":"a","password":"b","host":"h","dbname":"d","port":"zqx"}`, "no JSON"},
		{"no user", `{"password":"zqx","host":"h","dbname":"d"}`, "username"},
		{"no password", `{"username":"zqx","host":"h","dbname":"d"}`, "password"},
		{"no host", `{"username":"a","password":"zqx","dbname":"d"}`, "host"},
		{"no database", `{"username":"a","password":"zqx","host":"h"}`, "dbname"},
		{"another engine", `{"username":"a","password":"zqx","host":"h","dbname":"d","engine":"mysql"}`, "engine"},
		{"no port", `{"username":"a","password":"zqx","host":"h","dbname":"d","port":0}`, "port"},
		{"port too large", `{"username":"a","password":"zqx","host":"h","dbname":"d","port":70000}`, "port"},
		{"two hosts", `{"username":"a","password":"zqx","host":"h,127.0.0.1","dbname":"d"}`, "host"},
	} {
		_, err := before(t, test.secret)
		if (err == nil) != (test.want == "") || !strings.Contains(fmt.Sprint(err), test.want) {
			t.Errorf("%s: got %v, want an error with %q", test.name, err, test.want)
		}
		if strings.Contains(fmt.Sprint(err), "zqx") {
			t.Errorf("%s: got %v, which has something of the secret", test.name, err)
		}
	}
}

func TestDatabaseComesWithItsSecret(t *testing.T) {
	l := newLogin(t)
	s := newService(t, l.rotate(t, "zqx-one"))
	s.fail("AccessDeniedException")
	c := newSetup(s)
	d := secrets.NewDatabase(c.Config)
	for range 3 {
		if err := connect(t.Context(), d); !strings.Contains(fmt.Sprint(err), "AccessDeniedException") {
			t.Errorf("got %v, want AccessDeniedException", err)
		}
	}
	if got := s.requests(); got != 1 {
		t.Errorf("got %d requests in a moment, want 1", got)
	}
	s.fail("")
	c.clock.advance(2 * time.Second)
	if err := connect(t.Context(), d); err != nil {
		t.Errorf("got %v, want a connection", err)
	}
}
