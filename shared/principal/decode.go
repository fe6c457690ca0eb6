package principal

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// maxNodes is for more clients than Australia has health care organisations.
const maxNodes = 4_000_000

// node is a value of the registry and the path to it, such as clients[0].keys.
type node struct {
	*fhir.Value
	path string
}

// wrong returns an error that says where the value stands and what it should be, never what it is.
func (n node) wrong(is string) error {
	return fmt.Errorf("%v: %s %s", n.Position(fhir.Position{}), cmp.Or(n.path, "the registry"), is)
}

// decode returns the root of a document. FHIR's gate for JSON is the strictest one here: of two names that are alike
// encoding/json would take a mixture, and a client get another's scopes.
func decode(document []byte) (node, error) {
	v, err := fhir.Parse(document, "registry", fhir.Limits{Nodes: maxNodes})
	if e, ok := errors.AsType[*fhir.Error](err); ok {
		return node{}, errors.New(strings.ReplaceAll(e.Issues[0].Details, "A FHIR resource", "A registry"))
	}
	return node{Value: v}, err
}

// members returns the values of an object by name; those that must be there stand before a "|" in names, others behind.
func (n node) members(names ...string) (map[string]node, error) {
	if n.Kind() != fhir.Object {
		return nil, n.wrong("is not an object")
	}
	members := map[string]node{}
	for i := range n.Items() {
		member := &n.Items()[i]
		name := member.Name()
		if name == "|" || !slices.Contains(names, name) {
			known := strings.Join(slices.DeleteFunc(slices.Clone(names), func(s string) bool { return s == "|" }), ", ")
			return nil, node{member, n.path}.wrong("has a member that is not one of " + known)
		}
		members[name] = node{member, strings.TrimPrefix(n.path+"."+name, ".")}
	}
	for _, name := range names {
		if name == "|" {
			break
		}
		if _, there := members[name]; !there {
			return nil, n.wrong("lacks " + name)
		}
	}
	return members, nil
}

// elements returns those of an array; none where the member is absent.
func (n node) elements() ([]node, error) {
	if n.Value == nil {
		return nil, nil
	}
	if n.Kind() != fhir.Array {
		return nil, n.wrong("is not an array")
	}
	elements := make([]node, len(n.Items()))
	for i := range elements {
		elements[i] = node{&n.Items()[i], fmt.Sprintf("%s[%d]", n.path, i)}
	}
	return elements, nil
}

// text returns a string, or "" for the absent member.
func (n node) text() (string, error) {
	if n.Value != nil && n.Kind() != fhir.String {
		return "", n.wrong("is not a string")
	}
	return n.Text(), nil
}

// flag returns a boolean, false for the absent member.
func (n node) flag() (bool, error) {
	if n.Value != nil && n.Kind() != fhir.Bool {
		return false, n.wrong("is neither true nor false")
	}
	return n.Text() == "true", nil
}

// count returns a whole number from 1, or 0 for the absent member.
func (n node) count() (int, error) {
	if n.Value == nil {
		return 0, nil
	}
	count, err := strconv.Atoi(n.Text())
	if n.Kind() != fhir.Number || err != nil || count < 1 {
		return 0, n.wrong("is not a whole number from 1")
	}
	return count, nil
}

// rate returns a number above 0.
func (n node) rate() (float64, error) {
	rate, err := strconv.ParseFloat(n.Text(), 64)
	if n.Kind() != fhir.Number || err != nil || rate <= 0 {
		return 0, n.wrong("is not a number above 0")
	}
	return rate, nil
}
