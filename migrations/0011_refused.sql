-- What mail servers refused because of the mailbox is taken in like what came back later; few mails are.
create index mails_refused on mails (finished_at) where outcome in ('refused', 'given-up');
