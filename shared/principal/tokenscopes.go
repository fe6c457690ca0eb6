package principal

import (
	"slices"
	"strings"
)

// scopesOf returns what a token grants: entries are those of its claims scope and roles, forUs tells whether its
// audience is this server, and audiences are this server's names. An entry counts as it is, or after "<audience>/", as
// Cognito writes the scopes of a resource server. Of a token that is for nobody in particular, only the latter count:
// anyone to whom it was shown could show it here.
func scopesOf(entries []string, forUs bool, audiences []string) (granted []Scope) {
	for _, entry := range entries {
		if forUs {
			granted = append(granted, meaning(entry)...)
		}
		for _, audience := range audiences {
			name, found := strings.CutPrefix(entry, audience+"/")
			if !found {
				continue
			}
			granted = append(granted, meaning(name)...)
			if audience == "system" { // Cognito's scopes have no other "/"
				granted = append(granted, meaning(entry)...)
			}
		}
	}
	return granted
}

// smart are the SMART scopes of systems that say at least as much as one of the scopes here: the SMART App Launch v2
// letters (create, read, update, delete, search) or v1 words, of all types or of the one that stands for a referral.
var smart = []struct {
	types   []string
	letters string
	scope   Scope
}{
	{[]string{"*", "ServiceRequest"}, "cu", Submit},
	{[]string{"*", "ServiceRequest"}, "rs", Read},
	{[]string{"AuditEvent"}, "rs", Audit},
}

// meaning returns what an entry grants: the scope of its name, or what a scope of SMART includes. It never grants more
// than the entry says of a type as a whole: with one letter alone, or with a search behind a "?", it means nothing.
func meaning(entry string) (granted []Scope) {
	if scope := Scope(entry); slices.Contains(scopes, scope) {
		return []Scope{scope}
	}
	rest, found := strings.CutPrefix(entry, "system/")
	kind, permission, dotted := strings.Cut(rest, ".")
	if !found || !dotted {
		return nil
	}
	switch permission { // SMART v1
	case "read":
		permission = "rs"
	case "write":
		permission = "cud"
	case "*":
		permission = "cruds"
	}
	if !inOrder(permission) {
		return nil
	}
	for _, s := range smart {
		if slices.Contains(s.types, kind) && inOrderOf(s.letters, permission) {
			granted = append(granted, s.scope)
		}
	}
	return granted
}

// inOrder tells whether permission is letters of cruds, each once at most and in this order, as SMART v2 wants them.
func inOrder(permission string) bool { return permission != "" && inOrderOf(permission, "cruds") }

// inOrderOf tells whether each of letters is in those of all, in the same order.
func inOrderOf(letters, all string) bool {
	for _, letter := range letters {
		i := strings.IndexRune(all, letter)
		if i < 0 {
			return false
		}
		all = all[i+1:]
	}
	return true
}
