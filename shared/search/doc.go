// Package search knows the search parameters: one table that the indexer, the searcher and the CapabilityStatement
// read, and the 64-bit hashes by which the store finds them.
//
// It promises that what Index writes is what Criterion and Memory find, and that a match by hash is confirmed by one of
// them on the resource itself, since hashes may collide. It knows no SQL and no tenants but in ListHash.
package search
