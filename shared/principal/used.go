package principal

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// keysUsed tells operators which keys are in use, each once an hour: who is about to end one looks for its last line.
// It costs no write of a request, and holds no more than an hour's keys. Safe for concurrent use.
type keysUsed struct {
	mu   sync.Mutex // guards what follows
	hour time.Time
	keys map[string]bool // digests, as the registry has them
}

// tell logs that client uses key unless it has done so in this hour.
func (u *keysUsed) tell(ctx context.Context, w watch, client *Client, key *Key) {
	if u.note(key.Digest, w.clock().Truncate(time.Hour)) {
		w.log.LogAttrs(ctx, slog.LevelInfo, "key used",
			slog.String("org", client.Org), slog.String("client", client.Name), slog.String("key", key.Label()))
	}
}

// note tells whether digest is new in hour.
func (u *keysUsed) note(digest string, hour time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !hour.Equal(u.hour) {
		u.hour, u.keys = hour, map[string]bool{}
	}
	if u.keys[digest] {
		return false
	}
	u.keys[digest] = true
	return true
}
