-- What each role of roles.sql may do with each table: one line for every table, and nothing beside it.
--
-- Run it after every `jobalerts migrate`, as jobalerts_migrate or as a superuser; it belongs to the version
-- of jobalerts that it came with. What is as it should be stays so, and the daemon may be running:
--
--   psql --set ON_ERROR_STOP=1 --dbname jobalerts --file grants.sql
--
-- It fails, and changes nothing, if there is a table of which it does not know who may do what.
--
-- The webhook (secrets.webhook_key_file) suppresses addresses, so the pages have to read them. They cannot
-- unless you say so, with PGOPTIONS='-c jobalerts.webhook=on' in the environment; without it the webhook
-- answers 503. For other names of the roles see roles.sql.

do $grants$
declare
    prefix  constant text := coalesce(nullif(current_setting('jobalerts.prefix', true), ''), 'jobalerts');
    webhook constant boolean := coalesce(nullif(current_setting('jobalerts.webhook', true), ''), 'off')::boolean;
    worker  constant text := prefix || '_worker';
    web     constant text := prefix || '_web';
    reader  constant text := prefix || '_read';
    -- All that is ever done to rows, and what is done to rows that are never changed.
    rows    constant text := 'select, insert, update, delete';
    adds    constant text := 'select, insert, delete';
    wishes  constant text := 'select, insert, delete';
    decided record;
    unknown text;
begin
    create temporary table decisions on commit drop as
    select * from (values
    --   table                worker    pages                                             pages with the webhook  readers
        ('_sqlx_migrations',  'select', 'select',                                         null,  'select'),
        -- A stop holds what people asked for, ends it, and keeps it for the way back. Who they are, and what
        -- their searches ask for, is not among it.
        ('subscribers',       rows,     'select (id, public_id, state), update (state)',
                                        'select (address), update (slow_until)',          'select'),
        ('consents',          adds,     'select (subscriber_id, given_at)',               null,  'select'),
        ('searches',          rows,     wishes,                                           null,  'select'),
        ('registrations',     rows,     wishes,                                           null,  'select'),
        ('stops',             rows,     'select, insert (subscriber_id, scope, route, at, mail_id, held),
                                         update (undone_at, held)',                       null,  'select'),
        ('withdrawals',       adds,     'insert',                                         null,  null),
        ('alerts',            rows,     'select (subscriber_id, opening_id, due_at, promise, outcome,
                                                 outcome_reason, outcome_at, ended),
                                         update (due_at, ended, outcome, outcome_reason, outcome_at)',
                                        'select (told_mail_id, door_left, told_phase, told_revision,
                                                 told_at, advance_told_at, reminded_at),
                                         update (told_mail_id, told_phase, told_revision, told_at,
                                                 advance_told_at, reminded_at, door_left)', 'select'),
        ('mails',             rows,     'select (id, subscriber_id, kind, openings, searches, programmes, worker,
                                                 attempts, claimed_at, leaving, unknown_until, outcome),
                                         update (recalled, outcome, finished_at)',
                                        'select (finished_at)',                           'select'),
        ('digests',           rows,     'select (mail_id), delete',                       null,  'select'),
        ('letters',           rows,     'select (id, subscriber_id, due_at, mail_id),
                                         update (due_at, held, ended, over_at)',
                                        'select (kind, sent_at, over_at), update (sent_at)', 'select'),
        ('openings',          rows,     'select (id, subject, posting, cycle, state, opened_at, door_shuts_at, revision)',
                                                                                          null,  'select'),
        ('outcome_events',    rows,     'select (event_id), insert (event_id, type, subject, time, data)',
                                                                                          null,  'select (event_id)'),
        ('audit',             adds,     'insert (at, actor, action, subject, detail)',    null,  null),
        ('returns',           rows,     null,  'select, insert (subscriber_id, mail_id, kind, weight, status, source, at, finished_at)',
                                                                                                 'select'),
        ('return_counts',     rows,     null,  'select, insert, update',                         'select'),
        ('suppressions',      rows,     null,  'select, insert, update',                         'select'),
        ('events',            adds,     null,                                             null,  'select'),
        ('opening_revisions', rows,     null,                                             null,  'select'),
        ('criteria',          rows,     null,                                             null,  'select'),
        ('cadences',          rows,     null,                                             null,  null),
        ('settings',          rows,     null,                                             null,  'select'),
        ('chores',            rows,     null,                                             null,  'select'),
        ('chore_ticks',       rows,     null,                                             null,  'select'),
        ('past_promises',     rows,     null,                                             null,  'select'),
        ('reckonings',        rows,     null,                                             null,  'select'),
        ('allowances',        rows,     null,                                             null,  null),
        ('breakers',          rows,     null,                                             null,  'select'),
        ('mail_domains',      rows,     null,                                             null,  null),
        -- A sequence. Those of identity columns go with their tables.
        ('worker_ids',        'usage',  null,                                             null,  null)
    ) as decisions (name, worker, web, webhook, reader);

    select string_agg(c.relname, ', ' order by c.relname) into unknown
    from pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
      and not exists (select from pg_depend d where d.objid = c.oid and d.deptype in ('i', 'e'))
      and c.relname not in (select name from decisions);
    if unknown is not null then
        raise exception 'grants.sql does not say who may do what with %', unknown
            using hint = 'Take the grants.sql of the version that made the tables.';
    end if;

    for decided in
        select c.relname, case c.relkind when 'S' then 'sequence' else 'table' end as kind, d.*
        from decisions d join pg_class c on c.oid = to_regclass('public.' || quote_ident(d.name))
    loop
        execute format('revoke all on %s public.%I from public, %I, %I, %I',
                       decided.kind, decided.name, worker, web, reader);
        execute format('grant %s on %s public.%I to %I', decided.worker, decided.kind, decided.name, worker);
        if decided.web is not null then
            execute format('grant %s on %s public.%I to %I', decided.web, decided.kind, decided.name, web);
        end if;
        if webhook and decided.webhook is not null then
            execute format('grant %s on %s public.%I to %I', decided.webhook, decided.kind, decided.name, web);
        end if;
        if decided.reader is not null then
            execute format('grant %s on %s public.%I to %I', decided.reader, decided.kind, decided.name, reader);
        end if;
    end loop;
    drop table decisions;
end
$grants$;
