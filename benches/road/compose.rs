//! Writing a mail, in this process: what it costs before it leaves.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use chrono::{DateTime, Utc};
use jobalerts::compose::{
    Composer, Digest, Email, Identity, Item, MailKind, MessageId, Recipient, Sender, Signer,
};
use jobalerts::config::Config;
use jobalerts::domain::alert::{Notice, Told};
use jobalerts::domain::difference::Field;
use jobalerts::domain::dkim::SigningKey;
use jobalerts::domain::history::{Event, Position, openings};
use jobalerts::domain::language::Language;
use jobalerts::domain::subject::{Kind, Subject};
use jobalerts::domain::taxonomy::Taxonomy;
use jobalerts::domain::terms::Terms;
use jobalerts::domain::token::TokenKeys;
use jobalerts::domain::truth::{Phase, Truth};
use jobalerts::intake::wire::{self, Reading};
use jobalerts_dev::secrets;
use serde_json::Value;
use uuid::Uuid;

use crate::adverts;
use crate::ground::now;
use crate::report::{Report, grouped, per_second, rate, time};

/// How long each thing is done over and over.
const ENOUGH: Duration = Duration::from_millis(700);

/// Mails of one and of several vacancies.
pub(crate) fn measure(report: &mut Report) -> anyhow::Result<()> {
    let config = Config::load(Some(Path::new("config/jobalerts.toml")), &BTreeMap::new())?;
    let taxonomy = Arc::new(Taxonomy::shipped());
    let writer = Writer::new(&config, Signed::Not)?;
    for vacancies in [1, 3, 10] {
        let octets = writer.write(vacancies)?.content().len();
        let each = timed(|| writer.write(vacancies));
        #[expect(clippy::cast_precision_loss, reason = "some thousands")]
        let what = format!("writing a mail of {vacancies} vacancies ({} octets)", grouped(octets as f64));
        report.add(what, time(each));
    }
    for (signed, what) in [(Signed::Ed25519, "Ed25519"), (Signed::Rsa, "RSA 2048")] {
        let signing = Writer::new(&config, signed)?;
        let each = timed(|| signing.write(1));
        report.add(format!("writing a mail of one vacancy, signed by {what}"), time(each));
    }
    digests(&config, &writer.composer, report)?;
    let facts = &writer.truth.facts;
    report.add("what an advert answers to", time(timed(|| Terms::of(facts, &taxonomy))));
    Ok(())
}

/// Digests of six, on one thread and on two.
fn digests(config: &Config, composer: &Composer, report: &mut Report) -> anyhow::Result<()> {
    let six = Six::new(config)?;
    let octets = six.written(composer)?.content().len();
    for threads in [1, 2] {
        let written = AtomicU64::new(0);
        let begun = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    while begun.elapsed() < 3 * ENOUGH {
                        black_box(six.written(composer).is_ok());
                        written.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        let rate = rate(written.into_inner(), begun.elapsed());
        #[expect(clippy::cast_precision_loss, reason = "some thousands")]
        let what = format!("writing digests of six ({} octets), {threads} at a time", grouped(octets as f64));
        if threads == 1 {
            report.add(what, per_second(rate));
        } else {
            report.aim(what, per_second(rate), "over 1,000/s on two cores", rate > 1_000.0);
        }
    }
    Ok(())
}

/// What a digest tells: one that closes soon, three that are new, one that has
/// changed, and one that came and went.
struct Six {
    subjects: Vec<Subject>,
    truths: Vec<Truth>,
    told: Truth,
    notices: Vec<Notice>,
    at: DateTime<Utc>,
}

impl Six {
    fn new(config: &Config) -> anyhow::Result<Self> {
        let at = now();
        let since = at - chrono::Duration::hours(12);
        let closing = |days: i64| (at + chrono::Duration::days(days)).date_naive();
        let open = |number: usize, days| {
            let reference = format!("ROAD-{number}");
            let data = adverts::closing_on(closing(days), &reference, since);
            vec![(1, "vacancy.opened", since, data)]
        };
        let mut gone = open(5, 20);
        let shut = at - chrono::Duration::hours(6);
        gone.push((2, "vacancy.closed", shut, adverts::closed(shut)));
        let told = so(config, &open(4, 20))?;
        let mut changed = open(4, 20);
        changed.push((2, "vacancy.corrected", shut, adverts::corrected(closing(25), shut)));
        let truths = [open(0, 1), open(1, 20), open(2, 14), open(3, 10), changed, gone];
        Ok(Self {
            subjects: (0..6)
                .map(|number| format!("vacancy/ROAD-{number}").parse().map_err(anyhow::Error::from))
                .collect::<anyhow::Result<_>>()?,
            truths: truths.iter().map(|events| so(config, events)).collect::<anyhow::Result<_>>()?,
            told,
            notices: vec![
                Notice::Open,
                Notice::Open,
                Notice::Open,
                Notice::Open,
                Notice::Corrected(vec![Field::Closing]),
                Notice::Missed,
            ],
            at,
        })
    }

    fn written(&self, composer: &Composer) -> anyhow::Result<Email> {
        let told = Told {
            truth: &self.told,
            phase: Phase::Open,
            at: self.at - chrono::Duration::hours(9),
            reminded: false,
        };
        let items = self.subjects.iter().zip(&self.truths).zip(&self.notices);
        let items = items.map(|((subject, truth), notice)| Item {
            subject,
            truth,
            told: matches!(notice, Notice::Corrected(_)).then_some(told),
            notice,
            searches: vec!["My search"],
            registration: None,
            no_longer_matches: false,
            perhaps_told: false,
            test: false,
        });
        let digest = Digest { items: items.collect(), soon: self.at + chrono::Duration::hours(72), rest: 0 };
        let keys: Vec<String> = self.subjects.iter().map(|subject| format!("{subject}/1")).collect();
        let told = keys.iter().map(|key| (key.as_str(), 1));
        let id = MessageId::of(Uuid::from_u128(1829), MailKind::Digest.name(), told, composer.domain());
        Ok(composer.digest(&recipient()?, identity(&id), &digest, self.at)?)
    }
}

/// How mails are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signed {
    /// They are not.
    Not,
    /// By RSA with 2,048 bits.
    Rsa,
    /// By Ed25519.
    Ed25519,
}

/// Writes mails to one person about one vacancy.
pub(crate) struct Writer {
    composer: Composer,
    truth: Truth,
}

impl Writer {
    /// One whose mails are signed so.
    pub(crate) fn new(config: &Config, signed: Signed) -> anyhow::Result<Self> {
        let key = match signed {
            Signed::Not => None,
            Signed::Rsa => Some(SigningKey::rsa(secrets::DKIM_RSA_KEY)?),
            Signed::Ed25519 => Some(SigningKey::ed25519(secrets::DKIM_ED25519_KEY)?),
        };
        let signers = key.into_iter().map(|key| Signer {
            domain: config.dkim.domain.clone(),
            selector: "bench".to_owned(),
            key,
        });
        let keys = TokenKeys::passing(&mut rand::rng());
        let sender = Sender { signers: signers.collect(), ..Sender::new(config, keys) };
        let composer = Composer::new(sender, Arc::new(Taxonomy::shipped()), None)
            .map_err(|problems| anyhow::anyhow!("the templates have {} problems", problems.len()))?;
        Ok(Self { composer, truth: truth(config)? })
    }

    /// A mail that says it of so many vacancies.
    pub(crate) fn write(&self, vacancies: usize) -> anyhow::Result<Email> {
        let subject: Subject = "vacancy/ROAD-1".parse()?;
        let item = Item {
            subject: &subject,
            truth: &self.truth,
            told: None,
            notice: &Notice::Open,
            searches: vec!["My search"],
            registration: None,
            no_longer_matches: false,
            perhaps_told: false,
            test: false,
        };
        let (kind, told) = (MailKind::VacancyAlert, [("vacancy/ROAD-1/1", 1)]);
        let id = MessageId::of(Uuid::from_u128(1829), kind.name(), told.into_iter(), self.composer.domain());
        let items = vec![item; vacancies];
        Ok(self.composer.mail(kind, &recipient()?, identity(&id), &items, now())?)
    }
}

/// What is so by the event that opens the vacancy.
pub(crate) fn truth(config: &Config) -> anyhow::Result<Truth> {
    let now = now();
    so(config, &[(1, "vacancy.opened", now, adverts::data("ROAD-1", now))])
}

/// What is so by these events about a vacancy: version, type, time and data.
fn so(config: &Config, events: &[(i64, &str, DateTime<Utc>, Value)]) -> anyhow::Result<Truth> {
    let reading = Reading { zone: config.time.zone };
    let events = events.iter().map(|(version, kind, time, data)| {
        let happening = wire::happening(kind, data, &reading);
        Ok(Event {
            id: *version,
            position: Position { version: Some(*version), time: *time },
            effective_at: *time,
            seen_at: *time,
            test: false,
            zone: config.time.zone,
            happening: happening.ok().context("an event cannot be read")?,
        })
    });
    let events = events.collect::<anyhow::Result<Vec<_>>>()?;
    let mut openings = openings(Kind::Vacancy, &events, config.guards.settling().flap_window);
    Ok(openings.pop().context("the events open nothing")?.truth)
}

fn recipient() -> anyhow::Result<Recipient> {
    let address = "person.123456@mail7.example".parse();
    let address = address.ok().context("the address cannot be read")?;
    Ok(Recipient { person: Uuid::from_u128(1829), address, discreet: false, language: Language::EnGb })
}

fn identity(message_id: &MessageId) -> Identity<'_> {
    Identity { key: 1829, message_id, thread: &[] }
}

fn timed<T>(mut work: impl FnMut() -> T) -> Duration {
    let begun = Instant::now();
    let mut times = 0;
    while begun.elapsed() < ENOUGH {
        black_box(work());
        times += 1;
    }
    begun.elapsed() / times
}
