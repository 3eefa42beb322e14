//! The clock of running stages jumps ahead by an hour and back.

use std::time::Duration as Time;

use anyhow::{Context as _, ensure};
use chrono::{DateTime, Duration, Utc};
use jobalerts::clock::Clock;
use jobalerts::health::Pulse;
use jobalerts::stage::{Bell, drive};
use jobalerts_dev::account::say;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::ground::Ground;
use crate::here;
use crate::reckoning::{Played, Row, count_all};
use crate::scene::Scene;

const JUMPS: usize = 4;
/// The door has opened, and does not count as open before it has settled for two minutes.
const BEFORE: &str = "2024-03-05T10:01:00Z";
/// The stages look every second; after so long they have looked by the clock that was set back.
const TWO_LOOKS: Time = Time::from_secs(3);

pub(crate) async fn play(ground: &Ground) -> anyhow::Result<Row> {
    say(&format!(
        "Two deliveries run in this process by one clock. Everybody is due at 10:02. The clock stands at 10:01, jumps ahead \
         by an hour and back, {JUMPS} times, and then goes to 10:02. While it stands at 10:01 nothing may be begun, and no \
         mail may be on record as begun before its alert was due. Counted is the number of jumps ahead."
    ));
    let scene = Scene::set(ground, "clock", &ground.servers(), "").await?;
    let before: DateTime<Utc> = BEFORE.parse()?;
    let clock = Clock::standing(before);
    let program = here::program(&scene, &clock)?;
    here::release(&scene, &program).await?;
    let due = here::next(&program, before).await?.context("nobody is due")?;
    let stop = CancellationToken::new();
    let mut running = JoinSet::new();
    for program in [&program, &here::program(&scene, &clock)?] {
        running.spawn(drive(program.delivery(Bell::default())?, Pulse::alone(), stop.clone()));
    }
    for jump in 1..=JUMPS {
        clock.set(before + Duration::hours(1));
        scene.mails(scene.people.len() * jump / (JUMPS + 1)).await?;
        clock.set(before);
        tokio::time::sleep(TWO_LOOKS).await;
        scene.nothing_is_in_hand().await?;
        let mails = scene.smtp.tally().mails;
        tokio::time::sleep(TWO_LOOKS).await;
        ensure!(scene.smtp.tally().mails == mails, "mails leave while the clock says that nobody is due");
        say(&format!("Back at 10:01 after {mails} mails: nothing leaves."));
    }
    clock.set(due);
    scene.is_done().await?;
    stop.cancel();
    while let Some(ended) = running.join_next().await {
        ended?;
    }
    let early: i64 = sqlx::query_scalar("select count(*) from mails where claimed_at < $1")
        .bind(due)
        .fetch_one(program.pool())
        .await?;
    ensure!(early == 0, "{early} mails were begun before they were due");
    let back = format!("by {} all were told", due.format("%H:%M"));
    count_all(&scene, Played { fault: "clock", times: JUMPS, in_flight: 0, back }).await
}
