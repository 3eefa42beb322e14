//! Daemons are killed at random moments while a programme is released.

use std::time::{Duration, Instant};

use jobalerts_dev::account::say;
use rand::Rng as _;

use crate::cast::Cast;
use crate::ground::Ground;
use crate::reckoning::{Played, Row, reckon};
use crate::scene::{LINES, Scene};

const KILLS: usize = 100;
/// All of them send, so that at each kill mails are on their way.
const STAGES: [&str; 3] = ["intake,matching,delivery", "delivery,housekeeping", "delivery,outcomes,web"];
/// Up to so long after the mails for which a kill waits.
const LATER_MS: u64 = 300;

pub(crate) async fn play(ground: &Ground) -> anyhow::Result<Row> {
    say(&format!(
        "Three daemons ({}) tell the people, each over {LINES} connections. One of them is killed (SIGKILL) {KILLS} times, \
         at random moments spread over the mails, and is started again at once. At a kill at most the {LINES} mails of its \
         connections are on their way.",
        STAGES.join("; ")
    ));
    let scene = Scene::set(ground, "kills", &ground.servers(), "").await?;
    let mut random = ground.random();
    let mut cast = Cast::start(&scene, &STAGES)?;
    scene.release().await?;
    for kill in 0..KILLS {
        // Some mails are kept from arriving by the kills themselves, so it ends early.
        scene.mails(scene.people.len() * kill / (KILLS * 10 / 9)).await?;
        tokio::time::sleep(Duration::from_millis(random.random_range(0..LATER_MS))).await;
        cast.kill(random.random_range(0..cast.len())).await?;
    }
    let undone = Instant::now();
    scene.is_done().await?;
    let back = format!("{:.1} s from the last kill to the last mail", undone.elapsed().as_secs_f64());
    reckon(&scene, cast, Played { fault: "kills", times: KILLS, in_flight: KILLS * LINES, back }).await
}
