-- A mail of which nobody knew whether it arrived is sent again as the same mail, and may come back again.

alter table returns
    -- How the try that came back is told from others of the same mail: when it ended, as the mail says; null
    -- while nobody knows how it did, and for what is no bounce.
    add column finished_at timestamptz;
update returns r set finished_at = m.finished_at
from mails m where m.id = r.mail_id and r.kind = 'bounce';
alter table returns
    drop constraint returns_once,
    add constraint returns_once unique nulls not distinct (subscriber_id, kind, mail_id, finished_at);
