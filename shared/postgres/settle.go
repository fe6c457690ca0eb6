package postgres

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

// MaxResources is how many resources one settlement may have: the vids of a block.
const MaxResources = 1 << 10

// Settlement is all that one submission leaves in the store.
type Settlement struct {
	Org        string
	Client     string
	Digest     referral.Digest
	AcceptedAt time.Time
	RequestID  string
	KeyKind    referral.KeyKind
	Key        [32]byte // referral.Request.KeyHash
	State      referral.State
	Attempts   int      // deliveries so far, this one included
	Readers    []string // organisations that any of it is addressed to
	BundleType string
	Request    string // Type/id of the resource that the next four are of; each of the five may be empty
	Patient    string // Patient/id
	Service    string // what is asked for or told, in the sender's words
	Priority   string
	Authored   string // FHIR R4 dateTime as the sender wrote it
	Outcome    string // OperationOutcome, or empty
	// Repeated is the outcome instead where the index has one of RepeatedKeys already, of a resource of this organisation.
	Repeated     string
	RepeatedKeys []int64
	Answers      []referral.Answer // of each entry, or one for the whole request; nil: Resources say it all, which were created
	Return       referral.Return
	Awaited      bool       // whether to tell those who wait that it has settled
	Shares       []Share    // of resources that others come to read through it; for Revise
	Claims       []Claim    // of Tasks that the organisation becomes the owner of; for Revise
	Resources    []Resource // in the order of the Bundle's entries; at most MaxResources
	Content      []byte     // the body as received, compressed
	Encoding     string
	SHA256       [32]byte // of the body as received
}

// Resource is a version that a settlement writes.
type Resource struct {
	ID       referral.UUID
	Type     string
	Readers  []string
	Owner    string    // of a Task: the organisation that owns it; empty: none
	Meta     string    // the sender's members of meta as JSON text without braces
	Content  string    // the members beside resourceType, id and meta, likewise
	Keys     []int64   // search.Index
	Version  int       // 0: 1. For Revise; as is what follows
	Deleted  bool      // the version says that the resource is deleted
	Replaces *Replaced // the version that is there now; nil: none is
}

// Replaced is what the index has of a version that another one replaces.
type Replaced struct {
	VID  int64
	Keys []int64
}

// The parts of a statement that writes a settlement, or nothing when its submission is settled already. The block of
// vids is taken from the database's clock and a sequence, so that no two settlements share one whatever the clocks of
// the processors say. Keys of the index are hashes: those of one resource may be equal.
const (
	submissionPart = `
with s as (
	insert into submission (org, d, accepted_at, key_kind, key, client, request_id, state, settled_at, attempts,
		readers, bundle_type, request, patient, service, priority, resources, outcome, content, encoding, sha256, authored, listed,
		answers, "return")
	values ($1, $2, $3, $4, $5, $6, $7, $8, date_trunc('milliseconds', clock_timestamp()), $9,
		$10, $11, nullif($12, ''), nullif($13, ''), nullif($14, ''), nullif($15, ''), $16,
		case when exists (
			select from unnest($28::int8[]) k(h)
			cross join lateral (select i.vid from idx i where i.h = k.h offset 0) i
			cross join lateral (select from resource r where r.vid = i.vid and r.org = $1 limit 1) r
		) then $29 else nullif($17, '') end, $18, $19, $20, nullif($21, ''), true,
		nullif($22, ''), nullif($23, ''))
	on conflict (org, d) do update set
		accepted_at = excluded.accepted_at, state = excluded.state, settled_at = excluded.settled_at,
		attempts = excluded.attempts, readers = excluded.readers, request = excluded.request,
		patient = excluded.patient, service = excluded.service, priority = excluded.priority,
		authored = excluded.authored, resources = excluded.resources, outcome = excluded.outcome,
		answers = excluded.answers, "return" = excluded."return",
		content = case when excluded.content = '' then submission.content else excluded.content end
		where submission.state = 'quarantined'
	returning settled_at
), l as (
	insert into listing (org, settled_at, d, sender, state, priority)
	select u.org, s.settled_at, $2, $1, $8, nullif(u.priority, '') from s, unnest($24::text[], $25::text[]) as u(org, priority)
	on conflict do nothing
), a as (
	insert into audit (org, readers, client, action, outcome, entity, request_id, interaction, patient)
	select $1, $10, $6, 'C', case $8 when 'completed' then '0' else '4' end, 'submission/' || encode($2, 'hex'), $7, $11,
		case when $13 ~ '^Patient/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then substr($13, 9)::uuid end from s
), b as (
	select settled_at,
		(((extract(epoch from settled_at) * 1000)::int8 - 1577836800000) << 22) | ((nextval('vid_block') & 4095) << 10) as vid
	from s
), i as (
	insert into idx (h, vid)
	select u.h, b.vid + u.position from b, unnest($26::int8[], $27::int8[]) as u(h, position)
)`

	createPart = `, r as (
	insert into resource (id, type, org, readers, owner, version, last_updated, vid, meta, content, accepted_at, d)
	select u.id, u.type, $1, string_to_array(u.readers, ','), nullif(u.owner, ''), 1, b.settled_at, b.vid + u.position - 1, u.meta, u.content, $3, $2
	from b, unnest($30::uuid[], $31::text[], $32::text[], $33::text[], $34::text[], $35::text[])
		with ordinality as u(id, type, readers, owner, meta, content, position)
)`

	settledPart = `
select count(*) from s`

	settleSQL = submissionPart + createPart + settledPart
)

// Settle writes the settlements in one transaction and one round trip and reports of each whether it did: false says
// that its submission is settled already, and nothing was written of it. An *Error with Constraint "submission_key"
// says that another submission holds the key of one of them. After any error nothing of all is known to be written;
// after ErrUnavailable or a context's error it may be. Calling it again is safe. What another transaction made impossible
// is tried again inside.
func (db *DB) Settle(ctx context.Context, settlements ...*Settlement) (settled []bool, err error) {
	settled = make([]bool, len(settlements))
	err = persist(ctx, func() error { return reduce("settle", db.run(ctx, settling(settlements, settled)...)) })
	if err != nil {
		return nil, err
	}
	return settled, nil
}

// settling are the statements of one transaction that writes settlements.
func settling(settlements []*Settlement, settled []bool) []statement {
	statements := []statement{{"", underWaySQL, nil, nil}}
	for i, s := range settlements {
		statements = append(statements, statement{s.Org, settleSQL, s.args(), readSettled(&settled[i])})
		if s.Awaited {
			statements = append(statements, s.notice())
		}
	}
	return statements
}

// readSettled reads settledPart into settled.
func readSettled(settled *bool) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		count, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[int64])
		*settled = count == 1
		return err
	}
}

// channel is where Await listens.
const channel = "settled"

// notice tells those who wait, when the transaction commits. It is not for every settlement: PostgreSQL commits
// transactions with a notice one after the other.
func (s *Settlement) notice() statement {
	return statement{s.Org, `select pg_notify($1, $2)`, []any{channel, settledPayload(s.Org, s.Digest)}, nil}
}

// args are those of settleSQL.
func (s *Settlement) args() []any {
	n := len(s.Resources)
	ids, types, readers, owners := make([][16]byte, n), make([]string, n), make([]string, n), make([]string, n)
	metas, contents := make([]string, n), make([]string, n)
	for i, r := range s.Resources {
		ids[i], types[i], readers[i], owners[i] = r.ID, r.Type, strings.Join(r.Readers, ","), r.Owner
		metas[i], contents[i] = r.Meta, r.Content
	}
	return append(s.submissionArgs(), ids, types, readers, owners, metas, contents)
}

// submissionArgs are those of submissionPart.
func (s *Settlement) submissionArgs() []any {
	keys, positions := s.indexed()
	seers, priorities := s.listing()
	return []any{
		s.Org, s.Digest[:], s.AcceptedAt, s.KeyKind, s.Key[:], s.Client, s.RequestID, s.State, s.Attempts,
		nonNil(s.Readers), s.BundleType, s.Request, s.Patient, s.Service, s.Priority, s.versions(), s.Outcome, s.Content, s.Encoding, s.SHA256[:],
		s.Authored, s.answers(), string(s.Return), seers, priorities, keys, positions,
		s.RepeatedKeys, s.Repeated,
	}
}

// indexed are the rows of the index: keys, and in step with them the positions of their resources. No row is there twice,
// so that PostgreSQL need not look for each one before it writes it, which cost a tenth of a settlement.
func (s *Settlement) indexed() (keys, positions []int64) {
	for i, r := range s.Resources {
		own := slices.Clone(r.Keys)
		if i == 0 {
			for _, org := range append([]string{s.Org}, s.Readers...) {
				own = append(own, search.ListHash(org))
			}
		}
		slices.Sort(own)
		for _, key := range slices.Compact(own) {
			keys, positions = append(keys, key), append(positions, int64(i))
		}
	}
	return keys, positions
}

// versions are the names of those that the submission wrote or found.
func (s *Settlement) versions() []string {
	if s.Answers == nil {
		names := make([]string, len(s.Resources))
		for i, r := range s.Resources {
			names[i] = r.Name()
		}
		return names
	}
	names := []string{}
	for _, a := range s.Answers {
		if a.Version != "" && !a.Read {
			names = append(names, a.Version)
		}
	}
	return names
}

// Name is Type/id/_history/version.
func (r Resource) Name() string {
	return r.Type + "/" + r.ID.String() + "/_history/" + strconv.Itoa(max(r.Version, 1))
}

// answers returns the answers as JSON, or "".
func (s *Settlement) answers() string {
	if s.Answers == nil {
		return ""
	}
	b, err := json.Marshal(s.Answers)
	if err != nil {
		panic("postgres: an answer has nothing that cannot be encoded: " + err.Error())
	}
	return string(b)
}

// listing returns who sees the submission in a list, and in step with them the priority as far as they may know it:
// that is for who may read the resource that it is of.
func (s *Settlement) listing() (seers, priorities []string) {
	seers, priorities = append([]string{s.Org}, s.Readers...), make([]string, 1+len(s.Readers))
	priorities[0] = s.Priority
	for _, r := range s.Resources {
		if s.Priority == "" || r.Type+"/"+r.ID.String() != s.Request {
			continue
		}
		for i, org := range s.Readers {
			if slices.Contains(r.Readers, org) {
				priorities[1+i] = s.Priority
			}
		}
	}
	return seers, priorities
}

func nonNil(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
