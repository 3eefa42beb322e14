//! The mail server puts everything off for three hours, and then takes all.

use anyhow::{Context as _, bail};
use chrono::Duration;
use jobalerts::clock::Clock;
use jobalerts::stage::{Bell, Stage as _};
use jobalerts_dev::account::say;
use jobalerts_dev::smtp::{Rule, Stage};

use crate::ground::Ground;
use crate::here;
use crate::reckoning::{Played, Row, count_all};
use crate::scene::Scene;

/// So long, by the rehearsed clock.
const HOURS: i64 = 3;
/// Times that are closer together are one moment.
const STEP: Duration = Duration::minutes(1);

pub(crate) async fn play(ground: &Ground) -> anyhow::Result<Row> {
    say(&format!(
        "For {HOURS} rehearsed hours the mail server answers every mail with 451 after its content, and then it takes all. \
         The program runs in this process, and its clock moves to the next time at which something is due by the plan of \
         retries (smtp.retry) and of breakers (providers.breaker_first). Counted is the rehearsed time from then to the \
         last mail. Every mail has an answer, so none may be unknown or come twice."
    ));
    let scene = Scene::set(ground, "deferral", &ground.servers(), "").await?;
    let later = Rule::at(Stage::EndOfData).reply(451, "4.3.2 Come back later");
    scene.smtp.set_script([later.clone()]);
    let clock = Clock::standing(scene.clock.now());
    let begin = clock.now();
    let ends = begin + Duration::hours(HOURS);
    let program = here::program(&scene, &clock)?;
    here::release(&scene, &program).await?;
    let mut delivery = program.delivery(Bell::default())?;
    let mut moments = 0;
    loop {
        delivery.drain().await?;
        moments += 1;
        if scene.left().await? == 0 {
            break;
        }
        let now = clock.now();
        let Some(next) = here::next(&program, now).await? else { bail!("somebody is due and never will be") };
        let next = next.max(now + STEP);
        let next = if now < ends { next.min(ends) } else { next };
        if next == ends {
            scene.smtp.set_script([]);
        }
        clock.set(next);
    }
    delivery.finish().await;
    scene.clock.leap(clock.now() - begin);
    let most = scene.count("select max(attempts)::bigint from mails").await?;
    let tries = scene.count("select sum(attempts)::bigint from mails").await?;
    say(&format!(
        "{} mails were put off, at {moments} moments; each was tried {:.2} times on average, and {most} times at most.",
        later.fired(),
        ratio(tries, scene.people.len())?
    ));
    let back = format!("{} rehearsed min to the last mail", (clock.now() - ends).num_minutes());
    count_all(&scene, Played { fault: "deferral", times: later.fired(), in_flight: 0, back }).await
}

fn ratio(count: usize, of: usize) -> anyhow::Result<f64> {
    let exact = |number: usize| u32::try_from(number).map(f64::from).context("too many to count");
    Ok(exact(count)? / exact(of)?)
}
