package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Audits asks for rows of the audit, newest first.
type Audits struct {
	ID          int64  // 0: any
	Patient     string // UUID; empty: of anybody
	Action      string // AuditEvent.action; empty: any
	Interaction string // empty: any
	Since       time.Time
	Until       time.Time // before it; zero: until now
	Before      int64     // below this ID; 0: from the newest
	Count       int
}

// Audited is one row of the audit.
type Audited struct {
	ID          int64
	Recorded    time.Time
	Org         string
	Client      string
	Action      string
	Outcome     string
	Entity      string
	RequestID   string
	Interaction string
	Query       string
	Patient     string // UUID, or empty
	Resources   []string
	Reason      string // of an operator
}

// Audits returns at most Count rows that org may see: its own, and to the operator all. more says that there are others
// behind them. Errors are those of the package.
func (db *DB) Audits(ctx context.Context, org string, a Audits) (rows []Audited, more bool, err error) {
	query, args := a.sql(org)
	err = db.as(ctx, org, query, args, func(found pgx.Rows) error {
		rows, err = pgx.CollectRows(found, pgx.RowToStructByPos[Audited])
		return err
	})
	if err != nil {
		return nil, false, reduce("audits", err)
	}
	if more = len(rows) > a.Count; more {
		rows = rows[:a.Count]
	}
	return rows, more, nil
}

// mayAudit is the tenant rule of the audit, which row-level security repeats.
const mayAudit = `(a.org = $1 or $1 = '` + operators + `')`

func (a Audits) sql(org string) (string, []any) {
	c := conditions{args: []any{org}}
	where := mayAudit
	add := func(condition string, value any, sqlType string) {
		where += ` and ` + condition + c.arg(value, sqlType)
	}
	if a.ID != 0 {
		add(`a.id = `, a.ID, "int8")
	}
	if a.Patient != "" {
		add(`a.patient = `, a.Patient, "uuid")
	}
	if a.Action != "" {
		add(`a.action = `, a.Action, "text")
	}
	if a.Interaction != "" {
		add(`a.interaction = `, a.Interaction, "text")
	}
	if !a.Since.IsZero() {
		add(`a.recorded >= `, a.Since, "timestamptz")
	}
	if !a.Until.IsZero() {
		add(`a.recorded < `, a.Until, "timestamptz")
	}
	if a.Before != 0 {
		add(`a.id < `, a.Before, "int8")
	}
	return `
select a.id, a.recorded, a.org, a.client, a.action, a.outcome, a.entity, coalesce(a.request_id, ''), coalesce(a.interaction, ''),
	coalesce(a.query, ''), coalesce(a.patient::text, ''), coalesce(a.resources, '{}'), coalesce(a.reason, '')
from audit a where ` + where + ` order by a.id desc limit ` + c.arg(a.Count+1, "int8"), c.args
}
