-- Who said stop, what that ended, and how it is taken back.

-- Each stop: what was ended, by which way, and what it takes to undo it. The person may be
-- forgotten; that there was a stop is then still a number.
create table stops (
    id            bigint generated always as identity primary key,
    subscriber_id bigint      references subscribers on delete set null,
    -- What the mail was about, or everything.
    scope         text        not null check (scope in ('these', 'all')),
    route         text        not null
                  check (route in ('one-click', 'page', 'mail', 'complaint', 'bounce', 'operator')),
    at            timestamptz not null,
    -- The mail that they stopped from, if it is known which. It may be gone by now.
    mail_id       bigint,
    -- What it ended (searches, registrations, alerts, and what the person was to us before), as
    -- long as it can be undone.
    held          jsonb,
    undone_at     timestamptz
);
create index stops_by_person on stops (subscriber_id);
create index stops_held on stops (at) where held is not null;
create index stops_by_age on stops (at);

-- What people have taken back of what they agreed to, when and by which way: the other side of
-- consents, and only ever added to. An undo adds nothing here; it is in stops and in the audit.
create table withdrawals (
    subscriber_id bigint      not null references subscribers on delete cascade,
    withdrawn_at  timestamptz not null,
    scope         text        not null check (scope in ('these', 'all')),
    route         text        not null,
    primary key (subscriber_id, withdrawn_at, scope)
);
create function withdrawals_stay_as_they_are() returns trigger language plpgsql as $$
begin
    raise exception 'withdrawals are only ever added to';
end $$;
create trigger withdrawals_stay_as_they_are before update on withdrawals
    for each row execute function withdrawals_stay_as_they_are();

-- Stopped: they said stop to everything. Other than who lapsed, they said it themselves, and are
-- forgotten soon after.
alter table subscribers
    drop constraint subscribers_state_check,
    add constraint subscribers_state_check
        check (state in ('unconfirmed', 'active', 'suppressed', 'lapsed', 'stopped'));
create index subscribers_stopped on subscribers (id) where state = 'stopped';

alter table mails
    -- What a mail is about, as the person asked for it, so that just that can be stopped from the
    -- mail as long as it is known. Empty for mails from before, and for those about no wish in
    -- particular: from these everything is stopped.
    add column searches bigint[] not null default '{}',
    add column programmes text[] not null default '{}';
