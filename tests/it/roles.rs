//! The roles of `deploy/postgres`: the program works under them (all tests do), and none of them can do
//! what it must not.

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::harness::database::{self, Role};
use crate::harness::events::Event;
use crate::harness::people::curious;
use crate::harness::program::Daemon;
use crate::harness::web::{FORM, ONE_CLICK, request};
use crate::harness::{MONDAY, Road};
use crate::ops::{metrics, until};

const ANN: &str = "ann@example.org";

/// Somebody who was told of a vacancy and registered for a programme.
async fn road() -> Road {
    let road = Road::new().await;
    road.import(&[curious(ANN).registered("pc-dhep")]).await;
    road.hears(&[Event::sample("03")]).await;
    road.drain().await;
    road
}

/// What PostgreSQL says to a statement of a role.
async fn tries(road: &Road, role: Role, sql: &str) -> Result<(), String> {
    let mut connection = PgConnection::connect(&road.url_as(role)).await.unwrap();
    // Taken back, whatever it was.
    let mut transaction = connection.begin().await.unwrap();
    let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut *transaction).await;
    done.map(|_| ()).map_err(|error| error.to_string())
}

async fn must_not(road: &Road, role: Role, statements: &[&str]) {
    for sql in statements {
        let said = tries(road, role, sql).await.expect_err(sql);
        assert!(
            said.contains("permission denied") || said.contains("must be owner"),
            "{role:?}: {sql}: {said}"
        );
    }
}

/// Every table there is.
async fn tables(road: &Road) -> Vec<String> {
    let found = sqlx::query_scalar(
        "select c.oid::regclass::text from pg_class c
         where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm') order by 1",
    );
    let tables: Vec<String> = found.fetch_all(road.tester()).await.unwrap();
    assert!(tables.len() > 25, "{tables:?}");
    tables
}

#[tokio::test]
async fn the_daemon_changes_rows_and_never_tables() {
    let road = road().await;
    // What is said of the database itself is not cloned with it.
    database::set_up_roles(&mut road.tester().acquire().await.unwrap()).await.unwrap();
    must_not(
        &road,
        Role::Worker,
        &[
            "create table mine (a int)",
            "create temporary table mine (a int)",
            "create schema mine",
            "drop table mails",
            "alter table mails add column mine int",
            "alter table audit disable trigger all",
            "drop trigger audit_stays_as_it_is on audit",
            "drop function audit_stays_as_it_is()",
            "truncate mails",
            "create index on mails (kind)",
            "update _sqlx_migrations set version = 1",
            "delete from _sqlx_migrations",
            "select setval('worker_ids', 1)",
            // Only ever added to.
            "update audit set actor = 'nobody'",
            "update withdrawals set route = 'operator'",
            "update consents set source = 'elsewhere'",
            "update events set data = '{}'",
        ],
    )
    .await;
    for table in tables(&road).await {
        must_not(&road, Role::Worker, &[&format!("truncate {table} cascade")]).await;
    }
    let output = road.run_as(Role::Worker, &["migrate"]).await;
    assert_eq!(output.code, Some(1));
    assert!(output.stderr.contains("permission denied"), "{}", output.stderr);
}

#[tokio::test]
async fn who_reads_writes_nothing() {
    let road = road().await;
    let before = road.everything().await;
    for table in tables(&road).await {
        let column: String = sqlx::query_scalar(
            "select quote_ident(attname) from pg_attribute
             where attrelid = $1::regclass and attnum > 0 and attidentity = '' order by attnum limit 1",
        )
        .bind(&table)
        .fetch_one(road.tester())
        .await
        .unwrap();
        must_not(
            &road,
            Role::Read,
            &[
                &format!("insert into {table} default values"),
                &format!("update {table} set {column} = {column}"),
                &format!("delete from {table}"),
                &format!("truncate {table} cascade"),
                &format!("select from {table} for key share"),
                &format!("lock table {table} in share mode"),
            ],
        )
        .await;
    }
    must_not(&road, Role::Read, &["select nextval('worker_ids')", "create table mine (a int)"]).await;
    assert_eq!(before, road.everything().await);
    for command in [&["pause"][..], &["import", "-"], &["drain", "--now", MONDAY], &["migrate"]] {
        let output = road.run_as(Role::Read, command).await;
        assert_eq!(output.code, Some(1), "{command:?}: {}", output.stdout);
        assert!(output.stderr.contains("permission denied"), "{command:?}: {}", output.stderr);
    }
}

/// `status`, `ledger` and `explain` are always run under this role, see the harness.
#[tokio::test]
async fn who_reads_learns_how_things_stand() {
    let road = road().await;
    for (command, expected) in [
        (&["status"][..], "1 accepted"),
        (&["ledger"], "so nothing was promised"),
        (&["explain", ANN, "230000IR"], "told"),
        (&["suppression", "check", ANN], "Not suppressed."),
        (&["unknown", "list"], "Of every mail it is known what became of it."),
    ] {
        let output = road.run_as(Role::Read, command).await;
        let output = if command == ["status"] { output.looked() } else { output.successful() };
        assert!(output.stdout.contains(expected), "{command:?}: {}", output.stdout);
    }
}

/// The pages stop and undo, and know neither who somebody is nor what they look for.
#[tokio::test]
async fn the_pages_do_not_know_who_people_are() {
    let road = road().await;
    must_not(
        &road,
        Role::Web,
        &[
            "select address from subscribers",
            "select lookup from subscribers",
            "select * from subscribers",
            "select 1 from subscribers where lookup = 'ann@example.org'",
            "update subscribers set address = 'eve@example.org'",
            "insert into subscribers (address, lookup, created_at) values ('a', 'a', now())",
            "delete from subscribers",
            "select written from criteria",
            "select message_id from mails",
            "select reply from mails",
            "update mails set openings = '{}'",
            "update mails set outcome = null, worker = 1",
            "insert into mails (subscriber_id, kind, message_id, openings, revisions, claimed_at)
             values (1, 'a', 'a', '{}', '{}', now())",
            "update searches set cadence = 'immediate'",
            "update alerts set told_revision = 1",
            "delete from alerts",
            "select truth from openings",
            "update openings set state = 'closed'",
            "select held from letters",
            "select source from consents",
            "delete from stops",
            "select * from audit",
            "update audit set actor = 'nobody'",
            "delete from audit",
            "select * from withdrawals",
            "select * from suppressions",
            "delete from suppressions",
            "insert into returns (subscriber_id, kind, source, at) values (1, 'complaint', 'webhook', now())",
            "select data from outcome_events",
            "select * from settings",
            "insert into settings (key, value) values ('pause', '{}')",
            "select nextval('worker_ids')",
            "create table mine (a int)",
        ],
    )
    .await;
    // With the webhook they suppress addresses, and nothing else is added.
    let mut owner = PgConnection::connect(&road.url_as(Role::Migrate)).await.unwrap();
    database::grant(&mut owner, true).await.unwrap();
    tries(&road, Role::Web, "select address from subscribers").await.unwrap();
    must_not(
        &road,
        Role::Web,
        &[
            "select lookup from subscribers",
            "update subscribers set address = 'eve@example.org'",
            "select written from criteria",
            "select message_id from mails",
            "delete from suppressions",
        ],
    )
    .await;
    database::grant(&mut owner, false).await.unwrap();
    must_not(&road, Role::Web, &["select address from subscribers"]).await;
}

/// A process that serves nothing but pages needs no more than the role of the pages.
#[tokio::test]
async fn a_process_of_its_own_serves_the_pages() {
    let road = road().await;
    let path = road.stop_path(ANN, Some(1)).await;
    let command = ["run", "--stages", "web", "--now", MONDAY];
    let mut daemon = Daemon::start(road.command_as(Role::Web, &command).await);
    let address = daemon.pages().await;
    let page = request(address, "GET", &path, &[], "").await;
    assert_eq!(page.status, 200, "{page:?}");
    let stopped = request(address, "POST", &path, &[("Content-Type", FORM)], ONE_CLICK).await;
    assert_eq!(stopped.status, 200, "{stopped:?}");
    assert_eq!(road.count("select count(*) from stops").await, 1);
    let undone = request(address, "POST", &stopped.undo().unwrap(), &[("Content-Type", FORM)], "").await;
    assert_eq!(undone.status, 200, "{undone:?}");
    assert_eq!(road.count("select count(*) from registrations").await, 1);
    let (status, log) = daemon.stop().await;
    assert!(status.success(), "{log}");
    assert!(!log.contains("permission denied"), "{log}");
}

/// Such a process says how it goes, and nothing of what its role may not read.
#[tokio::test]
async fn pages_of_their_own_say_only_what_they_know() {
    let road = road().await;
    let command = ["run", "--stages", "web", "--now", MONDAY];
    let mut command = road.command_as(Role::Web, &command).await;
    command
        .env("JOBALERTS_OPS__LISTEN", "127.0.0.1:0")
        .env("JOBALERTS_OPS__REFRESH", "1ms")
        .env("JOBALERTS_LOG__LEVEL", "debug");
    let mut daemon = Daemon::start(command);
    let address = daemon.ops().await;
    let (_, body) = until(address, "/ready", |status, _| status == 200).await;
    assert!(body.contains("clock: ") && body.contains("web: "), "{body}");
    let (text, metrics) = metrics(address).await;
    assert_eq!(metrics.get("jobalerts_database_up"), Some(&1.0), "{text}");
    assert!(metrics["jobalerts_clock_offset_seconds"].abs() < 5.0);
    for unknown in ["jobalerts_broker_up", "jobalerts_unaccounted_alerts", "jobalerts_promises"] {
        assert!(!text.contains(unknown), "{unknown}: {text}");
    }
    let (status, log) = daemon.stop().await;
    assert!(status.success(), "{log}");
    assert!(!log.contains("permission denied") && !log.contains("no figures"), "{log}");
}

/// What a later version brings is decided by its `grants.sql`; until that has run, the daemon can work
/// with it.
#[tokio::test]
async fn a_new_table_needs_a_decision() {
    let road = road().await;
    let mut owner = PgConnection::connect(&road.url_as(Role::Migrate)).await.unwrap();
    let make = "create table later (id bigint generated always as identity primary key, what text);
                create sequence later_numbers";
    sqlx::raw_sql(make).execute(&mut owner).await.unwrap();
    let rows = "insert into later (what) values ('a'); update later set what = 'b'; select * from later;
                delete from later; select nextval('later_numbers')";
    tries(&road, Role::Worker, rows).await.unwrap();
    must_not(&road, Role::Worker, &["truncate later", "drop table later", "drop sequence later_numbers"])
        .await;
    tries(&road, Role::Read, "select * from later").await.unwrap();
    must_not(&road, Role::Read, &["delete from later", "select nextval('later_numbers')"]).await;
    must_not(&road, Role::Web, &["select * from later", "select nextval('later_numbers')"]).await;

    let error = database::grant(&mut owner, true).await.unwrap_err().to_string();
    assert!(error.contains("who may do what with later, later_numbers"), "{error}");
    must_not(&road, Role::Web, &["select address from subscribers"]).await;
}

/// Tables from before there were roles become those of the owner.
#[tokio::test]
async fn tables_of_somebody_else_become_those_of_the_owner() {
    let road = road().await;
    let mut tester = road.tester().acquire().await.unwrap();
    sqlx::raw_sql(
        "do $$ declare it text; begin
             for it in select oid::regclass::text from pg_class
                       where relnamespace = 'public'::regnamespace and relkind = 'r' loop
                 execute format('alter table %s owner to current_user', it);
             end loop;
         end $$;
         alter sequence worker_ids owner to current_user;
         alter function audit_stays_as_it_is() owner to current_user;
         grant all on mails to public",
    )
    .execute(&mut *tester)
    .await
    .unwrap();
    tries(&road, Role::Migrate, "alter table mails add column more int").await.unwrap_err();
    database::set_up_roles(&mut tester).await.unwrap();
    let theirs = "alter table mails add column more int; alter sequence worker_ids restart;
                  drop trigger audit_stays_as_it_is on audit; drop function audit_stays_as_it_is()";
    tries(&road, Role::Migrate, theirs).await.unwrap();
    let mut owner = PgConnection::connect(&road.url_as(Role::Migrate)).await.unwrap();
    database::grant(&mut owner, false).await.unwrap();
    must_not(&road, Role::Web, &["delete from mails"]).await;
    road.hears(&[Event::opened("230000AA")]).await;
    assert_eq!(road.drain().await.accepted, 1);
}
