//! The primary is lost, and its synchronous standby takes its place.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use jobalerts_dev::account::say;
use rand::Rng as _;
use sqlx::{Connection as _, PgConnection};
use url::Url;

use crate::cast::Cast;
use crate::ground::{Ground, Servers};
use crate::reckoning::{Played, Row, reckon};
use crate::scene::{LINES, RETRY_SOON, Scene};
use crate::services::{Services, at_port};

const STAGES: [&str; 3] = ["intake,matching,delivery", "delivery,housekeeping", "delivery,outcomes,web"];
/// So long it takes somebody to promote the standby.
const NOTICED_MS: std::ops::Range<u64> = 500..3_000;

pub(crate) async fn play(ground: &Ground) -> anyhow::Result<Row> {
    say(
        "PostgreSQL has a standby that confirms each commit (synchronous_standby_names), and database.url names both. In the \
         middle of the release the primary is killed with all its processes (SIGKILL), some seconds later the standby is \
         promoted, and the daemons go on with it without a restart. Counted is the time from then to the next mail. The \
         reckoning is made on the standby.",
    );
    let given = ground.servers();
    let folder = ground.folder();
    let primary = Services::of(&folder.join("primary")).with("AMQP_URL", given.brokers[0].as_str());
    primary.run("start", &[]).await?;
    let standby = Services::of(&folder.join("standby"));
    standby.run("follow-postgres", &[primary.directory().as_os_str()]).await?;
    let databases = vec![primary.database()?, at_port(&primary.database()?, standby.postgres_port()?)?];
    let servers = Servers { databases, ..given };
    let scene = Scene::set(ground, "standby", &servers, RETRY_SOON).await?;
    let cast = Cast::start(&scene, &STAGES)?;
    scene.release().await?;
    scene.mails(scene.people.len() / 2).await?;
    primary.run("kill-postgres", &[]).await?;
    let lost = Instant::now();
    tokio::time::sleep(Duration::from_millis(ground.random().random_range(NOTICED_MS))).await;
    promote(&servers.databases[1]).await?;
    let promoted = Instant::now();
    scene.looks_at(&servers.databases[1])?;
    let mails = scene.smtp.tally().mails;
    scene.mails(mails + 1).await?;
    let back = promoted.elapsed().as_secs_f64();
    say(&format!(
        "After {mails} mails the primary is lost; {:.1} s later its standby is promoted, and {back:.1} s later the next mail \
         arrives.",
        (promoted - lost).as_secs_f64()
    ));
    let back = format!("{back:.1} s to the next mail");
    reckon(&scene, cast, Played { fault: "standby", times: 1, in_flight: STAGES.len() * LINES, back }).await
}

async fn promote(standby: &Url) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect(standby.as_str()).await.context("the standby is away")?;
    let promoted: bool = sqlx::query_scalar("select pg_promote()").fetch_one(&mut connection).await?;
    anyhow::ensure!(promoted, "the standby did not become the primary in time");
    Ok(())
}
