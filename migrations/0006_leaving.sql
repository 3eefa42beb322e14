-- Mails on their last step: asked for back, handed over, or nobody knows.

alter table mails
    -- While it is in a worker's hands: it must not leave any more. The person has said stop, say.
    add column recalled boolean not null default false,
    -- From just before its content is handed to the mail server until it is known whether that took
    -- it: what it tells, to be recorded if it did.
    add column leaving jsonb,
    -- The connection, or the sender, was lost in between: the mail may have arrived. It is not sent
    -- again before this time unless an operator says so. Stays when that has passed.
    add column unknown_until timestamptz,
    -- The provider group of the mailbox, so that limits hold for all processes together.
    add column provider text,
    drop constraint mails_outcome_check,
    -- Withheld: only listed addresses get mail here, and this is none of them.
    add constraint mails_outcome_check
        check (outcome in ('accepted', 'refused', 'held', 'given-up', 'superseded', 'withheld'));
