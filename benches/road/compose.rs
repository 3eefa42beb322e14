//! Writing a mail, in this process: what it costs before it leaves.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use jobalerts::compose::{Composer, Item, MessageId, Recipient, Sender, VACANCY_ALERT};
use jobalerts::config::Config;
use jobalerts::domain::facts::Facts;
use jobalerts::domain::history::Happening;
use jobalerts::domain::taxonomy::Taxonomy;
use jobalerts::domain::terms::Terms;
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
    let facts = facts(&config)?;
    for vacancies in [1, 3, 10] {
        let octets = written(&composer, &facts, vacancies)?.len();
        let each = timed(|| written(&composer, &facts, vacancies));
        #[expect(clippy::cast_precision_loss, reason = "some thousands")]
        let what = format!("writing a mail of {vacancies} vacancies ({} octets)", grouped(octets as f64));
        report.add(what, time(each));
    }
    report.add("what an advert answers to", time(timed(|| Terms::of(&facts, &taxonomy))));
    Ok(())
}

/// A mail of one vacancy, as the octets that leave.
pub(crate) fn sample(config: &Config) -> anyhow::Result<Vec<u8>> {
    let composer = composer(config, &Arc::new(Taxonomy::shipped()))?;
    written(&composer, &facts(config)?, 1)
}

fn composer(config: &Config, taxonomy: &Arc<Taxonomy>) -> anyhow::Result<Composer> {
    Composer::new(Sender::from(config), Arc::clone(taxonomy))
        .map_err(|problems| anyhow::anyhow!("the templates have {} problems", problems.len()))
}

/// What the advert of the events says, in the words of the domain.
pub(crate) fn facts(config: &Config) -> anyhow::Result<Facts> {
    let reading = Reading { zone: config.time.zone };
    match wire::happening("vacancy.opened", &adverts::data("ROAD-1", now()), &reading) {
        Ok(Happening::Opened(facts)) => Ok(*facts),
        _ => anyhow::bail!("the advert of the events cannot be read"),
    }
}

fn written(composer: &Composer, facts: &Facts, vacancies: usize) -> anyhow::Result<Vec<u8>> {
    let item = Item { reference: "ROAD-1", facts, searches: vec!["My search"], test: false };
    let address = "person.123456@mail7.example".parse();
    let to = Recipient { address: address.ok().context("the address cannot be read")?, discreet: false };
    let told = [("vacancy/ROAD-1/1", 1)];
    let id = MessageId::of(Uuid::from_u128(1829), VACANCY_ALERT, told.into_iter(), composer.domain());
    let items = vec![item; vacancies];
    Ok(composer.vacancy_alert(&to, &items, &id, now())?.to_bytes())
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
