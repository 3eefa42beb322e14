-- Programmes and event days beside vacancies, what each person was last told,
-- and the ledger of promises.

-- What is true about an opening is one document: it is compared, kept for each
-- revision, and read as a whole. The columns beside it are what statements
-- need.
alter table openings add column truth jsonb;
update openings set truth = jsonb_build_object(
    'state', case state when 'posted' then 'open' else state end,
    'closeReason', close_reason,
    'openedAt', to_jsonb(opens_at),
    'shutAt', case when state <> 'posted' then to_jsonb(event_time) end,
    'explanation', null, 'replacedBy', null, 'earliest', null, 'nextExpected', null,
    'registrationStaysOpen', true,
    'facts', facts);
alter table openings drop constraint openings_state_check;
update openings set state = 'open' where state = 'posted';
alter table openings
    alter column truth set not null,
    add constraint openings_state_check
        check (state in ('announced', 'scheduled', 'open', 'closed', 'paused', 'withdrawn')),
    -- The name of a programme's cycle.
    add column cycle text collate "C",
    -- From when it is or was open; null while nobody has opened it.
    add column opened_at timestamptz,
    -- The last moves of the door, and the one before: feeds blink.
    add column moved_at timestamptz,
    add column moved_before_at timestamptz,
    -- The event that last changed the truth: when it happened, and when it was
    -- first seen here.
    add column news_time timestamptz,
    add column news_seen timestamptz,
    -- How full a programme is, as last reported; nobody is written to for it.
    add column percent_full double precision,
    -- The taxonomy under which it was matched: under another one, more
    -- registrations may reach it.
    add column matched_under text,
    -- Every promise about it has an outcome, as far as the closing goes.
    add column settled boolean not null default false;
update openings set opened_at = opens_at, moved_at = opens_at, news_time = posted_at, news_seen = seen_at;
alter table openings
    alter column news_time set not null,
    alter column news_seen set not null,
    drop column close_reason,
    drop column opens_at,
    drop column facts;
-- Doors that the clock shuts, to be settled when it does.
create index openings_to_settle on openings (door_shuts_at) where not settled;

alter table opening_revisions add column truth jsonb;
update opening_revisions set truth = jsonb_build_object(
    'state', case state when 'posted' then 'open' else state end,
    'closeReason', close_reason,
    'openedAt', (select to_jsonb(o.opened_at) from openings o where o.id = opening_id),
    'shutAt', case when state <> 'posted' then to_jsonb(recorded_at) end,
    'explanation', null, 'replacedBy', null, 'earliest', null, 'nextExpected', null,
    'registrationStaysOpen', true,
    'facts', facts);
alter table opening_revisions
    alter column truth set not null,
    drop column state,
    drop column close_reason,
    drop column facts;

-- An event day is matched by what it is about.
alter table criteria
    add column topics_any text[] collate "C",
    add column topics_all text[] collate "C",
    add column topics_not text[] collate "C";

alter table registrations
    -- When the person registered, by what they agreed to.
    add column registered_at timestamptz,
    -- The last day on which it holds.
    add column valid_until date,
    -- Whether what is announced or open already has been held against it.
    add column matched boolean not null default false;
update registrations set registered_at = created_at;
alter table registrations alter column registered_at set not null;
create index registrations_by_programme on registrations (programme, subscriber_id)
    include (not_before, valid_until, registered_at);
create index registrations_to_match on registrations (subscriber_id, programme) where not matched;

-- A promise is the alert of somebody who registered, for a cycle that was
-- scheduled or opened while they were.
alter table alerts
    -- The truth that was told says when the door would shut.
    drop column told_door_shuts_at,
    add column promise boolean not null default false,
    -- When they were told the date, before the door opened.
    add column advance_told_at timestamptz,
    -- What became of it; none while it is owed, or broken if the door is shut.
    add column outcome text check (outcome in ('kept', 'kept-late', 'explained', 'released')),
    -- Why it was released.
    add column outcome_reason text,
    add column outcome_at timestamptz,
    -- How long the door was still open when they were told that it was; none
    -- if no end was known.
    add column door_left interval;
-- The ledger, and who was told of an opening: searches that were not told cost
-- nothing here.
create index alerts_by_opening on alerts (opening_id, subscriber_id)
    where promise or told_revision is not null;
-- What is still owed: few of all that was ever promised.
create index alerts_outstanding on alerts (opening_id) where promise and outcome is null;

-- The mails that a mail belongs to, oldest first: a correction stands in the
-- thread of what it corrects.
alter table mails add column thread text[] not null default '{}';

-- What others may follow, on its way to the broker: ids and figures, never
-- people. A row goes when the broker has confirmed it.
create table outcome_events (
    id       bigint generated always as identity primary key,
    -- CloudEvents `id`: the same if it is published twice.
    event_id text        not null unique collate "C",
    type     text        not null collate "C",
    subject  text        not null collate "C",
    time     timestamptz not null,
    data     jsonb       not null
);
