package processor_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// TestChangedBodySettlesWithoutItsHash: a body that was changed on its way does not settle. The control is the same body
// where nobody holds it against the hash of what was accepted: envelope and id are made to fit it, and it settles.
func TestChangedBodySettlesWithoutItsHash(t *testing.T) {
	f := newFixture(t)
	accepted := referralBody(t, "cardiology-referral")
	changed := strings.Replace(accepted, `3.80`, `8.30`, 1)
	if changed == accepted {
		t.Fatal("nothing to change")
	}
	var other queue.Message
	other.Pack([]byte(changed))

	m := f.message(referral.KeyHeader, "k", accepted)
	m.Body, m.Size = other.Body, other.Size
	if _, err := f.Settle(t.Context(), m, 1); !errors.Is(err, queue.ErrIntegrity) {
		t.Fatalf("got error %v, want ErrIntegrity", err)
	}
	if got := value[int64](t, f, `select count(*) from submission`); got != 0 {
		t.Fatalf("got %d submissions of a changed body, want none", got)
	}

	m.Request.SHA256 = other.Request.SHA256
	m.ID = f.keys.Mint(referral.Submission{Org: sender, AcceptedAt: m.AcceptedAt, Digest: f.keys.Digest(m.Request)})
	if state, err := f.Settle(t.Context(), m, 2); err != nil || state != referral.Completed {
		t.Fatalf("got %q, error %v; want completed, or something else keeps a changed body out", state, err)
	}
	if got, err := queue.Unpack(value[[]byte](t, f, `select content from submission`)); err != nil || !bytes.Equal(got, []byte(changed)) {
		t.Errorf("got %d bytes, error %v; want the changed body", len(got), err)
	}
}
