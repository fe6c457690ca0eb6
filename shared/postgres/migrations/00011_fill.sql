-- Tasks that their senders have left to whoever the patient chooses (AU eRequesting): they are open while they have no
-- owner at all, be it one that is no organisation known here. Each statement may run again.
-- +goose Up

-- Somebody of another organisation has become the owner of the Task: who comes too late is told so.
alter table resource add column if not exists claimed boolean not null default false;

-- Who has the scope fill finds the open Tasks of the group whose key in the index is app.fill.
drop policy if exists fill_task on resource;
create policy fill_task on resource for select to referral_query
	using (nullif(current_setting('app.org', true), '') is not null
		and type = 'Task' and owner is null and ('{' || content || '}')::json -> 'owner' is null
		and vid in (select i.vid from idx i where i.h = nullif(current_setting('app.fill', true), '')::int8));

-- Who has the scope fill becomes the owner of open Tasks; app.claim has their ids, with commas between them.
drop policy if exists read_claim on resource;
create policy read_claim on resource for select to referral_processor
	using (nullif(current_setting('app.org', true), '') is not null
		and id = any (string_to_array(nullif(current_setting('app.claim', true), ''), ',')::uuid[])
		and type = 'Task' and (claimed or owner is null and ('{' || content || '}')::json -> 'owner' is null));
drop policy if exists claim_task on resource;
create policy claim_task on resource for update to referral_processor
	using (type = 'Task' and owner is null and ('{' || content || '}')::json -> 'owner' is null
		and id = any (string_to_array(nullif(current_setting('app.claim', true), ''), ',')::uuid[]))
	with check (type = 'Task' and owner = nullif(current_setting('app.org', true), ''));
drop policy if exists supersede_claimed on history;
create policy supersede_claimed on history for insert to referral_processor
	with check (not deleted and nullif(current_setting('app.org', true), '') is not null and exists (
		select from resource r
		where r.id = history.id and r.version = history.version and r.org = history.org and r.type = history.type and r.type = 'Task'
			and r.owner is null and ('{' || r.content || '}')::json -> 'owner' is null
			and r.id = any (string_to_array(nullif(current_setting('app.claim', true), ''), ',')::uuid[])
			and (r.readers, r.last_updated, r.meta, r.content) = (history.readers, history.last_updated, history.meta, history.content)
	));

-- The owner of another's Task writes its next version. Who becomes the owner comes to read the Task, and nobody else does.
-- +goose StatementBegin
create or replace function keep_task() returns trigger language plpgsql as $$
declare
	claimer text := nullif(current_setting('app.org', true), '');
begin
	if old.owner is null then
		new.claimed := true;
		if new.owner = claimer and new.version = old.version + 1
			and new.readers @> (old.readers || claimer) and new.readers <@ (old.readers || claimer) then
			return new;
		end if;
	elsif (new.owner, new.readers, new.version) is not distinct from (old.owner, old.readers, old.version + 1) then
		return new;
	end if;
	raise exception using errcode = 'insufficient_privilege', message = 'the owner of a Task writes its next version only';
end
$$;
-- +goose StatementEnd
create or replace trigger keep_task before update on resource for each row
	when (old.org <> nullif(current_setting('app.org', true), '')) execute function keep_task();
