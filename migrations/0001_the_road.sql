-- The road from an event to a mail: every arrow of it is a table here.
--
-- Keys are bigint, not uuid: half the size in the large tables and their
-- indexes. What leaves the program (a person in a mail's id, say) is a public
-- id of its own. Text that is compared byte by byte has the C collation.

-- Every event that was understood, as it came, in order of arrival. It makes
-- intake once-only, and a vacancy's truth is worked out anew from all of its
-- events, so their order of arrival does not matter. No personal data is ever
-- on the queue.
create table events (
    id          bigint generated always as identity primary key,
    source      text        not null collate "C",
    event_id    text        not null collate "C",
    type        text        not null collate "C",
    -- What it is about, normalised: 'vacancy/230000P0'. Test events have subjects
    -- of their own, 'test-vacancy/...', and never meet the real ones.
    subject     text        not null collate "C",
    version     bigint,
    time        timestamptz not null,
    received_at timestamptz not null,
    test        boolean     not null,
    data        jsonb       not null,
    constraint events_once unique (source, event_id)
);
create index events_by_subject on events (subject, id);

-- The truth about each thing that people can be told of: one row for each
-- posting of a vacancy.
create table openings (
    id               bigint generated always as identity primary key,
    subject          text        not null collate "C",
    -- 1 for the first posting; a vacancy posted again after it was shut begins the next.
    posting          integer     not null,
    state            text        not null check (state in ('posted', 'closed', 'withdrawn')),
    close_reason     text,
    opens_at         timestamptz not null,
    -- The first moment at which the clock shuts the door; null while no end is known.
    door_shuts_at    timestamptz,
    facts            jsonb       not null,
    -- When the source says it was posted, and when that was first seen here.
    posted_at        timestamptz not null,
    seen_at          timestamptz not null,
    test             boolean     not null,
    -- The last event that spoke.
    version          bigint,
    event_time       timestamptz not null,
    -- Rises when state or facts change. Matching has done all up to
    -- matched_revision and, of the next, all subscribers up to match_cursor.
    revision         integer     not null,
    matched_revision integer     not null default 0,
    match_cursor     bigint      not null default 0,
    -- Why matching cannot read this row, if so; tried again at every start.
    fault            text,
    -- An event that posted it: whatever arrives later, the posting that holds
    -- this event is this row's.
    anchor_event_id  bigint      not null,
    -- It has turned out to be the same posting as an earlier row.
    absorbed         boolean     not null default false,
    constraint openings_once unique (subject, posting)
);
create index openings_to_match on openings (id) where matched_revision < revision and fault is null;

-- What was true at each revision, so that "what was this person told" is a
-- number in an alert and a row here.
create table opening_revisions (
    opening_id   bigint      not null references openings on delete cascade,
    revision     integer     not null,
    state        text        not null,
    close_reason text,
    facts        jsonb       not null,
    recorded_at  timestamptz not null,
    primary key (opening_id, revision)
);

create table subscribers (
    id         bigint generated always as identity primary key,
    public_id  uuid        not null default gen_random_uuid() unique,
    -- As given, for sending; and folded, so that one person is one row.
    address    text        not null,
    lookup     text        not null collate "C" unique,
    state      text        not null default 'active'
               check (state in ('unconfirmed', 'active', 'paused', 'suppressed', 'lapsed')),
    -- Neither subject nor sender's name may say what the mail is about.
    discreet   boolean     not null default false,
    -- Local times between which nothing but the most urgent may arrive.
    quiet_from time,
    quiet_to   time,
    created_at timestamptz not null
);

-- Who agreed to what, when and where. Never changed, only added to.
create table consents (
    subscriber_id   bigint      not null references subscribers on delete cascade,
    given_at        timestamptz not null,
    wording_version text        not null,
    source          text        not null,
    recorded_at     timestamptz not null,
    primary key (subscriber_id, given_at, wording_version, source)
);

-- What searches ask for, each different question once: a hundred thousand
-- people ask some few thousand questions, and an advert is held against the
-- questions. The columns are what matching needs of "written"; null means that
-- the search does not say.
create table criteria (
    id             bigint generated always as identity primary key,
    fingerprint    uuid    not null unique,
    written        jsonb   not null,
    -- It names slugs that the taxonomy did not know; read again when that changes.
    unknown        boolean not null,
    -- What the index knows it by: the values of its most telling dimension.
    anchors        text[]  not null collate "C",
    families_any   text[] collate "C",
    families_all   text[] collate "C",
    families_not   text[] collate "C",
    ranks_any      text[] collate "C",
    ranks_all      text[] collate "C",
    ranks_not      text[] collate "C",
    places_any     text[] collate "C",
    places_all     text[] collate "C",
    places_not     text[] collate "C",
    contracts_any  text[] collate "C",
    contracts_all  text[] collate "C",
    contracts_not  text[] collate "C",
    hours_any      text[] collate "C",
    hours_all      text[] collate "C",
    hours_not      text[] collate "C",
    audiences_any  text[] collate "C",
    audiences_all  text[] collate "C",
    audiences_not  text[] collate "C",
    keywords_any   text[] collate "C",
    keywords_all   text[] collate "C",
    keywords_not   text[] collate "C",
    pay_at_least   bigint,
    -- It names ranks, or serving officers: it may see ranks above sergeant.
    wants_senior   boolean not null
);
create index criteria_by_anchor on criteria using gin (anchors);

create table searches (
    id            bigint generated always as identity primary key,
    subscriber_id bigint not null references subscribers on delete cascade,
    name          text   not null,
    cadence       text   not null check (cadence in ('immediate', 'daily', 'weekly', 'paused')),
    criteria_id   bigint not null references criteria,
    constraint searches_one_of_a_name unique (subscriber_id, name)
);
-- From a question to the people who asked it, without touching the table.
create index searches_by_criteria on searches (criteria_id, subscriber_id) include (cadence);

create table registrations (
    subscriber_id bigint not null references subscribers on delete cascade,
    programme     text   not null collate "C",
    -- The first day of the month before which the person wants to hear nothing.
    not_before    date,
    created_at    timestamptz not null,
    primary key (subscriber_id, programme)
);

-- Who is to be told of what, what they were last told, and when the next word
-- is due. One row for a person and an opening, for ever.
--
-- No foreign keys: they halve the rate at which a release of 400,000 is
-- written. Rows whose person is gone are removed with the person. Written
-- twice in a quiet life: when it is made, and when it is told.
create table alerts (
    subscriber_id      bigint not null,
    opening_id         bigint not null,
    -- When the next word is due; null when there is nothing more to say.
    due_at             timestamptz,
    -- What the person was last told: that the door was in this phase, would
    -- shut then, by this revision's facts, in this mail.
    told_phase         text,
    told_door_shuts_at timestamptz,
    told_revision      integer,
    told_mail_id       bigint,
    told_at            timestamptz,
    -- Why it ended without a word, if it did.
    ended              text,
    primary key (subscriber_id, opening_id)
) with (fillfactor = 90);
-- The one question of the program: who is due now?
create index alerts_due on alerts (due_at, subscriber_id) where due_at is not null;

-- Each mail from the moment it is claimed for sending. A mail keeps its
-- openings over retries, and its Message-ID as long as what it tells of them
-- stays the same, so that a repeat can be recognised.
create table mails (
    id            bigint generated always as identity primary key,
    subscriber_id bigint      not null,
    kind          text        not null,
    message_id    text        not null,
    openings      bigint[]    not null,
    revisions     integer[]   not null,
    -- The delivery worker in whose hands it is, see worker_ids; null while it waits
    -- and when it has ended.
    worker        integer,
    attempts      smallint    not null default 0,
    claimed_at    timestamptz not null,
    outcome       text check (outcome in ('accepted', 'refused', 'held', 'given-up', 'superseded')),
    -- What the mail server said last, without addresses.
    reply         text,
    finished_at   timestamptz
) with (fillfactor = 80);
-- A person is in one pair of hands at a time: this key is the lock.
create unique index mails_one_in_hand on mails (subscriber_id) where worker is not null;
create index mails_unfinished on mails (subscriber_id) where outcome is null;

-- A worker takes a number and holds the session lock of that number as long as
-- it lives. A mail in the hands of a number whose lock is free is nobody's.
create sequence worker_ids as integer cycle;
