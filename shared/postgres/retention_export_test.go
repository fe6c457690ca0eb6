package postgres

import (
	"context"
	"time"
)

// RemoveHeld is Remove that does not care for legal holds.
func (db *DB) RemoveHeld(ctx context.Context, p Retention, r Record, o Operation) (removed bool, err error) {
	return db.remove(ctx, p, r, o, func(r Record, now time.Time) bool {
		r.Held = false
		return r.Due(now)
	})
}
