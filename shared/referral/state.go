package referral

// State is where a submission stands. An accepted submission is queued until a row in the store says otherwise;
// completed, rejected and cancelled never change again, quarantined may still settle after a replay.
type State string

// The states of a submission.
const (
	Queued      State = "queued"
	Completed   State = "completed"
	Rejected    State = "rejected"
	Quarantined State = "quarantined"
	Cancelled   State = "cancelled"
)

// Settled tells whether the state is final.
func (s State) Settled() bool { return s == Completed || s == Rejected || s == Cancelled }
