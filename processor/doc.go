// Package processor settles what ingest accepted: it takes messages from SQS, proves that they are genuine and
// whole, and writes each into the store in one transaction, once, however often it is delivered.
//
// It promises that a message is acknowledged only after its outcome is committed (a batch starts from "all failed"),
// that ids and references are the same at every delivery, that what cannot settle is in the dead-letter queue, unchanged
// and visible to its sender, before it is acknowledged, that an outage, however long, brings nothing there, and that
// nothing which was not accepted by ingest ever settles. It knows no HTTP; status and reads are left to query.
package processor
