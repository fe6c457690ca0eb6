package processor

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// readers returns the organisations other than the sender that may read each resource that the transaction writes or
// reaches: an addressee reads what is addressed to it and all that this reaches, in the submission and on this server;
// who could read a version reads the next one, and what that reaches; whose Task this organisation owns reads what it
// adds to it of its own, such as the result. The error is errUnderWay while some of that may
// still come: the order of delivery does not decide what is shared.
func (t *transaction) readers(addressees [][]string) (map[referral.UUID][]string, error) {
	readers, starts := map[referral.UUID][]string{}, map[string][]referral.UUID{}
	for i, s := range t.writes {
		if s == nil {
			continue
		}
		var orgs []string
		if s.stored != nil {
			orgs = s.stored.Readers
			readers[s.id] = slices.Clone(orgs)
		}
		if t.isOwned(s) { // whose it is decides who reads it; what the owner adds of its own, such as a result, is for them
			added, err := t.addedOwn(i, s)
			if err != nil {
				return nil, err
			}
			starts[s.stored.Org] = append(starts[s.stored.Org], added...)
			if t.isOpen(s) {
				readers[s.id] = append(readers[s.id], t.settlement.Org)
			}
			continue
		}
		if s.live {
			orgs = slices.Concat(orgs, addressees[i])
		}
		for _, org := range orgs {
			if org != t.settlement.Org {
				starts[org] = append(starts[org], s.id)
			}
		}
	}
	if len(starts) > 0 {
		next := t.graph()
		for org, from := range starts {
			for _, id := range reached(from, next) {
				if err := t.underWay(id); err != nil {
					return nil, err
				}
				if s, ok := t.states[id]; !ok || !t.isOwned(s) {
					readers[id] = append(readers[id], org)
				}
			}
		}
	}
	for id := range readers {
		slices.Sort(readers[id]) // the same at every delivery
		readers[id] = slices.Compact(readers[id])
	}
	return readers, nil
}

// graph returns what each resource refers to, as the transaction leaves it. What others wrote leads nobody to what is
// this sender's, nor does a Task of theirs that the sender updates.
func (t *transaction) graph() func(referral.UUID) []referral.UUID {
	next := map[referral.UUID][]referral.UUID{}
	for i, s := range t.writes {
		if s == nil {
			continue
		}
		next[s.id] = nil
		if !s.live || t.isOwned(s) {
			continue
		}
		next[s.id] = t.linksOf(i, s)
	}
	return func(id referral.UUID) []referral.UUID {
		if ids, written := next[id]; written {
			return ids
		}
		if r := t.found.Reached[id]; r.Own {
			return r.Links
		}
		return nil
	}
}

// linksOf returns what entry i, which writes s, refers to.
func (t *transaction) linksOf(i int, s *state) (ids []referral.UUID) {
	seen := map[referral.UUID]bool{}
	s.resource.Strings(func(name string, v *fhir.Value) {
		if id, ok := t.target(i, name, v.Text()); ok && !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	})
	return ids
}

// target returns the resource that a string of entry i, in an element called name, leads to: in the submission wherever a
// link may stand, and elsewhere on this server where the store follows it, too.
func (t *transaction) target(i int, name, text string) (referral.UUID, bool) {
	if !fhir.MayLink(name) {
		return referral.UUID{}, false
	}
	url, _, _ := strings.Cut(cutFragment(text), "/_history/")
	if j, ok := t.links.Entry(i, url); ok {
		if s := t.places[j].state; s != nil {
			return s.id, true
		}
		return referral.UUID{}, false
	}
	if found, ok := t.names[text]; ok && name == "reference" {
		return t.here(found)
	}
	if !isFollowed(name) || len(url) < len("A/")+36 { // nearly every other text
		return referral.UUID{}, false
	}
	return t.here(url)
}

// isFollowed tells that what an element called name refers to is shared with it: Reference.reference and Attachment.url.
func isFollowed(name string) bool { return name == "reference" || name == "url" }

func cutFragment(text string) string {
	text, _, _ = strings.Cut(text, "#")
	return text
}

// reached returns the given resources and those that they refer to, directly and indirectly, each once.
func reached(from []referral.UUID, next func(referral.UUID) []referral.UUID) []referral.UUID {
	seen, queue := map[referral.UUID]bool{}, []referral.UUID(nil)
	visit := func(id referral.UUID) {
		if !seen[id] {
			seen[id] = true
			queue = append(queue, id)
		}
	}
	for _, id := range from {
		visit(id)
	}
	for at := 0; at < len(queue); at++ {
		for _, id := range next(queue[at]) {
			visit(id)
		}
	}
	return queue
}

// shares returns what is added to the readers of resources that the transaction does not write and the sender owns.
func (t *transaction) shares(readers map[referral.UUID][]string) []postgres.Share {
	var shares []postgres.Share
	ids := slices.SortedFunc(maps.Keys(readers), func(a, b referral.UUID) int { return bytes.Compare(a[:], b[:]) })
	for _, id := range ids {
		r := t.found.Reached[id]
		more := slices.DeleteFunc(readers[id], func(org string) bool { return slices.Contains(r.Readers, org) })
		if r.Own && len(more) > 0 {
			shares = append(shares, postgres.Share{ID: id, Readers: more})
		}
	}
	return shares
}
