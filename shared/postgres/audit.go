package postgres

import (
	"context"
	"strings"
)

// Access is what a caller was shown, for the audit.
type Access struct {
	Client      string
	RequestID   string
	Interaction string // FHIR R4 restful-interaction, or the name of an operation
	Query       string // of the request, as it was understood; empty: none
	Entity      string // what was asked for: a reference, or a type
	Shown       []Shown
}

// Shown is what is about one patient.
type Shown struct {
	Patient   string   // UUID; empty: about none
	Resources []string // Type/id/_history/version
}

const accessedSQL = `
insert into audit (org, client, action, outcome, entity, request_id, interaction, query, patient, resources)
select $1, $2, case when $5 like '%history%' or $5 like '%read' then 'R' else 'E' end, '0', $3, $4, $5, nullif($6, ''), nullif(u.patient, '')::uuid, string_to_array(u.resources, ' ')
from unnest($7::text[], $8::text[]) u(patient, resources)`

// Accessed keeps that org was shown what a says: one row for each patient, and one where nobody's data was shown. What is
// shown before it returns without an error has no record. What several are shown at a time is committed together. Errors are
// those of the package.
func (db *DB) Accessed(ctx context.Context, org string, a Access) error {
	shown := a.Shown
	if len(shown) == 0 {
		shown = []Shown{{}}
	}
	patients, resources := make([]string, len(shown)), make([]string, len(shown))
	for i, s := range shown {
		patients[i], resources[i] = s.Patient, strings.Join(s.Resources, " ")
	}
	s := statement{org, accessedSQL, []any{org, a.Client, a.Entity, a.RequestID, a.Interaction, a.Query, patients, resources}, nil}
	return reduce("audit", db.records.commit(ctx, s, db.run))
}
