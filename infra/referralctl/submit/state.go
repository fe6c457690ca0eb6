package submit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"sync"

	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/client"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// Failed is the state of a document that the server neither accepted nor refused.
const Failed referral.State = "failed"

// Result is what became of one document. It is one line of a state file, and of what --json prints.
type Result struct {
	Path      string         `json:"path"`
	SHA256    string         `json:"sha256"` // of the document, in hex
	Server    string         `json:"server"`
	State     referral.State `json:"state"` // queued: accepted; or one of the settled states, or Failed
	StatusURL string         `json:"statusURL,omitempty"`
	Status    string         `json:"status,omitempty"` // HTTP status line, once it is known
	Progress  string         `json:"progress,omitempty"`
	Resources int            `json:"resources,omitempty"` // how many the server made
	Issue     *client.Issue  `json:"issue,omitempty"`
	Error     string         `json:"error,omitempty"`
}

// done tells whether nothing is left to do for the document.
func (r Result) done() bool { return r.State.Settled() }

// State is a file of results, one JSON object a line, the last line about a document counting. It lets a second run
// go on where the first one stopped, even if that was killed: what is lost of the file is sent again, which is safe.
// Safe for concurrent use.
type State struct {
	mu   sync.Mutex
	file *os.File          // guarded by mu
	last map[string]Result // by key, guarded by mu
}

// OpenState reads the file, or makes it.
func OpenState(path string) (*State, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	s := &State{file: file, last: map[string]Result{}}
	if err := s.read(path); err != nil {
		file.Close()
		return nil, err
	}
	return s, nil
}

func (s *State) read(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	whole := bytes.LastIndexByte(content, '\n') + 1
	n := 0
	for line := range bytes.Lines(content[:whole]) {
		n++
		var r Result
		if err := json.Unmarshal(line, &r); err != nil || r.SHA256 == "" {
			return fmt.Errorf("%s, line %d, is no line of a state file; name another with --state", path, n)
		}
		s.last[key(r.Server, r.SHA256)] = r
	}
	if cut := content[whole:]; !bytes.HasPrefix(cut, lineStart[:min(len(cut), len(lineStart))]) {
		return fmt.Errorf("%s is no state file; name another with --state", path)
	}
	return s.file.Truncate(int64(whole)) // a line that was cut short
}

// lineStart begins each line. It keeps a file that was named by mistake from losing its last line.
var lineStart = []byte(`{"path":`)

func key(server, sha256 string) string { return server + " " + sha256 }

// Last returns what is known of a document at a server.
func (s *State) Last(server, sha256 string) (Result, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.last[key(server, sha256)]
	return r, ok
}

// Put adds a result.
func (s *State) Put(r Result) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last[key(r.Server, r.SHA256)] = r
	_, err = s.file.Write(append(line, '\n'))
	return err
}

// Close closes the file.
func (s *State) Close() error { return s.file.Close() }
