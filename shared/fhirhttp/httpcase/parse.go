package httpcase

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

func parse(text, testdata string) (Case, error) {
	var c Case
	before, response, ok := strings.Cut(text, "-- response --\n")
	if !ok {
		return c, errors.New("there is no section response")
	}
	c.request, c.response = before+"-- response --\n", response
	_, request, ok := strings.Cut(before, "-- request --\n")
	if !ok {
		return c, errors.New("there is no section request")
	}
	request, edit, _ := strings.Cut(request, "-- edit --\n")
	head, body, _ := strings.Cut(request, "\n\n")
	if err := c.head(strings.TrimRight(head, "\n")); err != nil {
		return c, err
	}
	c.Body = []byte(strings.TrimSuffix(body, "\n"))
	for line := range strings.Lines(edit) {
		if err := c.Edit(strings.TrimSpace(line), testdata); err != nil {
			return c, fmt.Errorf("edit %q: %w", line, err)
		}
	}
	if c.Content == nil {
		c.Content = c.Body
	}
	return c, nil
}

// head reads the request line and the header. Values are taken as they stand, so that a case may send a bad one.
func (c *Case) head(text string) error {
	lines := strings.Split(text, "\n")
	var ok bool
	if c.Method, c.Target, ok = strings.Cut(lines[0], " "); !ok {
		return fmt.Errorf("request line %q: want a method and a target", lines[0])
	}
	c.Header = http.Header{}
	for _, line := range lines[1:] {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return fmt.Errorf("header line %q: want a name and a value", line)
		}
		c.Header.Add(name, strings.TrimPrefix(value, " "))
	}
	return nil
}
