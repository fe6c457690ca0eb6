// Command cmd makes what is embedded in package schemas from FHIR packages: the JSON Schemas of schemas/r4 and the
// tables of schemas/profiles.
//
//	go run ./schemas/compile/cmd -out schemas [-with PACKAGE]… PACKAGE…
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/compile"
)

func main() {
	out := flag.String("out", "", "folder to write r4 and profiles to; other *.json files in these are removed")
	var with []string
	flag.Func("with", "a `PACKAGE` of which only what the others refer to is wanted; may be given again", func(location string) error {
		with = append(with, location)
		return nil
	})
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: cmd -out FOLDER [-with PACKAGE]… PACKAGE…\nA PACKAGE is a FHIR package: a folder or a .tgz.")
		flag.PrintDefaults()
	}
	flag.Parse()
	if *out == "" || flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(*out, flag.Args(), with); err != nil {
		fmt.Fprintln(os.Stderr, "compile:", err)
		os.Exit(1)
	}
}

// run compiles the packages at locations, and what they refer to in those of with; the first to define a canonical URL
// wins.
func run(out string, locations, with []string) error {
	definitions, err := compile.Read(locations...)
	if err != nil {
		return err
	}
	if err := definitions.ReadReferenced(with...); err != nil {
		return err
	}
	schemas, err := definitions.Schemas()
	if err != nil {
		return err
	}
	profiles, err := definitions.Profiles()
	if err != nil {
		return err
	}
	schemas["elements.txt"] = definitions.Elements()
	if err := write(filepath.Join(out, "r4"), schemas); err != nil {
		return err
	}
	return write(filepath.Join(out, "profiles"), profiles)
}

// write makes folder hold files and no other JSON.
func write(folder string, files compile.Files) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		return err
	}
	for _, name := range old {
		if files[filepath.Base(name)] == nil {
			if err := os.Remove(name); err != nil {
				return err
			}
		}
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
