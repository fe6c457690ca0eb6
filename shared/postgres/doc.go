// Package postgres is the store: what a settled submission leaves in PostgreSQL and how it is read again.
//
// It promises that a submission settles in one transaction, once, however often Settle is called with it, and that
// a caller sees only what its organisation sent or was addressed: every statement runs with app.org set for its
// transaction, those that read have the tenant rule in their own text, and row-level security repeats it. Errors carry
// SQLSTATE and names only; PostgreSQL's messages quote values and never leave this package. It knows neither HTTP nor
// the queue.
package postgres
