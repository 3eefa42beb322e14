//! What an upgrade takes: each migration on the tables of the first one, full of
//! people and what they were told; what later ones added is empty. A migration is
//! one transaction, so nothing it has locked is free before its end.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::Context;
use jobalerts::store;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::ground::Ground;
use crate::report::{Report, grouped, time};

/// The longest that a migration may keep others waiting.
const LOCKED_AT_MOST: Duration = Duration::from_mins(1);

/// Each person has a search and a registration, and was told of a vacancy in a mail of its own.
const FILL: &str = "
    insert into subscribers (address, lookup, created_at)
        select 'p' || n || '@example.org', 'p' || n || '@example.org', now() from generate_series(1, {people}) n;
    insert into consents (subscriber_id, given_at, wording_version, source, recorded_at)
        select id, created_at, '1', 'page', now() from subscribers;
    insert into criteria (fingerprint, written, unknown, anchors, wants_senior)
        values (gen_random_uuid(), '{}', false, '{}', false);
    insert into searches (subscriber_id, name, cadence, criteria_id)
        select s.id, 'All', 'daily', c.id from subscribers s, criteria c;
    insert into registrations (subscriber_id, programme, created_at)
        select id, 'pc-dhep', created_at from subscribers;
    insert into openings (subject, posting, state, opens_at, facts, posted_at, seen_at, test, event_time, revision,
                          matched_revision, anchor_event_id)
        values ('vacancy/230000AA', 1, 'posted', now(), '{}', now(), now(), false, now(), 1, 1, 1);
    insert into opening_revisions (opening_id, revision, state, facts, recorded_at)
        select id, 1, 'posted', '{}', now() from openings;
    insert into mails (subscriber_id, kind, message_id, openings, revisions, attempts, claimed_at, outcome, finished_at)
        select s.id, 'vacancy-alert', '<' || s.id || '@example.org>', array[o.id], array[1], 1, now(), 'accepted', now()
        from subscribers s, openings o;
    insert into alerts (subscriber_id, opening_id, told_phase, told_revision, told_mail_id, told_at)
        select m.subscriber_id, m.openings[1], 'open', 1, m.id, now() from mails m;
    analyze";

/// Empties the database, fills the tables of the first migration, and brings
/// them to today's. What is in them is removed afterwards.
pub(crate) async fn measure(ground: &Ground, people: u32, report: &mut Report) -> anyhow::Result<()> {
    let mut files: Vec<_> = fs::read_dir("migrations")?.collect::<Result<_, _>>()?;
    files.sort_by_key(fs::DirEntry::file_name);
    let mut files = files.into_iter();
    let first = files.next().context("there is no migration")?;

    let mut connection = PgConnection::connect(ground.config().database.url.expose()).await?;
    empty(&mut connection).await?;
    run(&mut connection, fs::read_to_string(first.path())?).await?;
    run(&mut connection, FILL.replace("{people}", &people.to_string())).await?;
    let (mut all, mut longest) = (Duration::ZERO, (Duration::ZERO, String::new()));
    for file in files {
        let sql = fs::read_to_string(file.path())?;
        let begun = Instant::now();
        let mut transaction = connection.begin().await?;
        run(&mut transaction, sql).await.with_context(|| file.path().display().to_string())?;
        transaction.commit().await?;
        let took = begun.elapsed();
        all += took;
        longest = longest.max((took, file.file_name().to_string_lossy().into_owned()));
    }
    let (took, name) = longest;
    report.add(format!("every migration, one by one, with {} people", grouped(people.into())), time(all));
    report.aim(format!("  the longest, {name}"), time(took), "under 60 s", took < LOCKED_AT_MOST);
    empty(&mut connection).await?;
    Ok(store::migrate(ground.config().database.url.expose()).await?)
}

async fn empty(connection: &mut PgConnection) -> sqlx::Result<()> {
    run(connection, "drop schema public cascade; create schema public".to_owned()).await
}

async fn run(connection: &mut PgConnection, sql: String) -> sqlx::Result<()> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await?;
    Ok(())
}
