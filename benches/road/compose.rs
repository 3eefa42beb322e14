//! Writing a mail, in this process: what it costs before it leaves.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use jobalerts::compose::{Composer, Item, MailKind, MessageId, Recipient, Sender};
use jobalerts::config::Config;
use jobalerts::domain::alert::Notice;
use jobalerts::domain::history::{Event, Position, openings};
use jobalerts::domain::subject::{Kind, Subject};
use jobalerts::domain::taxonomy::Taxonomy;
use jobalerts::domain::terms::Terms;
use jobalerts::domain::truth::Truth;
use jobalerts::intake::wire::{self, Reading};
use uuid::Uuid;

use crate::adverts;
use crate::ground::now;
use crate::report::{Report, grouped, time};

/// How long each thing is done over and over.
const ENOUGH: Duration = Duration::from_millis(700);

/// Mails of one and of several vacancies.
pub(crate) fn measure(report: &mut Report) -> anyhow::Result<()> {
    let config = Config::load(Some(Path::new("config/jobalerts.toml")), &BTreeMap::new())?;
    let taxonomy = Arc::new(Taxonomy::shipped());
    let composer = composer(&config, &taxonomy)?;
    let truth = truth(&config)?;
    for vacancies in [1, 3, 10] {
        let octets = written(&composer, &truth, vacancies)?.len();
        let each = timed(|| written(&composer, &truth, vacancies));
        #[expect(clippy::cast_precision_loss, reason = "some thousands")]
        let what = format!("writing a mail of {vacancies} vacancies ({} octets)", grouped(octets as f64));
        report.add(what, time(each));
    }
    report.add("what an advert answers to", time(timed(|| Terms::of(&truth.facts, &taxonomy))));
    Ok(())
}

/// A mail of one vacancy, as the octets that leave.
pub(crate) fn sample(config: &Config) -> anyhow::Result<Vec<u8>> {
    let composer = composer(config, &Arc::new(Taxonomy::shipped()))?;
    written(&composer, &truth(config)?, 1)
}

fn composer(config: &Config, taxonomy: &Arc<Taxonomy>) -> anyhow::Result<Composer> {
    Composer::new(Sender::from(config), Arc::clone(taxonomy))
        .map_err(|problems| anyhow::anyhow!("the templates have {} problems", problems.len()))
}

/// What is so by the event that opens the vacancy.
pub(crate) fn truth(config: &Config) -> anyhow::Result<Truth> {
    let reading = Reading { zone: config.time.zone };
    let now = now();
    let happening = wire::happening("vacancy.opened", &adverts::data("ROAD-1", now), &reading);
    let event = Event {
        id: 1,
        position: Position { version: Some(1), time: now },
        effective_at: now,
        seen_at: now,
        test: false,
        zone: config.time.zone,
        happening: happening.ok().context("the advert of the events cannot be read")?,
    };
    let mut openings = openings(Kind::Vacancy, &[event], config.guards.settling().flap_window);
    Ok(openings.pop().context("the event opens nothing")?.truth)
}

fn written(composer: &Composer, truth: &Truth, vacancies: usize) -> anyhow::Result<Vec<u8>> {
    let subject: Subject = "vacancy/ROAD-1".parse()?;
    let item = Item {
        subject: &subject,
        truth,
        told: None,
        notice: &Notice::Open,
        searches: vec!["My search"],
        registration: None,
        no_longer_matches: false,
        test: false,
    };
    let address = "person.123456@mail7.example".parse();
    let to = Recipient { address: address.ok().context("the address cannot be read")?, discreet: false };
    let (kind, told) = (MailKind::VacancyAlert, [("vacancy/ROAD-1/1", 1)]);
    let id = MessageId::of(Uuid::from_u128(1829), kind.name(), told.into_iter(), composer.domain());
    let items = vec![item; vacancies];
    Ok(composer.mail(kind, &to, &items, &[], &id, now())?.to_bytes())
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
