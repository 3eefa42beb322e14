//! What the tables say.

use chrono::{DateTime, Utc};
use jobalerts::store::leaving::{self, Unknown};
use jobalerts::store::ledger::{self, Which};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Postgres};

use super::Road;

/// A row of `alerts`.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub(crate) struct Alert {
    pub(crate) address: String,
    pub(crate) subject: String,
    pub(crate) posting: i32,
    pub(crate) due_at: Option<DateTime<Utc>>,
    pub(crate) told_revision: Option<i32>,
    pub(crate) ended: Option<String>,
}

/// A row of `mails`.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub(crate) struct Mail {
    pub(crate) address: String,
    pub(crate) message_id: String,
    pub(crate) openings: Vec<i64>,
    pub(crate) worker: Option<i32>,
    pub(crate) attempts: i16,
    pub(crate) outcome: Option<String>,
    pub(crate) reply: Option<String>,
}

/// What became of the promises of one opening.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Six {
    pub(crate) owed: i64,
    pub(crate) kept: i64,
    pub(crate) kept_late: i64,
    pub(crate) broken: i64,
    pub(crate) explained: i64,
    pub(crate) released: i64,
}

impl Road {
    /// I26, I1: the six outcomes of each cycle add up to its promises, and everybody who registered
    /// before a door shut that had a date or was open has one.
    pub(crate) async fn promises_add_up(&self) {
        let forgotten: Vec<(String, i32, String)> = self
            .rows(
                "select o.subject, o.posting, p.address
                 from openings o
                 join registrations r on 'programme/' || r.programme = o.subject
                 join subscribers p on p.id = r.subscriber_id
                 left join alerts a on a.opening_id = o.id and a.subscriber_id = r.subscriber_id and a.promise
                 where not o.absorbed and o.matched_revision = o.revision and r.matched
                   and (o.opened_at is not null or o.truth->'facts'->>'opens' is not null)
                   and (o.door_shuts_at is null or r.registered_at < o.door_shuts_at)
                   and (r.valid_until is null or r.valid_until >= o.event_time::date)
                   and not o.test and a.subscriber_id is null
                   -- What is long over is only numbers.
                   and not exists (select from past_promises p where p.opening_id = o.id)
                   -- Who registered for what had shut by then is owed the next one.
                   and r.registered_at <= o.event_time",
            )
            .await;
        assert_eq!(forgotten, [], "these are owed something and have no row");
        let now = self.clock.now();
        let mut connection = self.pool().acquire().await.unwrap();
        let ledger = ledger::read(&mut connection, Which::All, now).await.unwrap();
        for cycle in &ledger.cycles {
            assert!(cycle.promises.add_up(), "{cycle:?}");
        }
        assert!(ledger.total.add_up(), "{:?}", ledger.total);
    }

    /// What became of the promises of one subject, all of its cycles together.
    pub(crate) async fn six(&self, subject: &str) -> Six {
        self.promises_add_up().await;
        let mut connection = self.pool().acquire().await.unwrap();
        let ledger = ledger::read(&mut connection, Which::All, self.clock.now()).await.unwrap();
        let mut six = Six::default();
        for cycle in ledger.cycles.iter().filter(|cycle| cycle.subject == subject) {
            six.owed += cycle.promises.owed;
            six.kept += cycle.promises.kept;
            six.kept_late += cycle.promises.kept_late;
            six.broken += cycle.promises.broken;
            six.explained += cycle.promises.explained;
            six.released += cycle.promises.released;
        }
        six
    }

    /// The kinds of mail that a person got, in order.
    pub(crate) async fn kinds_to(&self, address: &str) -> Vec<String> {
        let rows: Vec<(String, String)> = self
            .rows(
                "select p.address, m.kind from mails m join subscribers p on p.id = m.subscriber_id
                 where m.outcome = 'accepted' order by m.finished_at, m.id",
            )
            .await;
        rows.into_iter().filter(|(to, _)| to == address).map(|(_, kind)| kind).collect()
    }

    /// All alerts, by address and subject.
    pub(crate) async fn alerts(&self) -> Vec<Alert> {
        self.rows(
            "select p.address, o.subject, o.posting, a.due_at, a.told_revision, a.ended
             from alerts a join subscribers p on p.id = a.subscriber_id join openings o on o.id = a.opening_id
             order by p.address, o.subject, o.posting",
        )
        .await
    }

    /// The only alert there is.
    pub(crate) async fn only_alert(&self) -> Alert {
        let mut alerts = self.alerts().await;
        assert_eq!(alerts.len(), 1, "expected one alert: {alerts:?}");
        alerts.remove(0)
    }

    /// Why each alert ended, if it did.
    pub(crate) async fn endings(&self) -> Vec<Option<String>> {
        self.alerts().await.into_iter().map(|alert| alert.ended).collect()
    }

    /// All mails, in the order in which they were first claimed.
    pub(crate) async fn mail_rows(&self) -> Vec<Mail> {
        self.rows(
            "select p.address, m.message_id, m.openings, m.worker, m.attempts, m.outcome, m.reply
             from mails m join subscribers p on p.id = m.subscriber_id order by m.id",
        )
        .await
    }

    /// The mails of which nobody knows whether they arrived.
    pub(crate) async fn unknown(&self) -> Vec<Unknown> {
        leaving::unknown(&mut self.pool().acquire().await.unwrap(), None).await.unwrap()
    }

    pub(crate) async fn only_mail_row(&self) -> Mail {
        let mut mails = self.mail_rows().await;
        assert_eq!(mails.len(), 1, "expected one mail: {mails:?}");
        mails.remove(0)
    }

    pub(crate) async fn rows<T>(&self, sql: &'static str) -> Vec<T>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        sqlx::query_as(sql).fetch_all(self.tester()).await.unwrap()
    }

    /// Changes rows, as somebody else would.
    pub(crate) async fn execute(&self, sql: &'static str) {
        sqlx::query(sql).execute(self.tester()).await.unwrap();
    }

    pub(crate) async fn value<T>(&self, sql: &'static str) -> T
    where
        T: for<'r> sqlx::Decode<'r, Postgres> + sqlx::Type<Postgres> + Send + Unpin,
    {
        sqlx::query_scalar(sql).fetch_one(self.tester()).await.unwrap()
    }

    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        self.value(sql).await
    }

    /// Changes rows behind the program's back; returns how many.
    pub(crate) async fn sql(&self, sql: &'static str) -> u64 {
        sqlx::query(sql).execute(self.tester()).await.unwrap().rows_affected()
    }

    /// All tables with all that is in them, as one text.
    pub(crate) async fn everything(&self) -> String {
        self.value(
            "select string_agg(query_to_xml(format('select * from %I', table_name), true, true, '')::text, '' order by table_name)
             from information_schema.tables where table_schema = 'public'",
        )
        .await
    }

    /// The tables that a repetition must not change, as one text.
    pub(crate) async fn state(&self) -> String {
        self.value(
            "select json_build_object(
                 'events', (select json_agg(e order by e.id) from events e),
                 'openings', (select json_agg(o order by o.id) from openings o),
                 'revisions', (select json_agg(r order by r.opening_id, r.revision) from opening_revisions r),
                 'people', (select json_agg(p order by p.id) from subscribers p),
                 'consents', (select json_agg(c order by c.subscriber_id, c.given_at) from consents c),
                 'criteria', (select json_agg(c order by c.id) from criteria c),
                 'searches', (select json_agg(s order by s.id) from searches s),
                 'registrations', (select json_agg(r order by r.subscriber_id, r.programme) from registrations r),
                 'alerts', (select json_agg(a order by a.subscriber_id, a.opening_id) from alerts a),
                 'mails', (select json_agg(m order by m.id) from mails m))::text",
        )
        .await
    }
}
