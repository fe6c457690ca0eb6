-- Who may write what, as narrow as what the releases since 00004 do. Each statement may run again.
-- +goose Up

-- Of the submission that wrote a version: where two were accepted in the same millisecond, it decides between them.
-- Null: an earlier release wrote it.
alter table resource add column if not exists d bytea;
alter table history add column if not exists d bytea;

-- A resource stays what it is and whose it is. Revoking from the table revokes from the columns.
-- +goose StatementBegin
do $$
begin
	revoke update on resource from referral_processor;
	grant update (readers, owner, version, last_updated, vid, meta, content, accepted_at, d) on resource to referral_processor;
	revoke update on submission from referral_processor;
	grant update (accepted_at, state, settled_at, attempts, readers, request, patient, service, priority, authored,
		resources, outcome, answers, "return") on submission to referral_processor;
	revoke insert, update on submission from referral_query;
	grant insert (org, d, accepted_at, key_kind, key, client, request_id, state, settled_at, attempts,
		bundle_type, content, encoding, sha256, listed) on submission to referral_query;
	grant update (state, settled_at, key_kind, key) on submission to referral_query;
end
$$;
-- +goose StatementEnd

-- A settled state never changes back.
alter policy update_submission on submission
	using (org = nullif(current_setting('app.org', true), '') and state = 'quarantined')
	with check (org = nullif(current_setting('app.org', true), ''));

-- The owner of another's Task writes its next version and keeps the one that was; who reads it, and who owns it, is
-- not the owner's to change.
alter policy update_resource on resource
	using (org = nullif(current_setting('app.org', true), '') or type = 'Task' and owner = nullif(current_setting('app.org', true), ''));
alter policy supersede_owned on history
	with check (not deleted and exists (
		select from resource r
		where r.id = history.id and r.version = history.version and r.org = history.org and r.type = history.type and r.type = 'Task'
			and r.owner = nullif(current_setting('app.org', true), '')
			and (r.readers, r.last_updated, r.meta, r.content) = (history.readers, history.last_updated, history.meta, history.content)
	));

-- +goose StatementBegin
create or replace function keep_task() returns trigger language plpgsql as $$
begin
	if (new.owner, new.readers, new.version) is distinct from (old.owner, old.readers, old.version + 1) then
		raise exception using errcode = 'insufficient_privilege', message = 'the owner of a Task writes its next version only';
	end if;
	return new;
end
$$;
-- +goose StatementEnd
create or replace trigger keep_task before update on resource for each row
	when (old.owner = nullif(current_setting('app.org', true), '') and old.owner <> old.org) execute function keep_task();

-- What its sender has cancelled is in the sender's list alone: none of it is anybody else's.
alter policy list_cancelled on listing
	with check (org = sender and sender = nullif(current_setting('app.org', true), '') and state = 'cancelled');
-- +goose StatementBegin
create or replace function list_submission() returns trigger language plpgsql as $$
begin
	if tg_op = 'UPDATE' then
		delete from listing l
		where l.org = any (array_append(old.readers, old.org)) and l.settled_at = old.settled_at and l.d = old.d;
	end if;
	insert into listing (org, settled_at, d, sender, state, priority)
	select o.org, new.settled_at, new.d, new.org, new.state,
		case when o.org = new.org or exists (
			select from resource r where r.id = split_part(new.request, '/', 2)::uuid and r.readers @> array[o.org]
		) then new.priority end
	from unnest(array_append(new.readers, new.org)) o(org)
	where o.org = new.org or new.state <> 'cancelled'
	on conflict do nothing; -- a sender may address itself
	return null;
end
$$;
-- +goose StatementEnd
