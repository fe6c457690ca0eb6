// Package ingest accepts what clients write: Bundles, and creates, updates, patches and deletes of single resources. It
// authenticates the sender, passes the body through the strict JSON gate, checks it against the schemas and the rules of
// this server, puts it on the queue and answers 202 with a status URL, or where that is preferred waits for what it
// comes to and answers that.
//
// It promises that a 202 is sent only after the queue has acknowledged the message, that nothing is queued with any
// other answer but a failed send and the answer of what has settled, and that the same request is the same submission
// where its documentation says so. It has no database: with the store down it still accepts, and then nobody can wait.
// Settling is left to the processor, status and reads to query.
package ingest
