//! The claim of letters: mails to a person that are about no opening. They
//! leave by the same lanes as all mails, and are claimed when the people who are
//! due for something else have been.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use sqlx::{PgConnection, PgPool};

use crate::compose::letters::Holding;
use crate::compose::{Letter, MessageId};
use crate::delivery::claim;
use crate::delivery::deciding::UNREADABLE;
use crate::delivery::in_hand::Errand;
use crate::domain::letter::{Addressed, Patience, Standing};
use crate::store;
use crate::store::digests;
use crate::store::letters::{self, Due};
use crate::store::mails::{self, Unfinished};
use crate::store::subscribers::{self, Addressee};

/// What the claim of letters goes by, besides what all claims go by.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// How long an answer is waited for.
    pub patience: Patience,
    /// When people want to be written to, and the domain of the Message-IDs.
    pub mails: &'a claim::Rules,
}

/// A letter that has been claimed and is to be written and sent.
#[derive(Debug, Clone)]
pub struct ClaimedLetter {
    /// What every mail has; its thread are the letters before it.
    pub errand: Errand,
    /// Which letter it is.
    pub letter: Letter,
    /// What they asked for.
    pub holding: Holding,
    /// The day that it names.
    pub day: NaiveDate,
}

/// What one claim brought.
#[derive(Debug, Default)]
pub struct Claim {
    /// What is to be sent.
    pub letters: Vec<ClaimedLetter>,
    /// Letters that ended without being sent.
    pub ended: usize,
    /// How many people a letter was due to.
    pub people: usize,
}

/// A letter as it was decided.
pub(super) struct Plan {
    id: i64,
    begun: Option<Unfinished>,
    pub(super) letter: ClaimedLetter,
}

/// What is to be done about the letters that are due to some people.
#[derive(Default)]
pub(super) struct Decided {
    /// Those that are to be sent, at most one to each.
    pub(super) plans: Vec<Plan>,
    /// Those that are not, and why.
    pub(super) endings: Vec<(i64, &'static str)>,
    /// Those that wait, and until when.
    pub(super) waits: Vec<(i64, DateTime<Utc>)>,
    /// Mails that were begun and are not sent any more.
    superseded: Vec<i64>,
}

/// What is to be done about a letter.
enum Decision {
    Send(Box<Plan>),
    /// It is not to be sent, for this reason.
    End(&'static str),
    /// It cannot be read, or the person wants no mail now: it is left alone
    /// until then.
    Wait(DateTime<Utc>),
}

/// Claims letters to up to `limit` people.
///
/// # Errors
///
/// When Postgres is away; nothing is claimed then.
pub async fn claim(
    pool: &PgPool,
    rules: Rules<'_>,
    worker: i32,
    limit: i64,
    now: DateTime<Utc>,
) -> store::Result<Claim> {
    let mut transaction = pool.begin().await?;
    let except = rules.mails.gate.shut(&mut transaction, &[], now).await?;
    let people = letters::people_due(&mut transaction, now, limit, &except).await?;
    if people.is_empty() {
        return Ok(Claim::default());
    }
    let Decided { mut plans, endings, waits, superseded } =
        decide_all(&mut transaction, rules, &people, now).await?;
    letters::end(&mut transaction, &endings, now).await?;
    letters::postpone(&mut transaction, &waits).await?;
    mails::supersede(&mut transaction, &superseded, now).await?;
    rules.mails.gate.admit(&mut transaction, &mut plans, |plan| &mut plan.letter.errand, now).await?;
    let claims: Vec<mails::Claim<'_>> = plans.iter().map(Plan::claim).collect();
    let keys = mails::claim(&mut transaction, worker, &claims, now).await?;
    let key_of = |plan: &Plan| keys.get(&plan.letter.errand.subscriber_id).copied();
    let leaving: Vec<(i64, i64)> = plans.iter().filter_map(|plan| Some((plan.id, key_of(plan)?))).collect();
    letters::leaving(&mut transaction, &leaving).await?;
    transaction.commit().await?;

    let claimed = plans.into_iter().filter_map(|plan| {
        let mail_id = key_of(&plan)?;
        let ClaimedLetter { errand, letter, holding, day } = plan.letter;
        Some(ClaimedLetter { errand: errand.claimed(mail_id, worker), letter, holding, day })
    });
    Ok(Claim { letters: claimed.collect(), ended: endings.len(), people: people.len() })
}

/// Decides what is to be done about the letters that are due to these people, after everything about them
/// was read again. Changes nothing.
///
/// # Errors
///
/// When Postgres is away.
pub(super) async fn decide_all(
    connection: &mut PgConnection,
    rules: Rules<'_>,
    people: &[i64],
    now: DateTime<Utc>,
) -> store::Result<Decided> {
    let mut unfinished: HashMap<i64, Unfinished> = HashMap::new();
    for mail in mails::unfinished(&mut *connection, people).await? {
        unfinished.insert(mail.id, mail);
    }
    // After the mails, as for alerts: one that is recorded as sent meanwhile is not due any more.
    let due = letters::due_of(&mut *connection, people, now).await?;
    let addressees = subscribers::addressees(&mut *connection, people, true).await?;
    let rhythm = &rules.mails.policy.rhythm;
    let had = digests::had(&mut *connection, people, rhythm.begin_of(rhythm.day_of(now))).await?;

    let mut decided = Decided::default();
    for person in people {
        let addressee = addressees.iter().find(|addressee| addressee.id == *person);
        for letter in due.iter().filter(|letter| letter.subscriber_id == *person) {
            let begun = letter.unfinished.and_then(|mail| unfinished.remove(&mail));
            let unhurried = had.get(person).map_or(0, |had| had.unhurried_today);
            let decision = match addressee {
                None => Decision::Wait(now + UNREADABLE),
                Some(addressee) => decide(rules, addressee, letter, begun.clone(), unhurried, now),
            };
            match decision {
                Decision::Send(plan) => {
                    decided.plans.push(*plan);
                    // One mail at a time is in hand; what else is due follows.
                    break;
                }
                Decision::End(reason) => {
                    decided.superseded.extend(begun.map(|mail| mail.id));
                    decided.endings.push((letter.id, reason));
                }
                Decision::Wait(until) => decided.waits.push((letter.id, until)),
            }
        }
    }
    Ok(decided)
}

/// Decides what is to be done about a letter that is due, to somebody who had so
/// many mails of no haste today: everything that it rests on is looked at again.
fn decide(
    rules: Rules<'_>,
    addressee: &Addressee,
    due: &Due,
    begun: Option<Unfinished>,
    unhurried: usize,
    now: DateTime<Utc>,
) -> Decision {
    let today = rules.patience.today(now);
    let unreadable = Decision::Wait(now + UNREADABLE);
    let Some(letter) = Letter::named(&due.kind) else { return unreadable };
    let holding = match letter {
        Letter::StillInterested | Letter::Reminder => held_by(addressee, today),
        Letter::Lapsed => match due.deleted() {
            Ok(deleted) => Holding {
                registrations: deleted.registrations.into_iter().map(|r| (r.programme, r.on)).collect(),
                searches: deleted.searches,
            },
            Err(error) => {
                tracing::error!(%error, "what a letter is to tell cannot be read");
                return unreadable;
            }
        },
    };
    let person = Addressed {
        standing: match (addressee.reachable, due.lapsed) {
            (true, _) => Standing::Reachable,
            (false, true) => Standing::Lapsed,
            (false, false) => Standing::Neither,
        },
        answered: due.answered,
        asks: holding != Holding::default(),
    };
    if let Some(needless) = letter.needless(person) {
        return Decision::End(needless.name());
    }
    // No letter is any haste: not at night, not in a pause, not on a day of many mails, and not
    // after one that came back.
    let preferences = rules.mails.preferences(addressee);
    let rests = preferences.pause.map(|pause| pause.ends).filter(|ends| *ends > now);
    let quiet = preferences.quiet_hours.and_then(|hours| hours.period(rules.mails.policy.rhythm.zone, now));
    let crowded = begun.is_none() && unhurried >= rules.mails.unhurried_a_day;
    let came_back = addressee.slow_until.filter(|until| *until > now);
    let waits =
        [rests, came_back, quiet.map(|(_, ends)| ends), crowded.then(|| rules.mails.daily_after_today(now))];
    if let Some(until) = waits.into_iter().flatten().max() {
        return Decision::Wait(until);
    }
    let day = match letter {
        Letter::StillInterested => rules.patience.answer_by(None, now),
        Letter::Reminder => rules.patience.answer_by(due.asked_at, now),
        Letter::Lapsed => rules.patience.today(due.asked_at.unwrap_or(now)),
    };
    // The same over retries and processes: it is about this confirmation.
    let about = format!("confirmed/{}", due.confirmed_at.to_rfc3339_opts(SecondsFormat::Micros, true));
    let message_id = MessageId::of(
        addressee.public_id,
        letter.name(),
        std::iter::once((about.as_str(), 0)),
        &rules.mails.domain,
    );
    let errand = Errand::to(addressee, message_id, due.thread.clone(), begun.as_ref(), now);
    let letter = ClaimedLetter { errand, letter, holding, day };
    Decision::Send(Box::new(Plan { id: due.id, begun, letter }))
}

/// What a person asks for, as it stands.
fn held_by(addressee: &Addressee, today: NaiveDate) -> Holding {
    let holds = addressee.registrations.iter().filter(|r| r.valid_until.is_none_or(|last| today <= last));
    Holding {
        registrations: holds.map(|r| (r.programme.clone(), r.registered_at)).collect(),
        searches: addressee.searches.iter().map(|search| search.name.clone()).collect(),
    }
}

impl Plan {
    /// In the words of the tables.
    fn claim(&self) -> mails::Claim<'_> {
        mails::Claim {
            unfinished: self.begun.as_ref().map(|begun| begun.id),
            subscriber_id: self.letter.errand.subscriber_id,
            kind: self.letter.letter.name(),
            message_id: self.letter.errand.message_id.as_str(),
            openings: vec![],
            revisions: vec![],
            thread: &self.letter.errand.thread,
            // It is about everything that they ask for.
            searches: BTreeSet::new(),
            programmes: BTreeSet::new(),
            unhurried: true,
            provider: &self.letter.errand.provider,
        }
    }
}
