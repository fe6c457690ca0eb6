package conformance

import (
	"crypto/sha256"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
)

// bodies are what a server has sent, each once.
type bodies struct {
	mu  sync.Mutex
	all map[[sha256.Size]byte]sent // guarded by mu
}

// sent is a body, and which answer it came with first.
type sent struct {
	where   string
	content []byte
}

func newBodies() *bodies { return &bodies{all: map[[sha256.Size]byte]sent{}} }

func (b *bodies) add(where string, a answer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	sum := sha256.Sum256(a.body)
	if _, known := b.all[sum]; !known && len(a.body) > 0 {
		b.all[sum] = sent{where, a.body}
	}
}

// sorted returns the bodies in the order of where they came.
func (b *bodies) sorted() []sent {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.SortedFunc(maps.Values(b.all), func(a, b sent) int {
		if a.where < b.where {
			return -1
		}
		return 1
	})
}

// invalidByRule are bodies that FHIR's own rules make invalid: links in elements of type oid are replaced
// (http.html#trules) by what is none (datatypes.html#oid).
var invalidByRule = map[string]string{
	"links-oid step 2": "valueOid must be an OID",
}

// validate asks the server itself, by $validate, what is wrong with what it has sent.
func (b *bodies) validate(t *testing.T, s stack) {
	t.Helper()
	for _, body := range b.sorted() {
		a, err := s.send(t.Context(), http.MethodPost, "/fhir/$validate", nil, string(body.content))
		if err != nil {
			t.Fatal(err)
		}
		var outcome struct {
			Issue []struct {
				Severity   string
				Details    struct{ Text string }
				Expression []string
			}
		}
		if err := json.Unmarshal(a.body, &outcome); err != nil || a.status != http.StatusOK {
			t.Errorf("%s: $validate answered %d %s, %v\n%s", body.where, a.status, a.body, err, body.content)
			continue
		}
		excuse, excused := invalidByRule[body.where]
		for _, issue := range outcome.Issue {
			switch {
			case issue.Severity != "error" && issue.Severity != "fatal":
			case excused && strings.HasPrefix(issue.Details.Text, excuse):
				excuse = ""
			default:
				t.Errorf("%s: the body is not valid: %s %v\n%s", body.where, issue.Details.Text, issue.Expression, body.content)
			}
		}
		if excused && excuse != "" {
			t.Errorf("%s: the body is valid and needs no excuse", body.where)
		}
	}
}
