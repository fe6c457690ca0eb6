-- What is removed when the time to keep it is over, and what is not. Each statement may run again.
-- +goose Up

-- Legal holds: what one is on is not removed while it stands. They are placed and lifted, and never deleted.
create table if not exists retention_hold (
	org         text        not null check (org <> ''),    -- whose patient or submission it is, or which is held as a whole
	number      int8        generated always as identity,
	kind        text        not null check (kind in ('patient', 'organisation', 'submission')),
	subject     text        not null,                      -- id of the Patient, or hexadecimal digest; of an organisation empty
	reason      text        not null check (reason <> ''),
	placed_by   text        not null,
	placed_at   timestamptz not null default clock_timestamp(),
	lifted_by   text,
	lifted_at   timestamptz,
	lifted_for  text,                                      -- why
	primary key (org, number),
	check ((kind = 'organisation') = (subject = ''))
);
alter table retention_hold enable row level security;
alter table retention_hold force row level security;

-- Whose record was removed: who, for which time, and when, as the law of some states has it noted. It is only added to.
create table if not exists retention_register (
	org        text        not null check (org <> ''),
	patient    uuid        not null,                       -- id of the Patient
	name       text        not null,                       -- as its last version had it; empty: it had none
	first_at   timestamptz not null,
	last_at    timestamptz not null,
	removed_at timestamptz not null default clock_timestamp(),
	primary key (org, patient, removed_at)
);
alter table retention_register enable row level security;
alter table retention_register force row level security;

-- The role of referralctl retention. It sees what every organisation has, and takes away; the servers' logins are no members
-- of it. It changes no resource: it deletes it, and tells so in its history.
-- +goose StatementBegin
do $$
declare
	p record;
begin
	begin
		create role referral_retention nologin;
	exception when duplicate_object or unique_violation then
		null;
	end;
	for p in select * from (values
		('resource', 'select', 'using (true)'), ('resource', 'delete', 'using (true)'),
		('history', 'select', 'using (true)'), ('history', 'delete', 'using (not deleted)'),
		('history', 'insert', 'with check (deleted and meta = '''' and content = '''')'),
		('submission', 'select', 'using (true)'), ('submission', 'update', 'using (true) with check (bundle_type = ''removed'')'),
		('listing', 'select', 'using (true)'), ('listing', 'delete', 'using (true)'),
		('audit', 'insert', 'with check (true)'),
		('retention_hold', 'select', 'using (true)'), ('retention_hold', 'insert', 'with check (lifted_at is null)'),
		('retention_register', 'select', 'using (true)'), ('retention_register', 'insert', 'with check (true)'),
		('retention_hold', 'update', 'using (lifted_at is null) with check (lifted_at is not null)')
	) p(relation, command, rule) loop
		execute format('drop policy if exists %I on %I', 'retain_' || p.command || '_' || p.relation, p.relation);
		execute format('create policy %I on %I for %s to referral_retention %s', 'retain_' || p.command || '_' || p.relation, p.relation, p.command, p.rule);
	end loop;
end
$$;
-- +goose StatementEnd
grant select, delete on resource, listing, idx to referral_retention;
grant select, insert, delete on history to referral_retention;
grant select, update (state, bundle_type, request, patient, service, priority, authored, resources, outcome, answers, content, sha256)
	on submission to referral_retention;
grant insert on audit to referral_retention;
grant select, insert on retention_register to referral_retention;
grant select, insert, update (lifted_by, lifted_at, lifted_for) on retention_hold to referral_retention;

-- What is removed is in no list any more: bundle_type tells, of a row that keeps nothing but that its submission has settled.
create or replace trigger list_updated after update on submission for each row when (new.bundle_type <> 'removed')
	execute function list_submission();
