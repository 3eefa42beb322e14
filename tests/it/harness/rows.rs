//! What the tables say.

use chrono::{DateTime, Utc};
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

impl Road {
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

    pub(crate) async fn only_mail_row(&self) -> Mail {
        let mut mails = self.mail_rows().await;
        assert_eq!(mails.len(), 1, "expected one mail: {mails:?}");
        mails.remove(0)
    }

    pub(crate) async fn rows<T>(&self, sql: &'static str) -> Vec<T>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        sqlx::query_as(sql).fetch_all(self.pool()).await.unwrap()
    }

    pub(crate) async fn value<T>(&self, sql: &'static str) -> T
    where
        T: for<'r> sqlx::Decode<'r, Postgres> + sqlx::Type<Postgres> + Send + Unpin,
    {
        sqlx::query_scalar(sql).fetch_one(self.pool()).await.unwrap()
    }

    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        self.value(sql).await
    }

    /// Changes rows behind the program's back; returns how many.
    pub(crate) async fn sql(&self, sql: &'static str) -> u64 {
        sqlx::query(sql).execute(self.pool()).await.unwrap().rows_affected()
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
