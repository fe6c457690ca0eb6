package postgres

import (
	"errors"
	"fmt"
	"log/slog"
)

// What holds patient data shows its type and size whatever the verb, so that nothing of it reaches a log or an error
// by %v. Encoding it as JSON fails: what would come out lacked the content.

// Format writes the type and size.
func (s Settlement) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "[settlement, %d resources, %d bytes]", len(s.Resources), len(s.Content))
}

// LogValue is Format for log/slog.
func (s Settlement) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(s)) }

// MarshalJSON fails.
func (s Settlement) MarshalJSON() ([]byte, error) { return nil, errNoJSON }

// Format writes the type and size.
func (r Resource) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "[resource, %d bytes]", len(r.Meta)+len(r.Content))
}

// LogValue is Format for log/slog.
func (r Resource) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(r)) }

// MarshalJSON fails.
func (r Resource) MarshalJSON() ([]byte, error) { return nil, errNoJSON }

// Format writes the type and size.
func (v Version) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "[version, %d bytes]", len(v.Meta)+len(v.Content))
}

// LogValue is Format for log/slog.
func (v Version) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(v)) }

// MarshalJSON fails; JSON writes the resource.
func (v Version) MarshalJSON() ([]byte, error) { return nil, errNoJSON }

// Format writes the type and size.
func (s Submission) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "[submission, %d resources, %d bytes]", len(s.Resources), len(s.Outcome))
}

// LogValue is Format for log/slog.
func (s Submission) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(s)) }

// MarshalJSON fails.
func (s Submission) MarshalJSON() ([]byte, error) { return nil, errNoJSON }

// Format writes the type and size.
func (o Original) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "[original, %d bytes]", len(o.Content)) }

// LogValue is Format for log/slog.
func (o Original) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(o)) }

// MarshalJSON fails.
func (o Original) MarshalJSON() ([]byte, error) { return nil, errNoJSON }

var errNoJSON = errors.New("what the store holds is not encoded as it is")
