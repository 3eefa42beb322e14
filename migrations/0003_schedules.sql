-- Schedules have names that operators choose.

-- A cadence is "immediate", "paused" or the name of a schedule in the
-- configuration, which the tables do not know. So only its form is held: a
-- search whose schedule is taken out of the configuration goes by "daily".
alter table searches
    drop constraint searches_cadence_check,
    add constraint searches_cadence_check check (cadence ~ '^[a-z0-9-]{1,40}$');

-- What the tables were last worked on under. "schedules": those by which
-- alerts.due_at was reckoned; under others, what waits is looked at again.
create table settings (
    key   text primary key collate "C",
    value text not null
);
