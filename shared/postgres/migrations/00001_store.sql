-- The store: submissions and what they settled, the search index, history and audit.
-- Every unique key that a caller can influence starts with org. Ids of resources and vids are the server's own.
-- +goose Up

-- The application's two roles. Neither owns a table nor is superuser, so that row-level security binds them; a
-- login of the deployment is made their member. Roles belong to the whole cluster: another database may have
-- made them already.
-- +goose StatementBegin
do $$
declare
	name text;
begin
	foreach name in array array['referral_processor', 'referral_query'] loop
		begin
			execute format('create role %I nologin', name);
		exception when duplicate_object or unique_violation then
			null;
		end;
	end loop;
end
$$;
-- +goose StatementEnd

-- One row for each settled identity: the inbox that makes a second delivery a no-op, and what GET _status reads.
create table submission (
	org          text        not null check (org <> ''),
	d            bytea       not null check (octet_length(d) = 16),
	accepted_at  timestamptz not null,                -- of the message that settled: part of the canonical id
	key_kind     text        not null check (key_kind in ('header', 'identifier', 'request', 'random')),
	key          bytea       not null check (octet_length(key) = 32),             -- SHA-256 of the key
	client       text        not null,
	request_id   text        not null,
	state        text        not null check (state in ('completed', 'rejected', 'quarantined', 'cancelled')),
	settled_at   timestamptz not null,
	attempts     int         not null check (attempts > 0),                       -- deliveries until it settled
	readers      text[]      not null default '{}',
	bundle_type  text        not null,
	request      text,                                -- ServiceRequest/id that the next three are of
	patient      text,                                -- Patient/id
	service      text,                                -- what is asked for, in the sender's words
	priority     text,
	resources    text[]      not null default '{}',   -- Type/id/_history/version, in the order of the entries
	outcome      text,                                -- OperationOutcome
	content      bytea       not null,                -- the request's body as received, compressed
	encoding     text        not null check (encoding in ('zstd')),
	sha256       bytea       not null check (octet_length(sha256) = 32),          -- of the body as received
	primary key (org, d)
);
alter table submission alter content set storage external;
-- The first to settle holds a key; a rejected one lets go of it.
create unique index submission_key on submission (org, key_kind, key) where state <> 'rejected';
-- An addressed reader looks a submission up by d alone: it does not know the sender's organisation.
create index submission_d on submission (d);

-- The current version of every resource. A resource reads as
-- {"resourceType":…,"id":…,"meta":{"versionId":…,"lastUpdated":…,meta},content}: nothing is parsed to serve it.
create table resource (
	id           uuid        primary key,
	type         text        not null,
	org          text        not null check (org <> ''),
	readers      text[]      not null default '{}',   -- organisations it is addressed to
	version      int         not null check (version > 0),
	last_updated timestamptz not null,
	vid          int8        not null unique,         -- of this version: 41 bits ms since 2020, 12 bits block, 10 bits entry
	meta         text        not null,                -- the sender's members of meta, as written but for white space
	content      text        not null                 -- the members beside resourceType, id and meta, likewise
);

-- Superseded versions only.
create table history (
	id           uuid        not null,
	version      int         not null check (version > 0),
	type         text        not null,
	org          text        not null check (org <> ''),
	readers      text[]      not null default '{}',
	last_updated timestamptz not null,
	meta         text        not null,
	content      text        not null,
	primary key (id, version)
);

-- lz4 packs attachments better and faster than pglz; not every build of PostgreSQL has it.
-- +goose StatementBegin
do $$
begin
	alter table resource alter content set compression lz4;
	alter table history alter content set compression lz4;
exception when feature_not_supported then
	null;
end
$$;
-- +goose StatementEnd

-- Tokens and references, hashed to one scalar: only equality and ranges on scalars use an index under row-level
-- security. No tenant here: every read goes on to resource, which has one.
create table idx (
	h   int8 not null,
	vid int8 not null,
	primary key (h, vid)
);

-- Strings, lower-cased; a prefix is a range.
create table str (
	h   int8             not null,
	val text collate "C" not null,
	vid int8             not null,
	primary key (h, val, vid)
);

create sequence vid_block;

create table audit (
	id       int8        generated always as identity primary key,
	recorded timestamptz not null default clock_timestamp(),
	org      text        not null check (org <> ''),
	readers  text[]      not null default '{}',
	client   text        not null,
	action   text        not null check (action in ('C', 'R', 'U', 'D', 'E')),  -- AuditEvent.action
	outcome  text        not null check (outcome in ('0', '4', '8', '12')),     -- AuditEvent.outcome
	entity   text        not null                                               -- what was accessed: a reference
);

alter table submission enable row level security;
alter table submission force row level security;
alter table resource enable row level security;
alter table resource force row level security;
alter table history enable row level security;
alter table history force row level security;
alter table audit enable row level security;
alter table audit force row level security;

-- After a transaction that set it locally app.org is '', not null: nullif makes that nobody.
create policy read_submission on submission for select to referral_processor, referral_query
	using (org = nullif(current_setting('app.org', true), '') or readers @> array[nullif(current_setting('app.org', true), '')]);
create policy insert_submission on submission for insert to referral_processor
	with check (org = nullif(current_setting('app.org', true), ''));
create policy update_submission on submission for update to referral_processor
	using (org = nullif(current_setting('app.org', true), ''));
create policy read_resource on resource for select to referral_processor, referral_query
	using (org = nullif(current_setting('app.org', true), '') or readers @> array[nullif(current_setting('app.org', true), '')]);
create policy insert_resource on resource for insert to referral_processor
	with check (org = nullif(current_setting('app.org', true), ''));
create policy read_history on history for select to referral_processor, referral_query
	using (org = nullif(current_setting('app.org', true), '') or readers @> array[nullif(current_setting('app.org', true), '')]);
create policy insert_history on history for insert to referral_processor
	with check (org = nullif(current_setting('app.org', true), ''));
create policy read_audit on audit for select to referral_processor, referral_query
	using (org = nullif(current_setting('app.org', true), ''));
create policy insert_audit on audit for insert to referral_processor, referral_query
	with check (org = nullif(current_setting('app.org', true), ''));

grant select, insert, update on submission to referral_processor;
grant select on submission to referral_query;
grant select, insert on resource, history, idx, str to referral_processor;
grant select on resource, history, idx, str to referral_query;
grant insert on audit to referral_processor, referral_query;
grant usage on sequence vid_block to referral_processor;
