// Package ingest accepts referrals: it authenticates the sender, passes the body through the strict JSON gate,
// checks it against the schemas and the rules of a Bundle, puts it on the queue and answers 202 with a status URL.
//
// It promises that a 202 is sent only after the queue has acknowledged the message, that nothing is queued with any
// other answer but a failed send, and that the same request is the same submission. It has no database: with the
// store down it still accepts. Settling is left to the processor, status and reads to query.
package ingest
