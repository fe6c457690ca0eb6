-- Who read what, and of whom. Each statement may run again.
-- +goose Up

alter table audit
	add column if not exists request_id  text,
	add column if not exists interaction text,   -- FHIR R4 restful-interaction, or the name of an operation; null: an earlier release wrote it
	add column if not exists query       text,   -- of the request, as it was understood
	add column if not exists patient     uuid,   -- whom it is about: one row for each patient
	add column if not exists resources   text[]; -- Type/id/_history/version of what was shown
create index if not exists audit_patient on audit (patient, id) where patient is not null;

-- Nobody changes what is recorded: not the tables' owner, and no superuser by mistake.
-- +goose StatementBegin
create or replace function keep_audit() returns trigger language plpgsql as $$
begin
	raise exception using errcode = 'insufficient_privilege', message = 'the audit is only added to';
end
$$;
-- +goose StatementEnd
create or replace trigger keep_audit before update or delete or truncate on audit for each statement execute function keep_audit();

-- The operator, who sends and receives nothing, reads all of it.
drop policy if exists read_all_audit on audit;
create policy read_all_audit on audit for select to referral_query
	using (nullif(current_setting('app.org', true), '') = 'operator');
grant select on audit to referral_query;
