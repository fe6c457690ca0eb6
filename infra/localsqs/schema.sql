-- The queues of localsqs. Running this again changes nothing; the lock lets two starts meet.
select pg_advisory_xact_lock(hashtext('localsqs schema'));

create schema if not exists sqs;

create table if not exists sqs.queue (
    id          integer generated always as identity primary key,
    name        text not null unique,
    attributes  jsonb not null, -- as set by CreateQueue and SetQueueAttributes: name to string
    created_at  timestamptz not null,
    modified_at timestamptz not null
);

-- No foreign key to sqs.queue: its check would lock the queue's one row on every send.
create table if not exists sqs.message (
    seq               bigint generated always as identity primary key,
    queue_id          integer not null,
    message_id        uuid not null,
    body              text not null,
    body_md5          bytea not null,
    attributes        json,        -- MessageAttributes as sent
    group_id          text,        -- MessageGroupId
    trace_header      text,        -- AWSTraceHeader
    sender_id         text not null,
    sent_at           timestamptz not null, -- kept when the message moves to a dead-letter queue
    visible_at        timestamptz not null,
    lease             bigint not null default 0,  -- a new random number with every receive
    receive_count     integer not null default 0, -- over all queues: ApproximateReceiveCount
    queue_receives    integer not null default 0, -- in this queue: what maxReceiveCount limits
    first_received_at timestamptz,
    source_queue_id   integer      -- where a dead letter came from
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);

-- Bodies are mostly compressed already; trying again would only cost time.
alter table sqs.message alter column body set storage external;

create index if not exists message_receivable on sqs.message (queue_id, visible_at, seq);

-- StartMessageMoveTask. A task that was running when the server ended goes on with the next one.
create table if not exists sqs.move_task (
    seq             bigint generated always as identity primary key, -- newest last
    task_id         uuid not null unique,
    source_arn      text not null,
    destination_arn text,             -- null: back to where each message came from
    max_per_second  integer,          -- null: as fast as it goes
    status          text not null check (status in ('RUNNING', 'CANCELLING', 'CANCELLED', 'COMPLETED', 'FAILED')),
    failure_reason  text,
    to_move         bigint not null,  -- counted at the start
    moved           bigint not null default 0,
    started_at      timestamptz not null
);

create unique index if not exists move_task_active on sqs.move_task (source_arn) where status in ('RUNNING', 'CANCELLING');
