package query

import (
	"context"
	"encoding/binary"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

// byScope serves AuditEvents: the server's own audit to who has the scope audit, else what was sent as AuditEvents.
func (s *Server) byScope(audit, other fhirhttp.Handler) fhirhttp.Handler {
	return s.authenticated(func(w *fhirhttp.Response, r *http.Request) error {
		if w.Principal.Allow(principal.Audit) == nil {
			return takesJSON(audit)(w, r)
		}
		if err := w.Principal.Allow(principal.Read); err != nil {
			return err
		}
		r.SetPathValue("type", "AuditEvent")
		return other(w, r)
	})
}

// auditPurpose is what the signature in a page token of the audit is for.
const auditPurpose = "audit-page-v1"

// searchAudit serves the audit, newest first: patient, date, action and subtype, which is the interaction. What it shows
// is audited as well.
func (s *Server) searchAudit(w *fhirhttp.Response, r *http.Request) error {
	values, err := parameters(r)
	if err != nil {
		return err
	}
	q, understood, err := parseAudits(values, s.BaseURL.JoinPath("fhir/").String())
	if err != nil {
		return err
	}
	if token := values.Get("_page"); token != "" {
		place, ok := s.signedPlace(token, 8, auditPurpose, w.Principal.Org, understood.Encode())
		if !ok {
			return fhir.NewError(fhir.CodeValue, "", "_page is not from a next link of this search for this client")
		}
		q.Before = int64(binary.BigEndian.Uint64(place))
	}
	rows, more, err := s.audits(r, w.Principal.Org, q)
	if err != nil {
		return err
	}
	address := s.BaseURL.JoinPath("fhir", "AuditEvent")
	b := searchset{ResourceType: "Bundle", Type: "searchset", Link: []bundleLink{{"self", pageURL(address, understood, "")}}}
	if more {
		token := s.signPlace(binary.BigEndian.AppendUint64(nil, uint64(rows[len(rows)-1].ID)), auditPurpose, w.Principal.Org, understood.Encode())
		b.Link = append(b.Link, bundleLink{"next", pageURL(address, understood, token)})
	}
	var shown patients
	for _, row := range rows {
		event, err := encode(s.auditEvent(row))
		if err != nil {
			return err
		}
		id := strconv.FormatInt(row.ID, 10)
		b.Entry = append(b.Entry, searchsetEntry{address.JoinPath(id).String(), event, searchsetEntryMatch{"match"}})
		shown.add(row.Patient, "AuditEvent/"+id)
	}
	body, err := encode(b)
	if err == nil {
		err = s.record(w, r, postgres.Access{Interaction: "search-type", Entity: "AuditEvent", Query: understood.Encode(), Shown: shown})
	}
	if err != nil {
		return err
	}
	fhirhttp.Write(w, http.StatusOK, body)
	return nil
}

// readAudit serves one row of the audit.
func (s *Server) readAudit(w *fhirhttp.Response, r *http.Request) error {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil || id < 1 || strconv.FormatInt(id, 10) != r.PathValue("id") {
		return notFound()
	}
	rows, _, err := s.audits(r, w.Principal.Org, postgres.Audits{ID: id, Count: 1})
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return notFound()
	}
	body, err := encode(s.auditEvent(rows[0]))
	if err == nil {
		err = s.record(w, r, postgres.Access{Interaction: "read", Entity: "AuditEvent/" + r.PathValue("id"), Shown: []postgres.Shown{{Patient: rows[0].Patient}}})
	}
	if err != nil {
		return err
	}
	fhirhttp.Write(w, http.StatusOK, body)
	return nil
}

func (s *Server) audits(r *http.Request, org string, q postgres.Audits) ([]postgres.Audited, bool, error) {
	ctx, cancel := context.WithTimeout(r.Context(), s.StoreTimeout)
	defer cancel()
	rows, more, err := s.Store.Audits(ctx, org, q)
	if err != nil {
		return nil, false, storeError(err)
	}
	return rows, more, nil
}

// parseAudits understands the parameters of a search of the audit. Each but date stands once; others are refused.
func parseAudits(values url.Values, base string) (q postgres.Audits, understood url.Values, err error) {
	q.Count, understood = defaultCount, url.Values{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if len(values[name]) > 1 && name != "date" {
			return q, nil, fhir.NewError(fhir.CodeValue, "", name+" stands once")
		}
		value := values.Get(name)
		if !utf8.ValidString(value) || strings.ContainsRune(value, 0) {
			return q, nil, fhir.NewError(fhir.CodeValue, "", "A parameter is no text")
		}
		switch name {
		case "_count":
			if q.Count, err = parseCount(values[name]); err == nil {
				understood[name] = values[name]
			}
		case "_page", "_format", "_pretty":
			continue
		case "patient":
			id, wrong := referral.ParseUUID(strings.TrimPrefix(strings.TrimPrefix(value, base), "Patient/"))
			if wrong != nil {
				err = fhir.NewError(fhir.CodeValue, "", "patient is the id of a Patient of this server")
			}
			q.Patient = id.String()
		case "action":
			q.Action = value
		case "subtype":
			q.Interaction = value
		case "date":
			for _, value := range values[name] {
				if err == nil {
					err = narrow(&q, value)
				}
			}
		default:
			err = fhir.NewError(fhir.CodeNotSupported, "", "A parameter is not supported; those of the audit are patient, date, action, subtype, _count").WithStatus(http.StatusBadRequest)
		}
		if err != nil {
			return q, nil, err
		}
		understood[name] = values[name]
	}
	return q, understood, nil
}

// narrow takes a date.
func narrow(q *postgres.Audits, value string) error {
	p, _ := search.Lookup("AuditEvent", "date")
	c, err := search.ParseCriterion("AuditEvent", p, "", value, "")
	if err != nil {
		return err
	}
	low, high := c.Between()
	if since := time.UnixMilli(max(low, 0)); since.After(q.Since) {
		q.Since = since
	}
	const end = 253402300800000 // of the year 9999
	if until := time.UnixMilli(min(high, end)); q.Until.IsZero() || until.Before(q.Until) {
		q.Until = until
	}
	return nil
}

// coding is FHIR R4 datatypes.html#Coding; the other types here are parts of an AuditEvent.
type coding struct {
	System  string `json:"system"`
	Code    string `json:"code"`
	Display string `json:"display,omitempty"`
}

type auditEvent struct {
	ResourceType string        `json:"resourceType"`
	ID           string        `json:"id"`
	Type         coding        `json:"type"`
	Subtype      []coding      `json:"subtype,omitempty"`
	Action       string        `json:"action"`
	Recorded     string        `json:"recorded"`
	Outcome      string        `json:"outcome"`
	OutcomeDesc  string        `json:"outcomeDesc,omitempty"`
	Agent        []auditAgent  `json:"agent"`
	Source       auditSource   `json:"source"`
	Entity       []auditEntity `json:"entity"`
}

type auditAgent struct {
	Type struct {
		Coding []coding `json:"coding"`
	} `json:"type"`
	Who       auditReference `json:"who"`
	Name      string         `json:"name,omitempty"`
	Requestor bool           `json:"requestor"`
}

type auditSource struct {
	Observer auditReference `json:"observer"`
	Type     []coding       `json:"type"`
}

type auditReference struct {
	Reference  string      `json:"reference,omitempty"`
	Identifier *identifier `json:"identifier,omitempty"`
	Display    string      `json:"display,omitempty"`
}

type identifier struct {
	System string `json:"system,omitempty"`
	Value  string `json:"value"`
}

type auditEntity struct {
	What  *auditReference `json:"what,omitempty"`
	Type  coding          `json:"type"`
	Role  *coding         `json:"role,omitempty"`
	Query []byte          `json:"query,omitempty"` // base64 in JSON
}

// auditEvent is a row in the shape of IHE's Basic Audit Log Patterns: who asks and who answers as agents, for a read in the
// roles of DICOM's destination and source, for the rest the other way around; the patient, what was asked for and shown,
// the query, and the request id as entities.
func (s *Server) auditEvent(row postgres.Audited) auditEvent {
	const dcm, role = "http://dicom.nema.org/resources/ontology/DCM", "http://terminology.hl7.org/CodeSystem/object-role"
	const kind = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
	source, destination := coding{dcm, "110153", "Source Role ID"}, coding{dcm, "110152", "Destination Role ID"}
	if row.Action == "R" {
		source, destination = destination, source
	}
	caller := auditAgent{Name: row.Client, Requestor: true, Who: auditReference{Identifier: &identifier{Value: row.Org}}}
	if row.Org != operatorOrg {
		caller.Who.Identifier.System = "http://ns.electronichealth.net.au/id/hi/hpio/1.0"
	}
	caller.Type.Coding = []coding{source}
	server := auditAgent{Who: auditReference{Display: s.BaseURL.String()}}
	server.Type.Coding = []coding{destination}
	e := auditEvent{
		ResourceType: "AuditEvent", ID: strconv.FormatInt(row.ID, 10), Action: row.Action, Recorded: formatInstant(row.Recorded),
		Outcome: row.Outcome, OutcomeDesc: row.Reason,
		Type:  coding{"http://terminology.hl7.org/CodeSystem/audit-event-type", "rest", "Restful Operation"},
		Agent: []auditAgent{caller, server},
		Source: auditSource{
			auditReference{Display: s.BaseURL.String()},
			[]coding{{"http://terminology.hl7.org/CodeSystem/security-source-type", "4", "Application Server"}},
		},
		Entity: []auditEntity{{What: &auditReference{Display: row.Entity}, Type: coding{kind, "2", "System Object"}, Role: &coding{role, "4", "Domain Resource"}}},
	}
	if row.Interaction != "" {
		e.Subtype = []coding{{"http://hl7.org/fhir/restful-interaction", row.Interaction, ""}}
	}
	if row.Patient != "" {
		e.Entity = append(e.Entity, auditEntity{What: &auditReference{Reference: "Patient/" + row.Patient}, Type: coding{kind, "1", "Person"}, Role: &coding{role, "1", "Patient"}})
	}
	for _, name := range row.Resources {
		e.Entity = append(e.Entity, auditEntity{What: &auditReference{Reference: name}, Type: coding{kind, "2", "System Object"}, Role: &coding{role, "4", "Domain Resource"}})
	}
	if row.Query != "" {
		e.Entity = append(e.Entity, auditEntity{Type: coding{kind, "2", "System Object"}, Role: &coding{role, "24", "Query"}, Query: []byte(row.Query)})
	}
	if row.RequestID != "" {
		e.Entity = append(e.Entity, auditEntity{
			What: &auditReference{Identifier: &identifier{Value: row.RequestID}},
			Type: coding{"https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType", "XrequestId", ""},
		})
	}
	return e
}

// operatorOrg is the organisation of the server's operators, which has no HPI-O.
const operatorOrg = "operator"
