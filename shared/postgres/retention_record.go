package postgres

import (
	"context"
	"encoding/hex"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

// about is all that is about some patients.
type about struct {
	stored      map[referral.UUID]kept
	patients    map[referral.UUID]bool // by whom stored is found: false, it is still to be looked for
	submissions map[string]sent        // that wrote any of stored, by organisation and digest
	born        time.Time              // the latest that any of the patients may have been
	undated     bool                   // of one of them it is not known
}

// kept is a resource as it is there, or the newest version of one that was deleted.
type kept struct {
	ID      referral.UUID
	Version Version
	Org     string
	Readers []string
	Digest  string // of the submission that wrote it; empty: of a release that did not keep it
}

// sent is a submission.
type sent struct {
	Org      string
	Digest   []byte
	Readers  []string
	Names    []string // of the versions that it wrote or found
	Complete bool     // all that it wrote is of these patients: it goes with them
}

const (
	// keptSQL returns resources by id, and those that hold an id and have an index row in its range.
	keptSQL = `
with w as (
	select unnest($1::uuid[]) as id
	union
	select r.id from unnest($2::int8[], $3::int8[], $4::text[]) k(low, high, id)
	cross join lateral (select i.vid from idx i where i.h between k.low and k.high offset 0) i
	cross join lateral (select r.id, r.content from resource r where r.vid = i.vid limit 1) r
	where strpos(r.content, k.id) > 0
)
select c.* from w cross join lateral (
	(select r.id, r.type, r.version, r.last_updated, r.vid, r.meta, r.content, false, r.org, r.readers, coalesce(encode(r.d, 'hex'), '')
	from resource r where r.id = w.id limit 1)
	union all
	(select h.id, h.type, h.version, (select max(n.last_updated) from history n where n.id = h.id), 0, h.meta, h.content, true, h.org, h.readers,
		coalesce(encode(h.d, 'hex'), '')
	from history h where h.id = w.id and not h.deleted and not exists (select from resource r where r.id = h.id)
	order by h.version desc limit 1)
) c limit 5001`

	// samePersonSQL finds the organisation's Patients that have one of some identifiers.
	samePersonSQL = `
select r.id from unnest($2::int8[]) k(h)
cross join lateral (select i.vid from idx i where i.h = k.h offset 0) i
cross join lateral (select r.id from resource r where r.vid = i.vid and r.org = $1 and r.type = 'Patient' limit 1) r`

	// sentSQL returns the submissions that wrote any version of resources.
	sentSQL = `
select s.* from (select r.d from resource r where r.id = any($1) union select h.d from history h where h.id = any($1)) w
cross join lateral (
	select s.org, s.d, s.readers, s.resources, false from submission s where s.d = w.d and s.bundle_type <> 'removed' offset 0
) s`
)

// gather finds all that goes with the resource from, by what its content names, until nothing more is found or it is
// too much.
func gather(ctx context.Context, tx pgx.Tx, from referral.UUID) (*about, error) {
	a := &about{stored: map[referral.UUID]kept{}, patients: map[referral.UUID]bool{}, submissions: map[string]sent{}}
	first, err := a.read(ctx, tx, []referral.UUID{from}, nil)
	if err != nil {
		return nil, err
	}
	if err := a.add(ctx, tx, first); err != nil {
		return nil, err
	}
	for before := -1; before != len(a.stored)+len(a.patients) && len(a.stored) <= MaxMatches; {
		before = len(a.stored) + len(a.patients)
		for patients := a.unsought(); len(patients) > 0 && len(a.stored) <= MaxMatches; patients = a.unsought() {
			found, err := a.read(ctx, tx, patients, patients)
			if err != nil {
				return nil, err
			}
			found = slices.DeleteFunc(found, func(k kept) bool { return !a.isPatient(k.ID) && !slices.ContainsFunc(namedBy(k), a.isPatient) })
			if err := a.add(ctx, tx, found); err != nil {
				return nil, err
			}
		}
		if err := a.addSubmissions(ctx, tx); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func (a *about) isPatient(id referral.UUID) bool { _, ok := a.patients[id]; return ok }

// unsought returns the patients that nothing was looked for by yet, and notes that it was.
func (a *about) unsought() (ids []referral.UUID) {
	for id, sought := range a.patients {
		if !sought {
			ids = append(ids, id)
			a.patients[id] = true
		}
	}
	return ids
}

// patientName is a reference to a Patient as it is stored: without white space, a slash perhaps escaped.
var patientName = regexp.MustCompile(`"(?:reference|url)":"Patient\\?/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})`)

// namedBy returns the patients that a resource names, itself if it is one.
func namedBy(k kept) (ids []referral.UUID) {
	if k.Version.Type == "Patient" {
		ids = append(ids, k.ID)
	}
	for _, match := range patientName.FindAllStringSubmatch(k.Version.Content, -1) {
		if id, err := referral.ParseUUID(match[1]); err == nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// add takes resources in, and notes the patients that they lead to.
func (a *about) add(ctx context.Context, tx pgx.Tx, found []kept) error {
	for _, k := range found {
		if _, ok := a.stored[k.ID]; ok {
			continue
		}
		a.stored[k.ID] = k
		others := namedBy(k)
		if k.Version.Type == "Patient" {
			same, err := a.addPatient(ctx, tx, k)
			if err != nil {
				return err
			}
			others = append(others, same...)
		}
		for _, id := range others {
			if !a.isPatient(id) {
				a.patients[id] = false
			}
		}
	}
	return nil
}

// addPatient notes when a Patient was born, and returns those that have one of its identifiers.
func (a *about) addPatient(ctx context.Context, tx pgx.Tx, k kept) ([]referral.UUID, error) {
	resource := parsed(k.Version)
	born, known := bornBy(resource.Get("birthDate").Text())
	a.undated = a.undated || !known
	if born.After(a.born) {
		a.born = born
	}
	rows, err := tx.Query(ctx, samePersonSQL, k.Org, search.Identifiers(resource))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (id referral.UUID, err error) {
		return id, row.Scan((*[16]byte)(&id))
	})
}

// parsed is a resource as it is stored, or nil: what does not parse says nothing, whatever wrote it.
func parsed(v Version) *fhir.Value {
	resource, err := fhir.Parse(v.JSON(), v.Type, fhir.Limits{})
	if err != nil {
		return nil
	}
	return resource
}

// bornBy is the last day of a FHIR R4 date, which may lack the day or the month.
func bornBy(date string) (time.Time, bool) {
	for _, form := range []struct {
		layout        string
		years, months int
	}{{time.DateOnly, 0, 0}, {"2006-01", 0, 1}, {"2006", 1, 0}} {
		if day, err := time.Parse(form.layout, date); err == nil {
			if form.years+form.months > 0 {
				day = day.AddDate(form.years, form.months, -1)
			}
			return day, true
		}
	}
	return time.Time{}, false
}

// read returns resources by id, and those that refer to patients.
func (a *about) read(ctx context.Context, tx pgx.Tx, ids, patients []referral.UUID) ([]kept, error) {
	low, high, names := make([]int64, len(patients)), make([]int64, len(patients)), make([]string, len(patients))
	for i, id := range patients {
		r := search.ReferencesTo("Patient/" + id.String())
		low[i], high[i], names[i] = r.Low, r.High, id.String()
	}
	rows, err := tx.Query(ctx, keptSQL, uuids(ids), low, high, names)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (k kept, err error) {
		v := &k.Version
		err = row.Scan((*[16]byte)(&k.ID), &v.Type, &v.Number, &v.LastUpdated, &v.VID, &v.Meta, &v.Content, &v.Deleted, &k.Org, &k.Readers, &k.Digest)
		v.ID = k.ID.String()
		return k, err
	})
}

// addSubmissions takes in the submissions that wrote what there is, and of those that are about these patients alone what
// they wrote beside it and names nobody, such as the content of a document.
func (a *about) addSubmissions(ctx context.Context, tx pgx.Tx) error {
	if len(a.patients) == 0 { // of what names nobody only what was deleted goes
		return nil
	}
	rows, err := tx.Query(ctx, sentSQL, uuids(slices.Collect(maps.Keys(a.stored))))
	if err != nil {
		return err
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[sent])
	if err != nil {
		return err
	}
	for _, s := range all {
		var ids []referral.UUID
		for _, name := range s.Names {
			parts := strings.Split(name, "/")
			if id, err := referral.ParseUUID(parts[1]); err == nil && !strings.Contains(ofOthers, "'"+parts[0]+"'") {
				ids = append(ids, id)
			}
		}
		found, err := a.read(ctx, tx, ids, nil)
		if err != nil {
			return err
		}
		s.Complete = !slices.ContainsFunc(found, func(k kept) bool {
			return slices.ContainsFunc(namedBy(k), func(id referral.UUID) bool { return !a.isPatient(id) })
		})
		a.submissions[s.Org+"/"+hex.EncodeToString(s.Digest)] = s
		if !s.Complete {
			continue
		}
		found = slices.DeleteFunc(found, func(k kept) bool { return len(namedBy(k)) == 0 && k.Digest != hex.EncodeToString(s.Digest) })
		if err := a.add(ctx, tx, found); err != nil {
			return err
		}
	}
	return nil
}
