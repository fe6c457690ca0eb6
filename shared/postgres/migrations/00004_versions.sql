-- Updates and deletes: resource has what is there now, history every version that was, a deletion being one.
-- +goose Up

-- Like a resource, a version is written for a request that was accepted at some time; later acceptance wins. Null: at
-- the time in the UUIDv7 of the id, since the version was written when the resource was created.
alter table resource add column accepted_at timestamptz;
alter table history add column accepted_at timestamptz;
-- A version that says that the resource was deleted; meta and content are empty.
alter table history add column deleted boolean not null default false;

-- Of a Task the organisation that owns it: it reads the Task, and writes how it stands.
alter table resource add column owner text;

-- referral.Answer of each entry, or one for the whole request, as JSON; null: all that was sent was created.
alter table submission add column answers text;
-- What the sender wants to see of what was written (Prefer: return).
alter table submission add column "return" text;

create policy update_resource on resource for update to referral_processor
	using (org = nullif(current_setting('app.org', true), '') or owner = nullif(current_setting('app.org', true), ''));
create policy supersede_owned on history for insert to referral_processor
	with check (exists (
		select from resource r where r.id = history.id and r.org = history.org and r.owner = nullif(current_setting('app.org', true), '')
	));
create policy delete_resource on resource for delete to referral_processor
	using (org = nullif(current_setting('app.org', true), ''));
grant update, delete on resource to referral_processor;
grant delete on idx, str to referral_processor;

-- A sender cancels what has not settled: the row is there before the message is, which then finds itself settled.
create policy cancel_submission on submission for insert to referral_query
	with check (org = nullif(current_setting('app.org', true), '') and state = 'cancelled');
create policy cancel_quarantined on submission for update to referral_query
	using (org = nullif(current_setting('app.org', true), '') and state = 'quarantined')
	with check (org = nullif(current_setting('app.org', true), '') and state = 'cancelled');
create policy list_cancelled on listing for insert to referral_query
	with check (sender = nullif(current_setting('app.org', true), '') and state = 'cancelled');
create policy unlist_quarantined on listing for delete to referral_query
	using (sender = nullif(current_setting('app.org', true), '') and state = 'quarantined');
grant insert, update on submission to referral_query;
grant insert, delete on listing to referral_query;
