package search_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

// order is a ServiceRequest with these identifiers.
func order(identifiers ...string) string {
	all := make([]string, len(identifiers))
	for i, value := range identifiers {
		all[i] = `{"system":"s","value":"` + value + `"}`
	}
	return `{"resourceType":"ServiceRequest","identifier":[` + strings.Join(all, ",") + `]}`
}

// TestMemoryFindsWhatWasPutLast: a resource is found by what it has come to be, and one that is gone is not.
func TestMemoryFindsWhatWasPutLast(t *testing.T) {
	m := search.NewMemory[string](condition(t, "identifier=s|1"), condition(t, "identifier=2"), condition(t, "identifier=1,2"))
	for _, step := range []struct {
		put, text string // no text: it is removed
		want      [3][]string
	}{
		{"a", order("1"), [3][]string{{"a"}, nil, {"a"}}},
		{"b", order("1", "1", "2"), [3][]string{{"a", "b"}, {"b"}, {"a", "b"}}},
		{"a", order("2"), [3][]string{{"b"}, {"b", "a"}, {"b", "a"}}},
		{"b", "", [3][]string{nil, {"a"}, {"a"}}},
		{"b", "", [3][]string{nil, {"a"}, {"a"}}},
		{"c", `{"resourceType":"Task","identifier":[{"system":"s","value":"1"}]}`, [3][]string{nil, {"a"}, {"a"}}},
	} {
		if step.text == "" {
			m.Remove(step.put)
		} else {
			m.Put(step.put, otherID, parse(t, step.text))
		}
		got := [3][]string{m.Find(condition(t, "identifier=s|1")), m.Find(condition(t, "identifier=2")), m.Find(condition(t, "identifier=1,2"))}
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("%s is %s (-want +got):\n%s", step.put, step.text, diff)
		}
	}
}

// TestMemoryLooksAtWhatFits counts: neither the resources that do not fit nor what else they hold costs anything.
func TestMemoryLooksAtWhatFits(t *testing.T) {
	many := make([]string, 100)
	for i := range many {
		many[i] = fmt.Sprint("x", i)
	}
	alternatives := "identifier=" + strings.Join(many, ",")
	for name, test := range map[string]struct {
		query, text string
		want        int
	}{
		"nothing fits":           {alternatives, order("y"), 0},
		"one alternative of 100": {alternatives, order("x7"), 1000},
		"one of 100 identifiers": {"identifier=x7", order(many...), 1000},
		"two criteria":           {"identifier=x7&identifier=x8", order(many...), 2000},
	} {
		c := condition(t, test.query)
		m := search.NewMemory[int](c)
		for i := range 1000 {
			m.Put(i, otherID, parse(t, test.text))
		}
		m.Find(c)
		if got := m.Looked(); got != test.want {
			t.Errorf("%s: looked at %d, want %d", name, got, test.want)
		}
	}
}

func TestAlternatives(t *testing.T) {
	for query, want := range map[string]int{
		"identifier=7": 1, "identifier=7,8&identifier=9": 3, "_id=" + otherID + "&identifier=7": 2, "_id=1": 1,
	} {
		if got := condition(t, query).Alternatives(); got != want {
			t.Errorf("%s: got %d, want %d", query, got, want)
		}
	}
}
