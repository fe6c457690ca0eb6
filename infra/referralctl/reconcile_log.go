package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/ledger"
)

// read calls take with each accepted request of the logs.
func (c *reconcileCommand) read(stdin io.Reader, take func(ledger.Entry)) error {
	files := c.Files
	if len(files) == 0 && !c.Objects {
		files = []string{"-"}
	}
	for _, name := range files {
		if name == "-" {
			if err := readLog(stdin, take); err != nil {
				return fmt.Errorf("standard input: %w", err)
			}
			continue
		}
		file, err := os.Open(name)
		if err != nil {
			return usageError{err}
		}
		err = readLog(file, take)
		if err := errors.Join(err, file.Close()); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// maxLine is how long a line of a log may be.
const maxLine = 1 << 20

func readLog(r io.Reader, take func(ledger.Entry)) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		if e, ok := ledger.Parse(lines.Bytes()); ok {
			take(e)
		}
	}
	return lines.Err()
}
