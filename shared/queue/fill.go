package queue

import "github.com/ausbizconsulting/referral-fhir-server/shared/referral"

// fillPurpose is what the proof in Fill is signed for.
const fillPurpose = "fill"

// AllowFill puts into m, which has its ID, the proof that its sender had the scope fill when the request was accepted: it may
// become the owner of others' Tasks that have none. The proof is for m alone, and nobody who writes to the queue can make one.
// It is no part of what identifies the submission, since the scope may change before the same request is sent again.
func (m *Message) AllowFill(keys *referral.Keys) {
	proof := keys.Sign(fillPurpose, m.Request.Org, m.ID)
	m.Fill = proof[:]
}

// ProvesFill tells whether the proof in m is one that AllowFill has made for it.
func (m *Message) ProvesFill(keys *referral.Keys) bool {
	return len(m.Fill) == len(referral.Signature{}) && keys.Signed(referral.Signature(m.Fill), fillPurpose, m.Request.Org, m.ID)
}
