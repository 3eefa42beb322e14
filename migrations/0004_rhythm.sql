-- The hour and the day of digests, quiet hours, pauses, and reminders.

alter table subscribers
    -- What a person has chosen of their digests: an hour, a day of the week,
    -- working days only. Their searches' cadences hold it, too, so that
    -- matching need not look at people.
    add column digest_time time,
    add column digest_day text check (digest_day in ('Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun')),
    add column digest_working_days boolean not null default false,
    -- When they last chose another rhythm: digests go by it from then on.
    add column rhythm_since timestamptz,
    -- The first day on which their alerts do not rest any more, and whether
    -- registrations rest, too.
    add column paused_until date,
    add column pause_registrations boolean not null default false;
-- A pause has an end, and is no state: a promise breaks through it.
update subscribers set state = 'active', paused_until = '2200-12-31', pause_registrations = true
where state = 'paused';
alter table subscribers
    drop constraint subscribers_state_check,
    add constraint subscribers_state_check
        check (state in ('unconfirmed', 'active', 'suppressed', 'lapsed'));

-- "immediate", "paused", or the name of a schedule and what was chosen of it:
-- "weekly Fri 18:00 working-days".
alter table searches
    drop constraint searches_cadence_check,
    add constraint searches_cadence_check check (cadence ~ '^[a-z0-9-]{1,40}( [A-Za-z0-9:-]{1,12}){0,3}$');

-- The cadences that searches have or had: few, so that matching can say for
-- each of them when its next word is due.
create table cadences (
    name text primary key collate "C"
);
insert into cadences select distinct cadence from searches;

-- Registrations that ask to be reminded before the door shuts.
alter table registrations add column reminder boolean not null default false;

alter table alerts
    -- It waits for the tick of a schedule: what was asked for at once is
    -- claimed before it.
    add column unhurried boolean not null default false,
    -- When they were reminded that it closes soon.
    add column reminded_at timestamptz;
drop index alerts_due;
create index alerts_due on alerts (unhurried, due_at, subscriber_id) where due_at is not null;

-- A mail that is no haste: people get few of these on one day.
alter table mails add column unhurried boolean not null default false;
create index mails_unhurried on mails (subscriber_id, claimed_at) where unhurried;

-- The digests: for a person, a schedule and a local day there is one, whatever
-- happens to clocks and schedules.
create table digests (
    subscriber_id bigint not null references subscribers on delete cascade,
    schedule      text   not null collate "C",
    local_date    date   not null,
    mail_id       bigint not null,
    primary key (subscriber_id, schedule, local_date)
);
create index digests_by_mail on digests (mail_id);
