// Package tenancy holds the server to who may see and do what. It has tests only.
//
// It promises that every route of the server has its rows in testdata/matrix.txt, and that every cell of them, a real
// request through ingest, processor and query over PostgreSQL, ends as the table says: with both layers of the tenant
// rule in place, without the one in the queries, and without row-level security. Without both of them the rows that
// depend on the store must fail, or the test would notice nothing. The product has no switch for that: a role that
// bypasses row-level security exists in the test's cluster only, and the rule in the queries is replaced on the wire.
//
// It promises besides that nothing of a caller stays on a pooled connection, whatever cancels or panics on the way, and
// that no answer tells what is another's from what does not exist. How a caller is known is for package principal, and
// what TLS refuses for the hosts.
package tenancy
