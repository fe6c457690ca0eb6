// Package queue is the contract between ingest and processor: the message, its envelope and how it is read again.
//
// It promises that what one version encoded every later version decodes, that the envelope is ASCII whatever the
// body holds, so that no queue alters it, and that Content returns exactly the bytes that were accepted or fails.
// It leaves carrying the envelope to sqsqueue and the meaning of a message to the processor.
package queue
