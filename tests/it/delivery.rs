//! The mail server in all its moods: each mail arrives, once, or its row says why not.

mod breakers;
mod later;
mod limits;
mod lost;
mod mx;
mod never;
mod relays;
mod secure;
mod truth;

use jobalerts::daemon::Program;
use jobalerts_dev::smtp::{Builder, SmtpServer};

use crate::harness::Road;
use crate::harness::events::Event;
use crate::harness::people::{Person, curious};

const ANN: &str = "ann@example.org";
const BOB: &str = "bob@example.org";

/// The longest of the first waits of the retry plan, with its quarter on top: 25 minutes.
const AFTER_FIRST_WAIT: &str = "2023-11-13T08:56:00Z";
/// And of the second: an hour later at most.
const AFTER_SECOND_WAIT: &str = "2023-11-13T09:56:00Z";

/// A road on which these people are about to hear of one vacancy.
async fn about_to_tell(people: &[&str], smtp: Builder) -> Road {
    let road = Road::setup().smtp(smtp).build().await;
    tell(&road, people).await;
    road
}

async fn tell(road: &Road, people: &[&str]) {
    let people: Vec<_> = people.iter().map(|address| curious(address)).collect();
    road.import(&people).await;
    road.hears(&[Event::opened("230000AA")]).await;
    road.match_all().await;
}

/// So many people at a mail domain.
fn people_at(domain: &str, count: usize) -> Vec<Person> {
    (0..count).map(|number| curious(&format!("p{number}@{domain}"))).collect()
}

/// Another process on the same road.
fn another(road: &Road) -> Program {
    Program::new(road.config().clone(), road.clock.clone()).unwrap()
}

/// A file with this text, for the configuration.
fn file(text: &str) -> String {
    let name = format!("it-{}.toml", uuid::Uuid::new_v4().simple());
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn scripted(rules: impl IntoIterator<Item = jobalerts_dev::smtp::Rule>) -> Builder {
    SmtpServer::builder().script(rules)
}
