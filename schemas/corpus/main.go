// Command corpus makes testdata/invalid: for each profile of a resource an instance that conforms, and the ways to
// break it, each with the issue that must tell. It reads the tables of schemas/profiles and the schemas of schemas/r4,
// and nothing of the code that checks against them, but for one thing: what a conforming instance may leave out, it
// leaves out until the check finds nothing wrong.
//
//	go run ./schemas/corpus -schemas schemas -out testdata/invalid
//
// The same tables give the same bytes. All data is synthetic; numbers were made up with right check digits. Where an
// instance of a new profile does not conform, the files to teach are samples.go and numbers.go; where an invariant has
// no case, invariants.go.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	folder := flag.String("schemas", "schemas", "folder of r4 and profiles")
	out := flag.String("out", "testdata/invalid", "folder to write to")
	flag.Parse()
	if err := run(*folder, *out, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "corpus:", err)
		os.Exit(1)
	}
}
