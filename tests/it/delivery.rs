//! The mail server in all its moods: each mail arrives, once, or its row says why not.

mod later;
mod lost;
mod never;
mod secure;
mod truth;

use jobalerts_dev::smtp::{Builder, SmtpServer};

use crate::harness::Road;
use crate::harness::events::Event;
use crate::harness::people::curious;

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

fn scripted(rules: impl IntoIterator<Item = jobalerts_dev::smtp::Rule>) -> Builder {
    SmtpServer::builder().script(rules)
}
