-- Seals over the audit: each signs a range of it and the seal before. Each statement may run again.
-- +goose Up

create table if not exists audit_seal (
	number    int8        primary key check (number > 0),     -- one after the other
	first_id  int8        not null,                            -- of audit: the one behind the range of the seal before
	last_id   int8        not null check (last_id >= first_id),
	rows      int8        not null,
	digest    bytea       not null check (octet_length(digest) = 32),    -- SHA-256 of the rows
	signature bytea       not null check (octet_length(signature) = 16), -- under Km, of all this and the signature before
	sealed_at timestamptz not null default clock_timestamp()
);
create or replace trigger keep_audit_seal before update or delete or truncate on audit_seal for each statement execute function keep_audit();

-- The role of referralctl audit seal and verify. It reads the audit of all; the servers' logins are no members of it.
-- +goose StatementBegin
do $$
begin
	create role referral_audit nologin;
exception when duplicate_object or unique_violation then
	null;
end
$$;
-- +goose StatementEnd
drop policy if exists seal_audit on audit;
create policy seal_audit on audit for select to referral_audit using (true);
grant select on audit to referral_audit;
grant select, insert on audit_seal to referral_audit;
