package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/ledger"
)

// read calls take with each accepted request of the logs, and returns how many of their lines are missing.
func (c *reconcileCommand) read(stdin io.Reader, take func(*ledger.Entry)) (dropped int, err error) {
	files := c.Files
	if len(files) == 0 && !c.Objects {
		files = []string{"-"}
	}
	for _, name := range files {
		if name == "-" {
			n, err := readLog(stdin, take)
			if err != nil {
				return 0, fmt.Errorf("standard input: %w", err)
			}
			dropped += n
			continue
		}
		file, err := os.Open(name)
		if err != nil {
			return 0, usageError{err}
		}
		n, err := readLog(file, take)
		if err := errors.Join(err, file.Close()); err != nil {
			return 0, fmt.Errorf("%s: %w", name, err)
		}
		dropped += n
	}
	return dropped, nil
}

// maxLine is how long a line of a log may be.
const maxLine = 1 << 20

func readLog(r io.Reader, take func(*ledger.Entry)) (dropped int, err error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		e, missing := ledger.Parse(lines.Bytes())
		if dropped += missing; e != nil {
			take(e)
		}
	}
	return dropped, lines.Err()
}
