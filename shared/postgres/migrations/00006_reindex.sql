-- Writing the search index anew, for all organisations at once. Each statement may run again.
-- +goose Up

-- The role of referralctl reindex. It reads every organisation's resources, and adds to the index; the servers' logins are
-- no members of it.
-- +goose StatementBegin
do $$
begin
	create role referral_reindex nologin;
exception when duplicate_object or unique_violation then
	null;
end
$$;
-- +goose StatementEnd
drop policy if exists reindex_resource on resource;
create policy reindex_resource on resource for select to referral_reindex using (true);
grant select on resource to referral_reindex;
grant insert on idx to referral_reindex;

-- Names are in idx as well, by their first letters: no release has written this table.
drop table if exists str;
