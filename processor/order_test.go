package processor_test

import (
	"context"
	"testing"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/processor"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// ageless is a store that does not tell when what it has was accepted.
type ageless struct{ processor.Store }

func (a ageless) Revise(ctx context.Context, s *postgres.Settlement, l postgres.Lookup, decide func(*postgres.Found) error) (bool, error) {
	return a.Store.Revise(ctx, s, l, func(found *postgres.Found) error {
		for id, v := range found.Own {
			v.AcceptedAt, v.Digest = time.Time{}, referral.Digest{}
			found.Own[id] = v
		}
		return decide(found)
	})
}

// TestOrderDecidesWithoutTheTimeOfAcceptance is the control of TestLaterAcceptanceWins: where nobody knows when what is
// there was accepted, the update that is delivered last wins, though the sender has long replaced it.
func TestOrderDecidesWithoutTheTimeOfAcceptance(t *testing.T) {
	f := newFixture(t)
	store := f.Store
	for n, test := range []struct {
		store processor.Store
		want  string
	}{{store, "c"}, {ageless{store}, "b"}} {
		f.Store = test.store
		_, created := f.settle(t, f.write(10*n, "POST", "Patient", patient("", "a")))
		id := idOf(created[0])
		for _, m := range []*queue.Message{
			f.write(10*n+2, "PUT", "Patient/"+id, patient(id, "c")), f.write(10*n+1, "PUT", "Patient/"+id, patient(id, "b")),
		} {
			f.settle(t, m)
		}
		if got := value[string](t, f, `select substring(content from '"family":"(.)"') from resource where id = $1::uuid`, id); got != test.want {
			t.Errorf("%T: got %s, want %s", test.store, got, test.want)
		}
	}
}
