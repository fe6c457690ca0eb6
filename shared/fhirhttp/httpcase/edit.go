package httpcase

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Edit changes the body by one line of the section edit; files are of the folder testdata.
func (c *Case) Edit(line, testdata string) error {
	name, rest, _ := strings.Cut(line, " ")
	args, err := arguments(rest)
	if err != nil {
		return err
	}
	arity := map[string]int{"file": 1, "replace": 2, "append": 1, "repeat": 2, "pad": 1, "cut": 1, "gzip": 0}
	if n, known := arity[name]; !known || n != len(args) {
		return errors.New("unknown, or with the wrong number of arguments")
	}
	switch name {
	case "file":
		c.Body, err = os.ReadFile(filepath.Join(testdata, filepath.FromSlash(args[0])))
	case "replace":
		if n := bytes.Count(c.Body, []byte(args[0])); n != 1 {
			return fmt.Errorf("the text stands %d times in the body, want once", n)
		}
		c.Body = bytes.Replace(c.Body, []byte(args[0]), []byte(args[1]), 1)
	case "append":
		c.Body = append(c.Body, args[0]...)
	case "repeat":
		var n int
		n, err = strconv.Atoi(args[1])
		c.Body = append(c.Body, strings.Repeat(args[0], max(n, 0))...)
	case "pad":
		var n int
		n, err = strconv.Atoi(args[0])
		c.Body = append(c.Body, strings.Repeat(" ", max(n-len(c.Body), 0))...)
	case "cut":
		var n int
		n, err = strconv.Atoi(args[0])
		c.Body = c.Body[:max(len(c.Body)-n, 0)]
	case "gzip":
		if c.Content == nil {
			c.Content = c.Body
		}
		c.Body, err = compress(c.Body)
	}
	return err
}

func compress(body []byte) ([]byte, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write(body)
	err = errors.Join(err, z.Close())
	return b.Bytes(), err
}

// arguments splits text at spaces, but not within Go strings.
func arguments(text string) ([]string, error) {
	var args []string
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		if quoted, err := strconv.QuotedPrefix(text); err == nil {
			arg, err := strconv.Unquote(quoted)
			if err != nil {
				return nil, err
			}
			args, text = append(args, arg), text[len(quoted):]
			continue
		}
		word, rest, _ := strings.Cut(text, " ")
		args, text = append(args, word), rest
	}
	return args, nil
}
