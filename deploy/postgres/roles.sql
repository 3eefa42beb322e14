-- The roles of PostgreSQL under which jobalerts works, so that each of its parts can do what it needs
-- and nothing else:
--
--   jobalerts_migrate  owns the database and its tables: `jobalerts migrate`, and grants.sql
--   jobalerts_worker   rows, never tables: the daemon, and the commands that change something
--   jobalerts_web      what a page to stop and undo needs: `jobalerts run --stages web`
--   jobalerts_read     only looks: `jobalerts status`, `ledger`, `explain`
--
-- Run it as a superuser in the database of jobalerts, before the first `jobalerts migrate`, and after it
-- whenever you like. What is as it should be stays so:
--
--   createdb jobalerts
--   psql --set ON_ERROR_STOP=1 --dbname jobalerts --file roles.sql
--
-- The roles have no passwords: set them with \password in psql, or let pg_hba.conf know them by
-- certificates or by accounts of the machine. Then run `jobalerts migrate` as jobalerts_migrate, and
-- grants.sql after it.
--
-- Two installations on one server need different names: with PGOPTIONS='-c jobalerts.prefix=try' in the
-- environment they begin with try_ in place of jobalerts_, here and in grants.sql.

do $roles$
declare
    prefix constant text := coalesce(nullif(current_setting('jobalerts.prefix', true), ''), 'jobalerts');
    owner  constant text := prefix || '_migrate';
    worker constant text := prefix || '_worker';
    web    constant text := prefix || '_web';
    reader constant text := prefix || '_read';
    role   text;
    thing  record;
begin
    foreach role in array array[owner, worker, web, reader] loop
        if not exists (select from pg_roles where rolname = role) then
            execute format('create role %I login', role);
        end if;
        if exists (select from pg_roles where rolname = role
                   and (rolsuper or rolcreatedb or rolcreaterole or rolreplication or rolbypassrls)) then
            execute format('alter role %I nosuperuser nocreatedb nocreaterole noreplication nobypassrls', role);
        end if;
    end loop;

    execute format('alter database %I owner to %I', current_database(), owner);
    execute format('revoke all on database %I from public', current_database());
    execute format('grant connect on database %I to %I, %I, %I', current_database(), worker, web, reader);
    execute format('alter schema public owner to %I', owner);
    revoke all on schema public from public;
    execute format('grant usage on schema public to %I, %I, %I', worker, web, reader);

    -- Tables that somebody else made before there were roles. Sequences of identity columns, and indexes,
    -- go with their tables.
    for thing in
        select case c.relkind when 'S' then 'sequence' else 'table' end as kind, c.relname::text as name
        from pg_class c
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'S')
          and c.relowner <> (select oid from pg_roles where rolname = owner)
          and not exists (select from pg_depend d where d.objid = c.oid and d.deptype in ('i', 'a', 'e'))
        union all
        select 'function', p.proname || '()' from pg_proc p
        where p.pronamespace = 'public'::regnamespace and p.pronargs = 0
          and p.proowner <> (select oid from pg_roles where rolname = owner)
          and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
    loop
        execute format('alter %s public.%s owner to %I', thing.kind,
                       case thing.kind when 'function' then thing.name else quote_ident(thing.name) end, owner);
    end loop;

    -- What a later version brings: the daemon can work with it at once, who reads can read it, and the
    -- pages have nothing of it until grants.sql says so.
    execute format('alter default privileges for role %I in schema public
                    grant select, insert, update, delete on tables to %I', owner, worker);
    execute format('alter default privileges for role %I in schema public grant usage on sequences to %I',
                   owner, worker);
    execute format('alter default privileges for role %I in schema public grant select on tables to %I',
                   owner, reader);
end
$roles$;
