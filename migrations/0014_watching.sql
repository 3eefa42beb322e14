-- What is asked every few seconds, so that the answer costs nothing when all is
-- well.

-- Nothing was said, nothing is due, and it has not ended: right while a programme
-- has no date yet. Once its door is open, such an alert is one that was forgotten.
create index alerts_silent on alerts (opening_id)
    where due_at is null and told_revision is null and ended is null;

create index openings_set_aside on openings (id) where fault is not null;
