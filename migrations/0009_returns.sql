-- Mails that come back, complaints, and addresses to which nothing is sent any more.

-- What came back to us about a mail or a person. A mail comes back once: its report may reach us
-- twice, from several servers, or also over the webhook. The person may be forgotten, and these with
-- them; the suppression stays.
create table returns (
    id            bigint generated always as identity primary key,
    subscriber_id bigint      not null references subscribers on delete cascade,
    -- None if it is only known who was meant: the token to stop that a complaint shows names no mail.
    mail_id       bigint,
    kind          text        not null check (kind in ('bounce', 'delayed', 'complaint')),
    -- What a bounce says of the mailbox, and the status code that says so.
    weight        text        check (weight in ('gone', 'shut', 'soft', 'policy', 'ours')),
    status        text,
    source        text        not null check (source in ('mail', 'webhook', 'smtp')),
    at            timestamptz not null,
    constraint returns_once unique nulls not distinct (subscriber_id, kind, mail_id)
);
create index returns_by_age on returns (at);

-- What reached us, in numbers, day by day: also what changed nothing, such as forged reports, which
-- are not worth a row each.
create table return_counts (
    day   date   not null,
    what  text   not null collate "C",
    count bigint not null,
    primary key (day, what)
);

-- Addresses to which nothing is sent, as keyed hashes. They refer to nobody and outlive everything
-- else that is known of the person: an import of an old list must not bring them back.
create table suppressions (
    address_hash bytea       primary key check (octet_length(address_hash) = 32),
    reason       text        not null
                 check (reason in ('hard-bounce', 'soft-bounces', 'complaint', 'stop', 'operator', 'erased')),
    since        timestamptz not null
);

-- Until when nothing that can wait is sent to somebody whose last mail came back.
alter table subscribers add column slow_until timestamptz;
