-- Whether everybody who is owed a word of an open programme has it, is about to
-- get it, or has a reason not to: counted from what people registered for, and
-- not from the alerts that matching made of that.
create table reckonings (
    opening_id  bigint      primary key references openings on delete cascade,
    reckoned_at timestamptz not null,
    -- People who registered; the four add up to them.
    owed        bigint      not null,
    told        bigint      not null,
    pending     bigint      not null,
    ended       bigint      not null,
    -- Of these nothing is known: nobody would ever tell them.
    missing     bigint      not null,
    check (owed = told + pending + ended + missing)
);
