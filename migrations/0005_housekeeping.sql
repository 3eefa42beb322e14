-- What is done by the clock: forgetting, settling, and asking people whether
-- they still want to hear.

-- What is done by the clock, and since when. A chore begins to run when it is
-- first seen here: what would have been before is not made up for.
create table chores (
    chore text        primary key collate "C",
    since timestamptz not null
);

-- Each time at which a chore ran. The key is how processes agree: whoever
-- writes the row has taken that time, and whoever holds the row does a part of
-- the work. Of times that were missed only the latest has a row.
create table chore_ticks (
    chore       text        not null collate "C",
    tick_at     timestamptz not null,
    begun_at    timestamptz not null,
    finished_at timestamptz,
    -- The rows that it has written or removed.
    handled     bigint      not null default 0,
    -- How far it is: which part of the chore, and up to which key.
    part        smallint    not null default 0,
    cursor      bigint      not null default 0,
    primary key (chore, tick_at)
);
create index chore_ticks_unfinished on chore_ticks (chore) where finished_at is null;

-- Mails to a person that are about no opening: whether they still want to
-- hear, the one reminder, and that we have stopped. A letter is due until it
-- was sent or has ended; each is written once for one confirmation.
create table letters (
    id            bigint generated always as identity primary key,
    subscriber_id bigint      not null references subscribers on delete cascade,
    kind          text        not null collate "C"
                  check (kind in ('still-interested', 'still-interested-reminder', 'lapsed')),
    -- The person's latest confirmation when it was written; a later one is an answer.
    confirmed_at  timestamptz not null,
    -- The time of the chore that wrote it.
    made_at       timestamptz not null,
    due_at        timestamptz,
    -- What was deleted, to be told; gone when it is told.
    held          jsonb,
    -- The mail that it left in, or is leaving in.
    mail_id       bigint,
    sent_at       timestamptz,
    -- Why it ended without being sent, if it did.
    ended         text,
    over_at       timestamptz,
    constraint letters_once unique (subscriber_id, kind, confirmed_at)
);
create index letters_due on letters (due_at, subscriber_id) where due_at is not null;
create index letters_by_mail on letters (mail_id) where mail_id is not null;

-- When a person who lapsed was asked. A confirmation after that is an answer,
-- also one that reached us late: it makes them active again.
alter table subscribers add column unanswered_since timestamptz;

-- Who did what to whom. Only ever added to; old rows are removed.
create table audit (
    id      bigint generated always as identity primary key,
    at      timestamptz not null,
    actor   text        not null,
    action  text        not null,
    -- The person's public id; never an address.
    subject uuid,
    detail  jsonb       not null default '{}'
);
create index audit_by_age on audit (at);
create function audit_stays_as_it_is() returns trigger language plpgsql as $$
begin
    raise exception 'audit is only ever added to';
end $$;
create trigger audit_stays_as_it_is before update on audit
    for each row execute function audit_stays_as_it_is();

-- What became of promises whose alerts are gone, in numbers: with them the
-- ledger of an old cycle still adds up.
create table past_promises (
    opening_id   bigint not null references openings on delete cascade,
    outcome      text   not null
                 check (outcome in ('kept', 'kept-late', 'broken', 'explained', 'released')),
    -- Why they were released; empty for the others.
    reason       text   not null,
    promises     bigint not null,
    -- How many of them were told the date before the door opened.
    advance_told bigint not null,
    primary key (opening_id, outcome, reason)
);
