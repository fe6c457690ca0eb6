package localsqs

import (
	"log/slog"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
)

// serverOver gives a Server over an empty database with one queue, and the database's URL.
func serverOver(t *testing.T) (*Server, *queue, string) {
	t.Helper()
	database := pgtest.Empty(t)
	db, err := pgxpool.New(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	s, err := New(t.Context(), Config{DB: db, BaseURL: &url.URL{Scheme: "http", Host: "127.0.0.1:9324"}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if _, err := s.createQueue(t.Context(), caller{}, createQueueInput{QueueName: "referrals"}); err != nil {
		t.Fatal(err)
	}
	q, err := s.queueNamed("referrals")
	if err != nil {
		t.Fatal(err)
	}
	return s, q, database
}

func jobOf(t *testing.T, s *Server, q *queue, from, body string) *sendJob {
	t.Helper()
	r, err := s.newRow(q, caller{accessKeyID: from}, &outgoing{MessageBody: &body})
	if err != nil {
		t.Fatal(err)
	}
	return &sendJob{rows: []row{r}, bytes: len(body), done: make(chan error, 1)}
}

// TestRefusedMessageFailsAlone puts a message that PostgreSQL refuses into one insert with others. The checks before
// it know of no such message: this is for those that they do not know.
func TestRefusedMessageFailsAlone(t *testing.T) {
	s, q, _ := serverOver(t)
	jobs := []*sendJob{jobOf(t, s, q, "a", "first"), jobOf(t, s, q, "b\x00", "bad"), jobOf(t, s, q, "c", "third")}
	s.write(jobs)
	for i, job := range jobs {
		if err := <-job.done; (err != nil) != (i == 1) {
			t.Errorf("send %d ended with %v", i, err)
		}
	}
	var stored int
	if err := s.db.QueryRow(t.Context(), `select count(*) from sqs.message`).Scan(&stored); err != nil || stored != 2 {
		t.Errorf("got %d messages, error %v; want the other two", stored, err)
	}
}

// TestCloseDoesNotWaitForAHangingDatabase closes a Server while a lock holds up a send.
func TestCloseDoesNotWaitForAHangingDatabase(t *testing.T) {
	s, q, database := serverOver(t)
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	if _, err := tx.Exec(t.Context(), `lock table sqs.message in access exclusive mode`); err != nil {
		t.Fatal(err)
	}
	job := jobOf(t, s, q, "a", "late")
	s.sends <- job
	start := time.Now()
	s.Close()
	if took := time.Since(start); took > closeTimeout+2*time.Second {
		t.Errorf("closing took %v", took)
	}
	if err := <-job.done; err == nil {
		t.Error("the send is said to be stored")
	}
}
