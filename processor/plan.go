package processor

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

// plan is what a submission asks for, before anybody has looked at the store.
type plan struct {
	processor  *Processor
	keys       *referral.Keys
	settlement *settlement
	bundle     fhir.Bundle // of a single request one whose only entry is that
	single     bool
	requests   []*request // in step with the entries; nil: unreadable
	unreadable []error    // entries of a batch that cannot be settled
	links      *fhir.Links

	conditions  []search.Condition // of writes and references
	conditionOf map[int]int        // request → condition; of reads: → search
	searches    []search.Condition
	references  map[string]int // conditional reference → condition
	sought      int            // alternatives of all conditions and searches
	versions    []string
	fill        bool // it may make the sender the owner of Tasks that have none
}

// read makes the plan of a message. An *fhir.Error rejects it.
func (p *Processor) read(ctx context.Context, m *queue.Message, s *settlement, body []byte) (*plan, error) {
	plan := &plan{processor: p, keys: p.Keys, settlement: s, conditionOf: map[int]int{}, references: map[string]int{}, fill: m.Fill != nil}
	var document *fhir.Value
	var err error
	if len(body) > 0 && m.Request.Method != http.MethodPatch {
		if document, err = fhir.Parse(body, "Bundle", fhir.Limits{}); err != nil {
			return nil, err
		}
	}
	if m.Request.Method == http.MethodPost && m.Request.URL == "/fhir" {
		err = plan.readBundle(fhir.AsBundle(document))
	} else {
		err = plan.readSingle(m, document, body)
	}
	if err != nil {
		return nil, err
	}
	plan.links = plan.bundle.Links()
	for i, r := range plan.requests {
		if r == nil {
			continue
		}
		plan.readConditions(i, r)
		if r.resource != nil {
			err = plan.readReferences(i, r.resource)
		}
		if err = cmp.Or(ctx.Err(), err); err != nil {
			return nil, err
		}
	}
	if plan.sought > search.MaxAlternatives {
		return nil, tooMuchSought()
	}
	return plan, nil
}

// tooMuchSought is what ingest has refused already.
func tooMuchSought() error {
	return fhir.NewError(fhir.CodeTooCostly, "", "The request has more search criteria than are looked for at once").
		WithStatus(http.StatusUnprocessableEntity)
}

func (p *plan) readBundle(bundle fhir.Bundle) error {
	if len(bundle.Entries) > postgres.MaxResources {
		return fhir.NewError(fhir.CodeTooCostly, "Bundle.entry", "The Bundle has more entries than one submission may")
	}
	p.bundle = bundle
	p.requests, p.unreadable = make([]*request, len(bundle.Entries)), make([]error, len(bundle.Entries))
	if bundle.Type == "batch" {
		p.checkBatch()
	}
	for i := range bundle.Entries {
		if p.unreadable[i] != nil {
			continue
		}
		r, err := bundleRequest(bundle, i, p.processor.base)
		switch {
		case err == nil:
			p.requests[i] = r
		case bundle.Type == "batch":
			p.unreadable[i] = err
		default:
			return err
		}
	}
	return nil
}

// checkBatch finds the entries of a batch that ingest has let pass for the sake of the others.
func (p *plan) checkBatch() {
	for _, issue := range p.processor.Schemas.Check(p.bundle.Value, "Bundle") {
		i, ok := fhir.EntryOf(issue.Expression)
		if !ok || !issue.Fails() {
			continue
		}
		e, _ := p.unreadable[i].(*fhir.Error) //nolint:errorlint // made here
		if e == nil {
			e = &fhir.Error{}
		}
		e.Issues = append(e.Issues, issue)
		p.unreadable[i] = e
	}
}

func (p *plan) readSingle(m *queue.Message, document *fhir.Value, body []byte) error {
	r, err := singleRequest(m, document, body, p.processor.base)
	if err != nil {
		return err
	}
	p.single = true
	p.bundle = fhir.Bundle{Type: "transaction", Entries: []fhir.Entry{{Resource: r.resource}}}
	p.requests, p.unreadable = []*request{r}, make([]error, 1)
	return nil
}

// expression is the FHIRPath of what path leads to below entry i.
func (p *plan) expression(i int, path ...string) string {
	if !p.single {
		return p.bundle.Expression(i, path...)
	}
	if path[0] != "resource" {
		return "" // a header or the URL
	}
	path = slices.Clone(path)
	path[0] = p.requests[i].target.Type
	return strings.Join(path, ".")
}

func (p *plan) readConditions(i int, r *request) {
	if r.condition != nil {
		p.sought += r.condition.Alternatives()
	}
	switch {
	case r.condition != nil && r.reads():
		p.conditionOf[i] = len(p.searches)
		p.searches = append(p.searches, *r.condition)
	case r.condition != nil:
		p.conditionOf[i] = len(p.conditions)
		p.conditions = append(p.conditions, *r.condition)
	case r.target.Version != "":
		p.versions = append(p.versions, r.target.Type+"/"+r.target.ID+"/_history/"+r.target.Version)
	}
}

// readReferences notes the conditional references of a resource (FHIR R4 http.html#trules).
func (p *plan) readReferences(i int, resource *fhir.Value) (err error) {
	resource.Strings(func(name string, s *fhir.Value) {
		if name != "reference" || !strings.Contains(s.Text(), "?") || err != nil || p.sought > search.MaxAlternatives {
			return
		}
		resourceType, query, ok := search.IsConditional(s.Text())
		if _, known := p.references[s.Text()]; !ok || known {
			return
		}
		condition, e := search.ParseCondition(resourceType, query, p.processor.base)
		if e != nil {
			err = at(p.expression(i, "resource"), e)
			return
		}
		p.sought += condition.Alternatives()
		p.references[strings.Clone(s.Text())] = len(p.conditions)
		p.conditions = append(p.conditions, condition)
	})
	return err
}

// lookup is what the plan needs to know of the store; ok is false when that is nothing.
func (p *plan) lookup() (l postgres.Lookup, ok bool) {
	l.Versions = p.versions
	for i, r := range p.requests {
		if r == nil {
			continue
		}
		id, err := referral.ParseUUID(r.target.ID)
		if r.reads() {
			if err == nil {
				l.Refer = append(l.Refer, id)
			}
		} else {
			l.Types = append(l.Types, r.resourceType())
			if err == nil {
				l.Write = append(l.Write, id)
			}
			if err == nil && p.fill && r.target.Type == "Task" && r.method != http.MethodDelete {
				l.Claim = append(l.Claim, id)
			}
		}
		l.Refer = p.referred(l.Refer, i, r)
		ok = ok || !r.isPlain()
	}
	for _, c := range p.conditions {
		l.Conditions = append(l.Conditions, lookupCondition(c))
	}
	for _, c := range p.searches {
		l.Searches = append(l.Searches, lookupCondition(c))
	}
	return l, ok || len(l.Refer) > 0 || len(p.conditions) > 0
}

func lookupCondition(c search.Condition) postgres.LookupCondition {
	return postgres.LookupCondition{Type: c.Type, Ranges: c.Ranges(), IDs: c.IDs}
}

// referred appends the resources of this server that entry i refers to and that no entry is.
func (p *plan) referred(ids []referral.UUID, i int, r *request) []referral.UUID {
	r.resource.Strings(func(name string, s *fhir.Value) {
		if name != "reference" && name != "url" {
			return
		}
		reference := cutFragment(s.Text())
		if _, ok := p.links.Entry(i, reference); ok {
			return
		}
		if id, ok := p.here(reference); ok {
			ids = append(ids, id)
		}
	})
	if len(r.patch) == 0 {
		return ids
	}
	changes, err := fhir.Parse(r.patch, "", fhir.Limits{Root: fhir.Array})
	if err != nil {
		return ids // it will not apply
	}
	operations := changes.Items()
	for i := range operations {
		operations[i].Strings(func(_ string, s *fhir.Value) { // in whatever element it will come to stand
			if id, ok := p.here(cutFragment(s.Text())); ok {
				ids = append(ids, id)
			}
		})
	}
	return ids
}

// here returns the id of the resource of this server that a reference names, whatever its version.
func (p *plan) here(reference string) (referral.UUID, bool) {
	target, ok := fhir.ParseTarget(p.processor.local(reference))
	if !ok || target.ID == "" {
		return referral.UUID{}, false
	}
	id, err := referral.ParseUUID(target.ID)
	return id, err == nil
}
