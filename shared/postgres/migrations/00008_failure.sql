-- What fails, and what operators do about it. Each statement may run again.
-- +goose Up

-- Submissions whose settling failed for a reason that may be their own. Outages leave no row.
create table if not exists failure (
	org      text        not null check (org <> ''),
	d        bytea       not null check (octet_length(d) = 16),
	tries    int         not null check (tries >= 0),                 -- that failed since it was quarantined last
	class    text        not null,                                    -- of the last failure, and
	code     text        not null,                                    -- what it was: an SQLSTATE or a word
	first_at timestamptz not null default clock_timestamp(),
	last_at  timestamptz not null default clock_timestamp(),
	primary key (org, d)
);
alter table failure enable row level security;
alter table failure force row level security;
drop policy if exists read_failure on failure;
drop policy if exists insert_failure on failure;
drop policy if exists update_failure on failure;
create policy read_failure on failure for select to referral_processor
	using (org = nullif(current_setting('app.org', true), ''));
create policy insert_failure on failure for insert to referral_processor
	with check (org = nullif(current_setting('app.org', true), ''));
create policy update_failure on failure for update to referral_processor
	using (org = nullif(current_setting('app.org', true), ''));
grant select, insert, update (tries, class, code, last_at) on failure to referral_processor;

-- Why an operator did it; null: nobody asked.
alter table audit add column if not exists reason text;

-- A submission may be quarantined because its body is missing or another's, and settle with the right one later. Rows in
-- any other state are out of reach of this role.
grant update (content) on submission to referral_processor;
