// Package answer says in FHIR what became of a submission: the batch-response of its status URL (FHIR R4 async.html,
// R5 async-bundle.html), and the answer that a server which settles at once would have given.
//
// It promises that both say the same, that an answer shows nothing but what the sender's organisation may read, and
// that it has about 4 MiB at most, however many resources it would have: of those that do not fit it says so. It
// writes nothing, and leaves to others to find out whether and how a submission has settled.
package answer
