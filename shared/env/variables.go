package env

import (
	"net/url"
	"strconv"
	"time"
)

// The variables that more than one main reads: their names, defaults and limits, here and in README.md's tables only.

// MaxBody is the size of a decoded request body in bytes, 4 MiB at most as on API Gateway and Lambda.
func (s *Settings) MaxBody() int { return s.Int("REFERRAL_MAX_BODY", 4<<20, 1<<10, 4<<20) }

// MaxEntries is the number of entries of a Bundle.
func (s *Settings) MaxEntries() int { return s.Int("REFERRAL_MAX_ENTRIES", 1000, 1, 1000) }

// MaxWork is about how many bytes of memory the bodies that are checked at the same time may take.
func (s *Settings) MaxWork() int { return s.Int("REFERRAL_MAX_WORK", 64<<20, 1<<20, 64<<30) }

// ProfileDefaults says what becomes of the faults, by Australia's profiles, of parties and requests of a new referral
// that claim none.
func (s *Settings) ProfileDefaults() string {
	return s.Choice("REFERRAL_PROFILE_DEFAULTS", "warn", "off", "warn", "enforce")
}

// ProfilePackages are FHIR packages, folders or .tgz, whose profiles are known beside those that are built in.
func (s *Settings) ProfilePackages() []string { return s.List("REFERRAL_PROFILE_PACKAGES") }

// MessageTimeout is for settling one message.
func (s *Settings) MessageTimeout() time.Duration {
	return s.Duration("REFERRAL_MESSAGE_TIMEOUT", 5*time.Second, time.Second/2, 5*time.Minute)
}

// DefaultWait is how long a request waits for its settlement that does not say (Prefer: wait).
func (s *Settings) DefaultWait(fallback time.Duration) time.Duration {
	return s.Duration("REFERRAL_DEFAULT_WAIT", fallback, 0, LongestWait)
}

// LongestWait is what any request may wait for its settlement: API Gateway ends it after 29 s.
const LongestWait = 20 * time.Second

// StoreConnections is the size of a pool of connections to the store.
func (s *Settings) StoreConnections(fallback int) int {
	return s.Int("REFERRAL_STORE_CONNECTIONS", fallback, 1, 64)
}

// FunctionStoreConnections is the default on Lambda, where a function has one event in hand.
const FunctionStoreConnections = 2

// Concurrency is how many functions may run at once, of all kinds together: numbers separated by commas, one for each kind;
// 0: it is not said.
func (s *Settings) Concurrency() (total int) {
	for _, number := range s.List("REFERRAL_CONCURRENCY") {
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 {
			s.Wrong("REFERRAL_CONCURRENCY", "numbers from 1 on, separated by commas")
		}
		total += n
	}
	return total
}

// BaseURL is that of status URLs and links, without /fhir.
func (s *Settings) BaseURL() *url.URL { return s.URL("REFERRAL_BASE_URL", "") }

// QueueURL is that of the SQS queue of referrals.
func (s *Settings) QueueURL() *url.URL { return s.URL("REFERRAL_QUEUE_URL", "") }
