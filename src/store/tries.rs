//! How tries at sending ended: what that makes of the mails, of what people were
//! told, and of promises.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, PgConnection};

use crate::domain::alert::Keeping;
use crate::domain::reply::Judgement;
use crate::domain::truth::Phase;
use crate::store::outcomes::{self, About, OutcomeEvent, PromiseOutcome, Telling};
use crate::store::{Result, letters, name_of};

/// What a mail told of one opening.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// Of what.
    pub opening_id: i64,
    /// By which revision of the truth.
    pub revision: i32,
    /// How the door stood.
    pub phase: Phase,
    /// When there will be more to say by the clock alone, if so.
    pub next_due: Option<DateTime<Utc>>,
    /// What became of the promise by it, if it is one.
    pub promise: Promise,
    /// How much of it was told.
    pub extent: Extent,
}

/// How much a mail told of an opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Extent {
    /// All that there is to tell.
    Whole,
    /// All, and that it closes soon.
    Reminder,
    /// That there is more, on our pages.
    Summary,
}

/// What a mail did to a promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Promise {
    /// Nothing.
    AsBefore,
    /// The date was told before the door opened.
    DateTold,
    /// It was told that the door is open: how it was kept, and how long the
    /// door was still open, if its end was known.
    Kept(Keeping, #[serde(with = "in_seconds")] Option<Duration>),
    /// It was told that the door had shut first.
    Explained,
    /// It was told that there will be nothing to keep.
    Released(Release),
}

/// Why there will be nothing to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Release {
    /// The opening is called off.
    Cancelled,
    /// What was to open is gone.
    Withdrawn,
}

/// A duration as whole seconds.
mod in_seconds {
    use chrono::Duration;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    // The signature is serde's.
    #[expect(clippy::ref_option)]
    pub(super) fn serialize<S: Serializer>(duration: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        duration.map(|duration| duration.num_seconds()).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<i64>::deserialize(from)?.map(Duration::seconds))
    }
}

impl Promise {
    fn outcome(self) -> Option<&'static str> {
        match self {
            Self::AsBefore | Self::DateTold => None,
            Self::Kept(keeping, _) => Some(keeping.name()),
            Self::Explained => Some("explained"),
            Self::Released(_) => Some("released"),
        }
    }

    fn reason(self) -> Option<&'static str> {
        match self {
            Self::Released(Release::Cancelled) => Some("cancelled"),
            Self::Released(Release::Withdrawn) => Some("withdrawn"),
            _ => None,
        }
    }

    fn door_left(self) -> Option<i64> {
        match self {
            Self::Kept(_, left) => left.map(|left| left.num_seconds()),
            _ => None,
        }
    }
}

/// How one try at sending ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The mail server took it.
    Accepted,
    /// It may work later: due again at this time.
    Deferred(DateTime<Utc>),
    /// The connection was lost before anything could have arrived: nobody's try,
    /// and due again at this time.
    Lost(DateTime<Utc>),
    /// Nobody knows whether the server has it. It is not sent again before this
    /// time, unless an operator says so.
    Unknown(DateTime<Utc>),
    /// The server will never take it.
    Refused,
    /// It failed our own checks and must not leave; a person has to look.
    Held,
    /// It was tried for as long as is worth while.
    GivenUp,
    /// It could have left, but only listed addresses get mail here.
    Withheld,
    /// It was never handed over, because the worker is stopping or the server
    /// cannot be reached: due as before.
    Returned,
}

impl Outcome {
    /// Its name where it is counted; none if it was no try.
    #[must_use]
    pub const fn name(&self) -> Option<&'static str> {
        match self {
            Self::Deferred(_) => Some("deferred"),
            Self::Lost(_) => Some("lost"),
            Self::Unknown(_) => Some("unknown"),
            _ => self.word(),
        }
    }

    /// How it ends the mail, in the tables; none if it is tried again.
    const fn word(&self) -> Option<&'static str> {
        match self {
            Self::Accepted => Some("accepted"),
            Self::Refused => Some("refused"),
            Self::Held => Some("held"),
            Self::GivenUp => Some("given-up"),
            Self::Withheld => Some("withheld"),
            Self::Deferred(_) | Self::Lost(_) | Self::Unknown(_) | Self::Returned => None,
        }
    }

    /// When what it was to tell is due again.
    pub(super) const fn due_again(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Deferred(until) | Self::Lost(until) | Self::Unknown(until) => Some(*until),
            _ => None,
        }
    }
}

/// One try, to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Try {
    /// Which mail.
    pub mail_id: i64,
    /// In whose hands it was.
    pub worker: i32,
    /// To whom.
    pub subscriber_id: i64,
    /// What it told of.
    pub told: Vec<Told>,
    /// How it ended.
    pub outcome: Outcome,
    /// What the server said, without addresses.
    pub reply: String,
    /// What that means, if it did not take the mail.
    pub verdict: Option<Judgement>,
}

/// Records tries, all together: what was told, what is due again and when, and
/// that the mails are out of the worker's hands.
///
/// An accepted mail is recorded even if the worker was taken for dead
/// meanwhile; any other outcome only if the mail is still in its hands, or it was
/// the one who handed it over and nobody has claimed it since. So of several
/// tries at one mail, by a worker under the numbers of its lives, one counts.
///
/// # Errors
///
/// When Postgres is away; nothing is recorded then, and the same tries can be
/// recorded again.
pub async fn record(connection: &mut PgConnection, tries: &[Try], now: DateTime<Utc>) -> Result<()> {
    known_again(&mut *connection, tries, now).await?;
    let ended = mails(&mut *connection, tries, now).await?;
    let counted: Vec<&Try> = tries.iter().filter(|t| ended.contains(&(t.mail_id, t.worker))).collect();
    alerts_told(&mut *connection, &counted, now).await?;
    letters::record(connection, &counted, now).await
}

/// Has mails wait no more that are held as unknown because their worker was taken for dead, when it lives and knows
/// that they did not arrive: they are due as before, or when their try says.
async fn known_again(connection: &mut PgConnection, tries: &[Try], now: DateTime<Utc>) -> Result<()> {
    let known: Vec<&Try> =
        tries.iter().filter(|t| !matches!(t.outcome, Outcome::Accepted | Outcome::Unknown(_))).collect();
    if known.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "with known as (
             update mails m set unknown_until = null
             from unnest($1::bigint[], $2::int[], $4::bigint[]) as t (mail_id, worker, subscriber_id)
             where m.id = t.mail_id and m.subscriber_id = t.subscriber_id and m.outcome is null
               and m.worker is null and (m.leaving->>'worker')::int = t.worker
             returning m.id, m.subscriber_id, m.openings),
         alerts_due as (
             update alerts a set due_at = $3 from known k
             where a.subscriber_id = k.subscriber_id and a.opening_id = any(k.openings) and a.due_at > $3)
         update letters l set due_at = $3 from known k where l.mail_id = k.id and l.due_at > $3",
    )
    .bind(known.iter().map(|t| t.mail_id).collect::<Vec<_>>())
    .bind(known.iter().map(|t| t.worker).collect::<Vec<_>>())
    .bind(now)
    .bind(known.iter().map(|t| t.subscriber_id).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes the mails out of their workers' hands. Returns which, and out of whose.
async fn mails(
    connection: &mut PgConnection,
    tries: &[Try],
    now: DateTime<Utc>,
) -> Result<HashSet<(i64, i32)>> {
    let accepted: HashSet<i64> =
        tries.iter().filter(|t| t.outcome == Outcome::Accepted).map(|t| t.mail_id).collect();
    let tries: Vec<&Try> =
        tries.iter().filter(|t| t.outcome == Outcome::Accepted || !accepted.contains(&t.mail_id)).collect();
    let counts = |outcome: &Outcome| !matches!(outcome, Outcome::Returned | Outcome::Lost(_) | Outcome::Held);
    let unknown_until = |outcome: &Outcome| match outcome {
        Outcome::Unknown(until) => Some(*until),
        _ => None,
    };
    let ended: Vec<(i64, i32)> = sqlx::query_as(
        "update mails m set
             worker = null,
             recalled = false,
             leaving = case when t.unknown_until is not null then m.leaving end,
             unknown_until = coalesce(t.unknown_until, m.unknown_until),
             attempts = case when t.again then m.attempts else least(m.attempts + t.counts::int, 30000) end,
             outcome = t.outcome,
             reply = coalesce(t.reply, m.reply),
             verdict = case when t.outcome = 'accepted' then null else coalesce(t.verdict, m.verdict) end,
             finished_at = case when t.again then m.finished_at when t.outcome is not null then $1 end
         from (
             -- What is on record already stays as it is: of that it was recorded we may not have heard.
             select t.*, t.outcome = 'accepted' and b.outcome is not distinct from 'accepted' as again
             from unnest($2::bigint[], $3::text[], $4::text[], $5::bool[], $6::int[], $7::timestamptz[],
                         $8::text[], $9::bigint[])
                 as t (mail_id, outcome, reply, counts, worker, unknown_until, verdict, subscriber_id)
             -- A server that took another's place may have given the number to another's mail.
             join mails b on b.id = t.mail_id and b.subscriber_id = t.subscriber_id) t
         where m.id = t.mail_id
           and (m.worker = t.worker or t.outcome = 'accepted'
                or m.worker is null and (m.leaving->>'worker')::int = t.worker)
         returning m.id, t.worker",
    )
    .bind(now)
    .bind(tries.iter().map(|t| t.mail_id).collect::<Vec<_>>())
    .bind(tries.iter().map(|t| t.outcome.word()).collect::<Vec<_>>())
    .bind(tries.iter().map(|t| Some(&t.reply).filter(|reply| !reply.is_empty())).collect::<Vec<_>>())
    .bind(tries.iter().map(|t| counts(&t.outcome)).collect::<Vec<_>>())
    .bind(tries.iter().map(|t| t.worker).collect::<Vec<_>>())
    .bind(tries.iter().map(|t| unknown_until(&t.outcome)).collect::<Vec<_>>())
    .bind(tries.iter().map(|t| t.verdict.map(Judgement::name)).collect::<Vec<_>>())
    .bind(tries.iter().map(|t| t.subscriber_id).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    Ok(ended.into_iter().collect())
}

/// Writes down what the mails told, and what others may follow of it.
async fn alerts_told(connection: &mut PgConnection, tries: &[&Try], now: DateTime<Utc>) -> Result<()> {
    let each: Vec<(&Try, &Told)> = tries
        .iter()
        .filter(|t| t.outcome != Outcome::Returned)
        .flat_map(|t| t.told.iter().map(move |told| (*t, told)))
        .collect();
    if each.is_empty() {
        return Ok(());
    }
    let (summarised, each): (Vec<_>, Vec<_>) = each
        .into_iter()
        .partition(|(t, told)| t.outcome == Outcome::Accepted && told.extent == Extent::Summary);
    summarise(&mut *connection, &summarised).await?;
    let recorded = alerts(&mut *connection, &each, now).await?;
    outcomes::emit(connection, &events(&recorded, now)).await
}

/// Ends the alerts of which a digest only said that there is more.
async fn summarise(connection: &mut PgConnection, each: &[(&Try, &Told)]) -> Result<()> {
    if each.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "update alerts a set due_at = null, ended = 'summarised'
         from unnest($1::bigint[], $2::bigint[]) as n (subscriber_id, opening_id)
         where a.subscriber_id = n.subscriber_id and a.opening_id = n.opening_id",
    )
    .bind(each.iter().map(|(t, _)| t.subscriber_id).collect::<Vec<_>>())
    .bind(each.iter().map(|(_, told)| told.opening_id).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// An alert that a try has changed.
#[derive(FromRow)]
struct Recorded {
    #[sqlx(flatten)]
    about: About,
    accepted: bool,
    /// Another worker has recorded the same already.
    again: bool,
    revision: i32,
    kind: String,
    message_id: String,
    outcome_before: Option<String>,
    outcome: Option<String>,
    outcome_reason: Option<String>,
    door_left: Option<i64>,
}

/// Writes down what became of the alerts.
async fn alerts(
    connection: &mut PgConnection,
    each: &[(&Try, &Told)],
    now: DateTime<Utc>,
) -> Result<Vec<Recorded>> {
    Ok(sqlx::query_as(
        "with n as (
             select n.*, o.revision as revision_now, o.subject, o.posting, o.cycle, m.kind, m.message_id,
                    b.outcome as outcome_before,
                    (b.told_mail_id, b.told_revision) is not distinct from (n.mail_id, n.revision) as again,
                    o.state = 'open' or o.state = 'closed' and o.door_shuts_at > $1 as is_open,
                    o.door_shuts_at <= $1 or o.state in ('closed', 'withdrawn') as is_shut
             from unnest($2::bigint[], $3::bigint[], $4::timestamptz[], $5::text[], $6::bool[], $7::text[],
                         $8::int[], $9::bigint[], $10::text[], $11::text[], $12::bigint[], $13::bool[],
                         $14::bool[])
                 as n (subscriber_id, opening_id, due_at, ended, accepted, phase, revision, mail_id, outcome,
                       reason, door_left, advance, reminded)
             join alerts b on b.subscriber_id = n.subscriber_id and b.opening_id = n.opening_id
             join mails m on m.id = n.mail_id
             join openings o on o.id = n.opening_id)
         update alerts a set
             -- What has changed since the claim is compared again at once.
             due_at = case when n.accepted and n.revision_now > n.revision then $1 else n.due_at end,
             ended = n.ended,
             told_phase = case when n.accepted then n.phase else a.told_phase end,
             told_revision = case when n.accepted then n.revision else a.told_revision end,
             told_mail_id = case when n.accepted then n.mail_id else a.told_mail_id end,
             told_at = case when n.accepted then $1 else a.told_at end,
             reminded_at = case when n.accepted and n.reminded then $1 else a.reminded_at end,
             advance_told_at = case when n.accepted and n.advance and a.promise
                 then coalesce(a.advance_told_at, $1) else a.advance_told_at end,
             (outcome, outcome_reason, outcome_at, door_left) = (
                 select case when news.outcome is null then a.outcome else news.outcome end,
                        case when news.outcome is null then a.outcome_reason else news.reason end,
                        case when news.outcome is null then a.outcome_at else $1 end,
                        case when news.outcome is null then a.door_left
                             else make_interval(secs => news.door_left) end
                 from (
                     select case
                                when not a.promise then null
                                -- Nobody can be told any more; while the door is open that may change.
                                when n.ended in ('refused', 'given-up') and n.is_shut and a.outcome is null
                                    then 'released'
                                when not n.accepted then null
                                -- It shut between the claim and now: not kept.
                                when n.outcome in ('kept', 'kept-late') and not n.is_open then null
                                when a.outcome is null then n.outcome
                                when n.outcome in ('kept', 'kept-late') and a.outcome in ('explained', 'released')
                                    then n.outcome
                                -- It was taken after all.
                                when n.outcome = 'explained' and a.outcome_reason = 'undeliverable'
                                    then n.outcome
                            end as outcome,
                            case when n.accepted then n.reason else 'undeliverable' end as reason,
                            n.door_left
                 ) news)
         from n
         where a.subscriber_id = n.subscriber_id and a.opening_id = n.opening_id
         returning n.subject, n.posting, n.cycle, n.accepted, n.again, n.revision, n.kind, n.message_id,
                   n.outcome_before, a.outcome, a.outcome_reason,
                   extract(epoch from a.door_left)::bigint as door_left",
    )
    .bind(now)
    .bind(each.iter().map(|(t, _)| t.subscriber_id).collect::<Vec<_>>())
    .bind(each.iter().map(|(_, told)| told.opening_id).collect::<Vec<_>>())
    .bind(
        each.iter()
            .map(|(t, told)| match t.outcome {
                Outcome::Accepted => told.next_due,
                _ => t.outcome.due_again(),
            })
            .collect::<Vec<_>>(),
    )
    .bind(each.iter().map(|(t, _)| t.outcome.word().filter(|_| t.outcome != Outcome::Accepted)).collect::<Vec<_>>())
    .bind(each.iter().map(|(t, _)| t.outcome == Outcome::Accepted).collect::<Vec<_>>())
    .bind(each.iter().map(|(_, told)| name_of(&told.phase)).collect::<Vec<_>>())
    .bind(each.iter().map(|(_, told)| told.revision).collect::<Vec<_>>())
    .bind(each.iter().map(|(t, _)| t.mail_id).collect::<Vec<_>>())
    .bind(each.iter().map(|(_, told)| told.promise.outcome()).collect::<Vec<_>>())
    .bind(each.iter().map(|(_, told)| told.promise.reason()).collect::<Vec<_>>())
    .bind(each.iter().map(|(_, told)| told.promise.door_left()).collect::<Vec<_>>())
    .bind(each.iter().map(|(_, told)| told.promise == Promise::DateTold).collect::<Vec<_>>())
    .bind(each.iter().map(|(_, told)| told.extent == Extent::Reminder).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?)
}

/// What others may follow of it: who was told the same is told of together.
fn events(recorded: &[Recorded], now: DateTime<Utc>) -> Vec<OutcomeEvent> {
    type Same<'a> = (&'a About, i32, &'a str, Option<&'a str>);
    let mut told: BTreeMap<Same<'_>, (&str, u32)> = BTreeMap::new();
    let mut promises = Vec::new();
    for row in recorded {
        let mail = local_part(&row.message_id);
        let outcome = row.outcome.as_deref().filter(|_| row.outcome != row.outcome_before);
        if row.accepted && !row.again {
            let (named, people) =
                told.entry((&row.about, row.revision, &row.kind, outcome)).or_insert((mail, 0));
            *named = mail.min(*named);
            *people += 1;
        }
        promises.extend(outcome.map(|outcome| {
            let outcome = PromiseOutcome {
                outcome,
                reason: row.outcome_reason.as_deref(),
                door_left: row.door_left.map(Duration::seconds),
                mail: Some(mail),
            };
            OutcomeEvent::promise(&row.about, outcome, now)
        }));
    }
    let told = told.into_iter().map(|((about, revision, kind, outcome), (mail, people))| {
        OutcomeEvent::told(about, &Telling { mail, revision, kind, outcome, people }, now)
    });
    told.chain(promises).collect()
}

/// What stands before the `@` of a Message-ID.
fn local_part(message_id: &str) -> &str {
    message_id.trim_start_matches('<').split('@').next().unwrap_or_default()
}
