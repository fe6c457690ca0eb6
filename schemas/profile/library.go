package profile

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
	"sync"
)

// IndexName is the file of a folder of tables that tells which profile is in which file.
const IndexName = "index.json"

// Index is what IndexName holds.
type Index struct {
	Packages []Package         `json:"packages"`
	Profiles map[string]string `json:"profiles"` // file by canonical URL
}

// Package names a FHIR package that tables were compiled from.
type Package struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// Library finds profiles by their canonical URLs. A table is read when it is first asked for, and then kept. Safe
// for concurrent use.
type Library struct {
	profiles map[string]func() *Profile // by URL
}

// NewLibrary returns the profiles of sources, folders as package compile writes them; the first to define a URL wins.
func NewLibrary(sources ...fs.FS) (*Library, error) {
	l := &Library{profiles: map[string]func() *Profile{}}
	for _, source := range sources {
		data, err := fs.ReadFile(source, IndexName)
		if err != nil {
			return nil, fmt.Errorf("read profiles: %w", err)
		}
		var index Index
		if err := json.Unmarshal(data, &index); err != nil {
			return nil, fmt.Errorf("read profiles: %s: %w", IndexName, err)
		}
		for url, name := range index.Profiles {
			if l.profiles[url] == nil {
				l.profiles[url] = sync.OnceValue(func() *Profile { return read(source, name) })
			}
		}
	}
	return l, nil
}

// Profile returns the profile with a canonical URL, which may end in |version, or nil. A version other than the one
// that is held is unknown, but for one that only leaves its last parts out (|2 and |2.0 are 2.0.0, |1.0.1 is
// 1.0.1-ci-build).
func (l *Library) Profile(canonical string) *Profile {
	url, version, _ := strings.Cut(canonical, "|")
	load := l.profiles[url]
	if load == nil {
		return nil
	}
	p := load()
	rest, found := strings.CutPrefix(p.Version, version)
	if version != "" && (!found || rest != "" && rest[0] != '.' && rest[0] != '-') {
		return nil
	}
	return p
}

// Derives tells whether p derives from base, over any number of profiles between them that are held. A profile does
// not derive from itself.
func (l *Library) Derives(p, base *Profile) bool {
	const maxDepth = 16
	for range maxDepth {
		if p = l.Profile(p.Base); p == nil {
			return false
		}
		if p.URL == base.URL {
			return true
		}
	}
	return false
}

// read panics on a table that package compile did not write: what is embedded is tested, and what an operator adds
// was compiled by this process.
func read(source fs.FS, name string) *Profile {
	data, err := fs.ReadFile(source, name)
	if err != nil {
		panic(fmt.Errorf("profile: %w", err))
	}
	p := &Profile{lazy: new(lazyRules)}
	if err := json.Unmarshal(data, p); err != nil {
		panic(fmt.Errorf("profile: %s: %w", name, err))
	}
	return p
}
