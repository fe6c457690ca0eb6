package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// Removal is one line of the register of what was removed. It is patient data.
type Removal struct {
	Org       string    `json:"org"`
	Patient   string    `json:"patient"` // id of the Patient
	Name      string    `json:"name"`
	First     time.Time `json:"first"` // of the record
	Last      time.Time `json:"last"`
	RemovedAt time.Time `json:"removedAt"`
}

// Format writes the id and time.
func (r Removal) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "[removal of Patient/%s, %s]", r.Patient, r.RemovedAt.Format(time.DateOnly))
}

const (
	registerSQL = `insert into retention_register (org, patient, name, first_at, last_at) values ($1, $2, $3, least($4::timestamptz, $5), $5)`

	removalsSQL = `
select g.org, g.patient::text, g.name, g.first_at, g.last_at, g.removed_at from retention_register g
where $1 in ('', g.org) order by g.removed_at, g.org, g.patient`
)

// Removals returns the register of an organisation, or of all where it is empty, oldest first; the audit keeps that it was
// looked at. Errors are those of the package.
func (db *DB) Removals(ctx context.Context, org string, o Operation) ([]Removal, error) {
	o.Action, o.Entity = "R", "retention-register/"+org
	if _, err := db.pool.Exec(ctx, operatedSQL, operators, o.Operator, o.Action, o.Entity, o.Reason); err != nil {
		return nil, reduce("register", err)
	}
	return queryAll[Removal](ctx, db, removalsSQL, org)
}

// named is a Patient that is removed.
type named struct {
	org  string
	id   referral.UUID
	name string
}

// nameOf is the first name of a Patient.
func nameOf(v Version) string {
	resource := parsed(v)
	if text := resource.At("name", "text").Text(); text != "" {
		return text
	}
	var parts []string
	for _, given := range resource.At("name", "given").Items() {
		parts = append(parts, given.Text())
	}
	return strings.TrimSpace(strings.Join(append(parts, resource.At("name", "family").Text()), " "))
}
