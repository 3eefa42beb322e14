//! The scenes, one for each fault.

mod away;
mod broker;
mod clock;
mod deferral;
mod disk;
mod kills;
mod standby;

use jobalerts_dev::account::{part, say};

use crate::ground::Ground;
use crate::reckoning::Row;

/// Their names, in the order in which they are played.
pub(crate) const NAMES: [&str; 9] = [
    "kills",
    "away-postgres",
    "away-rabbitmq",
    "away-smtp",
    "standby",
    "broker",
    "deferral",
    "clock",
    "disk",
];

/// Plays one. A scene that cannot go on is a fault that did harm.
pub(crate) async fn play(name: &'static str, ground: &Ground) -> Row {
    part(name);
    let played = match name {
        "kills" => kills::play(ground).await,
        "away-postgres" => away::postgres(ground).await,
        "away-rabbitmq" => away::rabbitmq(ground).await,
        "away-smtp" => away::smtp(ground).await,
        "standby" => standby::play(ground).await,
        "broker" => broker::play(ground).await,
        "deferral" => deferral::play(ground).await,
        "clock" => clock::play(ground).await,
        "disk" => disk::play(ground).await,
        _ => Err(anyhow::anyhow!("there is no such scene")),
    };
    played.unwrap_or_else(|error| {
        let problem = format!("it did not come to its end: {error:#}");
        say(&problem);
        Row { fault: name, problems: vec![problem], ..Row::default() }
    })
}
