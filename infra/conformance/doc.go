// Package conformance holds the running server to the RESTful interface of FHIR R4 (http.html), as a client sees it:
// request, answer, next request. It has tests only.
//
// It promises that every case of testdata/transactions, one for each normative sentence, holds for the whole stack in
// one process, with the queue (each write says Prefer: wait) and without it (direct mode), and that every body the
// server sends on the way is valid R4; that every row of testdata/corpus is answered as it says, cheaply, and leaves nothing;
// and that marked patients' data sent in every way show in no log, metric, error, attribute or output of an operator's
// tool. With the build tag npm, a client and a validator that others wrote say the same.
// How a part works inside is for the tests beside it.
//
// A case is a file of testdata/transactions: the sentence in plain words with its section, then steps.
//
//	http.html#create: The Location names the id and the version of what was created.
//	-- request --
//	POST /fhir/Patient
//
//	{"resourceType":"Patient","identifier":[{"system":"https://example.org/cases","value":"{case}"}]}
//	-- response --
//	201
//	Location: {base}/Patient/{patient}/_history/1
//
//	{"resourceType":"Patient","id":"{patient}"}
//
// A request is sent as dev-sender and as application/fhir+json unless it says otherwise. In all that stands in a step,
// {base} is the server's base URL, {case} the name of the file, {any} any text in an answer, and every other name in
// braces a part of an answer (letters, digits, dots, hyphens) that is the same wherever it is named again, in an answer
// or in a later request.
//
// An answer is as wanted when the status is (405 or 202: one of both), each header named has the text given (none: it must be absent), and the
// body has what is written: an object the members given and others, null for one that must be absent; an array as many
// items, in this order, or with "..." last at least those; a number the same digits. The body (empty) is none. A status
// URL is polled until it says anything but 202.
package conformance
