-- Providers of mailboxes, and relays: what they are spared, and what they said.

-- Whose mails a provider was given that are still on their way is counted at a claim.
create index mails_in_hand_by_provider on mails (provider) where worker is not null;

alter table mails
    -- What the last refusal meant, by the reply's codes: whose fault it was. Null before the first
    -- refusal and after the mail was taken.
    add column verdict text check (verdict in (
        'later', 'full', 'busy', 'away', 'no-mailbox', 'shut', 'too-large', 'not-international', 'policy',
        'refused'));

-- What a provider or a relay was given in the running minute and day, so that limits hold for all
-- processes together and over restarts. Rows only where there is a limit; a row is the lock as well.
create table allowances (
    -- 'provider/' and the name of a group or a domain, or 'relay/' and a name.
    scope     text        primary key collate "C",
    minute    timestamptz not null,
    in_minute bigint      not null,
    -- UTC.
    day       date        not null,
    in_day    bigint      not null
);

-- Providers and relays that take nothing from us just now, or did not take the last mails. Where
-- all is well there is no row.
create table breakers (
    -- As in allowances.
    scope      text        primary key collate "C",
    state      text        not null check (state in ('closed', 'open', 'probing')),
    -- Open: no mail goes before this time. Probing: one has gone, and if nothing is heard of it by
    -- this time another may.
    until      timestamptz check ((until is null) = (state = 'closed')),
    -- Mails put off in a row, and openings in a row, with none taken in between.
    run        integer     not null,
    times      integer     not null,
    -- What was said last: the codes of the reply, or how the connection ended. Never an address.
    reason     text        not null,
    changed_at timestamptz not null
);

-- What the domain name system says of mail domains, as of some time.
create table mail_domains (
    domain       text        primary key collate "C",
    -- Its mail servers, in lower case; none if it has no MX records. Null if it could not be found out.
    servers      text[] collate "C",
    -- It says that it takes no mail at all (RFC 7505).
    nobody       boolean     not null,
    looked_up_at timestamptz not null
);
