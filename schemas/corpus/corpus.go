package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/profile"
	"github.com/ausbizconsulting/referral-fhir-server/schemas/terminology"
)

// corpus is what is being made.
type corpus struct {
	maker
	index  profile.Index
	folder string
	log    io.Writer
	told   map[Want]bool
	shown  map[string]bool // extensions that an instance has
	total  int
}

// run makes the corpus from the tables in a folder. It tells log what conforming instances had to leave out.
func run(folder, out string, log io.Writer) error {
	c := &corpus{folder: out, log: log, told: map[Want]bool{}, shown: map[string]bool{}}
	var err error
	if c.library, err = profile.NewLibrary(os.DirFS(filepath.Join(folder, "profiles"))); err != nil {
		return err
	}
	if c.types, err = readTypes(filepath.Join(folder, "r4")); err != nil {
		return err
	}
	if err := readJSON(filepath.Join(folder, "profiles", terminology.FileName), &c.valueSets); err != nil {
		return err
	}
	if err := readJSON(filepath.Join(folder, "profiles", profile.IndexName), &c.index); err != nil {
		return err
	}
	if err := empty(out); err != nil {
		return err
	}
	if err := c.make(); err != nil {
		return err
	}
	fmt.Fprintln(c.log, c.total, "cases")
	return nil
}

// empty removes what an earlier run made.
func empty(folder string) error {
	paths, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		return err
	}
	for _, path := range paths {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return nil
}

// make makes a file for each profile of a resource, for each extension that none of these has, and for the numbers.
func (c *corpus) make() error {
	var extensions, identifiers []*profile.Profile
	for _, url := range slices.Sorted(maps.Keys(c.index.Profiles)) {
		p := c.library.Profile(url)
		switch {
		case !ours(p):
		case p.Type == "Extension":
			extensions = append(extensions, p)
		case p.Type == "Identifier" && system(p) != "":
			identifiers = append(identifiers, p)
		case c.types.resources[p.Type]:
			if err := c.add(url, p, (*breaker).all); err != nil {
				return err
			}
		}
	}
	for _, p := range extensions {
		if !c.shown[p.URL] && strings.HasPrefix(p.URL, "http://hl7.org.au/") {
			if err := c.add(p.URL, extensionCarrier(p), (*breaker).all); err != nil {
				return err
			}
		}
	}
	return c.add("", numberCarrier(identifiers), func(b *breaker) []Case { return b.misnumbered(identifiers) })
}

// add writes the file that is about a canonical URL, or about the numbers.
func (c *corpus) add(url string, p *profile.Profile, cases func(*breaker) []Case) error {
	instance, issues, err := conforming(&c.maker, p, c.log)
	if err != nil {
		return fmt.Errorf("%s: %w", url, err)
	}
	for _, s := range c.spots {
		for _, r := range s.rules {
			for _, url := range r.Profiles {
				c.shown[url] = true
			}
		}
	}
	b := &breaker{maker: &c.maker, profile: p, instance: instance, told: c.told, names: map[string]bool{}, unbroken: issues}
	f := file{url, instance, cases(b)}
	c.total += len(f.Cases)
	name := cmp.Or(strings.TrimSuffix(c.index.Profiles[url], ".profile.json"), "numbers")
	return f.write(filepath.Join(c.folder, name+".json"))
}

// ours tells the profiles that this server owes to check from those that they only refer to.
func ours(p *profile.Profile) bool { return !strings.Contains(p.URL, "/uv/") }
