package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	out := flag.String("out", "", "folder to write the schemas to; other *.json files in it are removed")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: compile -out FOLDER PACKAGE…\nA PACKAGE is a FHIR package: a folder or a .tgz.")
		flag.PrintDefaults()
	}
	flag.Parse()
	if *out == "" || flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(*out, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "compile:", err)
		os.Exit(1)
	}
}

// run compiles the packages at paths, the first to define a canonical URL winning, into the folder out.
func run(out string, paths []string) error {
	defs := newDefinitions()
	for _, path := range paths {
		if err := defs.readPackage(path); err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
	}
	files, err := compile(defs)
	if err != nil {
		return err
	}
	return write(out, files)
}
