-- What one mailbox says of us may be its own rule; only when enough different people's say so in a row,
-- with no mail taken in between, does it stand for their provider.

alter table breakers
    -- Whose mailboxes have said so since the last mail that was taken, or since it last opened.
    add column people bigint[] not null default '{}';
