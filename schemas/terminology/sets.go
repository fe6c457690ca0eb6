package terminology

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"sync"
)

// FileName is the file of a folder of tables that holds its value sets.
const FileName = "valuesets.json"

// ValueSet is one value set as package compile writes it.
type ValueSet struct {
	// Codes are the members by system, sorted; a system without any belongs to the value set in full, whatever the code.
	Codes map[string][]string `json:"codes"`
	// Partial tells that the set has members that are not held: of systems beyond those of Codes.
	Partial bool `json:"partial,omitempty"`
}

// Sets are the value sets of some folders of tables, read when the first is asked for. Safe for concurrent use.
type Sets struct {
	sources []fs.FS
	load    func() map[string]*ValueSet
}

// New returns the value sets of sources, folders as package compile writes them; the first to define a canonical URL
// wins.
func New(sources ...fs.FS) *Sets {
	s := &Sets{sources: sources}
	s.load = sync.OnceValue(s.read)
	return s
}

// read panics on a folder that package compile did not write: what is embedded is tested, and what an operator adds
// was compiled by this process.
func (s *Sets) read() map[string]*ValueSet {
	all := map[string]*ValueSet{}
	for _, source := range s.sources {
		data, err := fs.ReadFile(source, FileName)
		if err != nil {
			panic(fmt.Errorf("terminology: %w", err))
		}
		var sets map[string]*ValueSet
		if err := json.Unmarshal(data, &sets); err != nil {
			panic(fmt.Errorf("terminology: %s: %w", FileName, err))
		}
		for url, set := range sets {
			if all[url] == nil {
				all[url] = set
			}
		}
	}
	return all
}

// Contains tells whether the value set, a canonical URL without version, has code of system. With system "" the code
// stands alone, as in an element of type code, and any system of the set may have it.
func (s *Sets) Contains(valueSet, system, code string) Verdict {
	set := s.load()[valueSet]
	if set == nil {
		return Unknown
	}
	if system == "" {
		for _, codes := range set.Codes {
			if _, found := slices.BinarySearch(codes, code); found || len(codes) == 0 {
				return In
			}
		}
		return set.absent()
	}
	codes, held := set.Codes[system]
	if !held {
		return set.absent()
	}
	if _, found := slices.BinarySearch(codes, code); found || len(codes) == 0 {
		return In
	}
	return Out
}

// absent is the verdict on what is not among the codes held.
func (v *ValueSet) absent() Verdict {
	if v.Partial {
		return Unknown
	}
	return Out
}

// Codes returns the members of a value set that is held in full and has at most limit of them, for a message to
// list; else nil.
func (s *Sets) Codes(valueSet string, limit int) []string {
	set := s.load()[valueSet]
	if set == nil || set.Partial {
		return nil
	}
	var all []string
	for _, codes := range set.Codes {
		if len(codes) == 0 || len(all)+len(codes) > limit {
			return nil
		}
		all = append(all, codes...)
	}
	slices.Sort(all)
	return all
}
