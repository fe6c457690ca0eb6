// Package referral is the domain: what a submission is, how it is identified, and the states it passes through.
//
// It promises that an identity is a function of the request alone, that an id which was not minted here for the
// organisation that shows it is never accepted, and that the ids of new resources are the same at every delivery.
// It keeps no state and reads no clock; storing and serving submissions is left to postgres, ingest and query.
package referral
