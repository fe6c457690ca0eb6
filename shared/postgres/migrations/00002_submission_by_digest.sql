-- An addressed reader looks a submission up by d alone: it does not know the sender's organisation. Not unique: what
-- makes a submission one is (org, d).
-- +goose Up
create index submission_d on submission (d);
