package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// read calls take with each accepted request of the logs.
func (c *reconcileCommand) read(stdin io.Reader, take func(accepted)) error {
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

func readLog(r io.Reader, take func(accepted)) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		start := bytes.IndexByte(lines.Bytes(), '{')
		if start < 0 {
			continue
		}
		var line struct {
			Msg, Route, Org, Submission, RequestID string
			Status                                 int
		}
		isWrite := func() bool {
			return !strings.HasPrefix(line.Route, "GET ") && !strings.Contains(line.Route, "/_status/")
		}
		if json.Unmarshal(lines.Bytes()[start:], &line) == nil && line.Msg == "request" && line.Status/100 == 2 && line.Submission != "" && isWrite() {
			take(accepted{ID: line.Submission, Org: line.Org, RequestID: line.RequestID})
		}
	}
	return lines.Err()
}
