package localsqs

import "testing"

// TestSweepRemovesWhatItsQueueLeft stores a message as a send does whose queue is deleted meanwhile.
func TestSweepRemovesWhatItsQueueLeft(t *testing.T) {
	s, q, _ := serverOver(t)
	if err := s.insert([]*sendJob{jobOf(t, s, q, "a", "kept")}); err != nil {
		t.Fatal(err)
	}
	gone := s.newQueue(q.id+1, "gone", q.settings.Load(), q.created, q.created)
	if err := s.insert([]*sendJob{jobOf(t, s, gone, "a", "late")}); err != nil {
		t.Fatal(err)
	}
	s.sweepOnce()
	var got string
	if err := s.db.QueryRow(t.Context(), `select string_agg(body, ',') from sqs.message`).Scan(&got); err != nil || got != "kept" {
		t.Errorf("messages %q, error %v; want kept", got, err)
	}
}
