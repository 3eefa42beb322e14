//! The disk of PostgreSQL is full, and then it is not.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::bail;
use jobalerts_dev::account::say;
use sqlx::{Connection as _, PgConnection};
use tokio::task::block_in_place;
use url::Url;

use crate::cast::Cast;
use crate::ground::{Ground, Servers};
use crate::reckoning::{Played, Row, reckon};
use crate::room::Room;
use crate::scene::{LINES, RETRY_SOON, Scene};

const STAGES: [&str; 2] = ["intake,matching,delivery,housekeeping", "delivery,outcomes,web"];
/// The file system has room for the server's own files and a few segments of its log.
const MIB: u32 = 512;
/// So long it stays full.
const FULL: Duration = Duration::from_secs(5);
const START: &str = "deploy/dev/services start \"$ROOM\" 2>&1";

pub(crate) async fn play(ground: &Ground) -> anyhow::Result<Row> {
    say(&format!(
        "PostgreSQL with its log (pg_wal) lives on a file system of {MIB} MiB. In the middle of the release a ballast file \
         takes all that is free, and the log is written to until it cannot grow; {} s later the file is removed. If PostgreSQL has \
         given up by then, it is started again. Counted is the time from then to the next mail.",
        FULL.as_secs()
    ));
    // Not below the checkout: PostgreSQL does not run as root, and its user may not get there.
    let directory = std::env::temp_dir().join(format!("jobalerts-chaos-{}", std::process::id()));
    let given = ground.servers();
    let mut room = match room(&directory, given.brokers[0].as_str()) {
        Ok(room) => room,
        Err(error) => {
            say(&format!("It is not played: {error:#}"));
            return Ok(Row { fault: "disk", not_played: Some(format!("{error:#}")), ..Row::default() });
        }
    };
    let said = block_in_place(|| room.run(START))?;
    if said.contains("cannot enter") {
        bail!("PostgreSQL does not live on the small file system: {said}");
    }
    let port = block_in_place(|| room.run("cat \"$ROOM/postgres.port\""))?;
    let database = format!("postgres://jobalerts@127.0.0.1:{}/jobalerts", port.trim());
    let servers = Servers { databases: vec![Url::parse(&database)?], ..given };
    let scene = Scene::set(ground, "disk", &servers, RETRY_SOON).await?;
    let cast = Cast::start(&scene, &STAGES)?;
    scene.release().await?;
    scene.mails(scene.people.len() / 3).await?;
    // It ends when nothing is left, which is its purpose.
    block_in_place(|| room.run("head -c 1G /dev/zero >\"$ROOM/ballast\" 2>/dev/null || true"))?;
    let refused = fill(&servers.databases[0]).await;
    let mails = scene.smtp.tally().mails;
    tokio::time::sleep(FULL).await;
    block_in_place(|| room.run("rm \"$ROOM/ballast\""))?;
    let again = block_in_place(|| room.run(START))?;
    let freed = Instant::now();
    let gave_up = !again.contains("already running");
    let before = scene.smtp.tally().mails;
    scene.mails(before + 1).await?;
    let back = freed.elapsed().as_secs_f64();
    say(&format!(
        "After {mails} mails the log cannot grow: {refused}. While the disk was full, {} more arrived. PostgreSQL {}. {back:.1} s \
         after there is room again the next mail arrives.",
        before - mails,
        if gave_up { "had given up and is started again" } else { "lived on" },
    ));
    let back = format!("{back:.1} s to the next mail");
    let row =
        reckon(&scene, cast, Played { fault: "disk", times: 1, in_flight: STAGES.len() * LINES, back }).await;
    block_in_place(|| drop(room));
    row
}

fn room(directory: &Path, amqp: &str) -> anyhow::Result<Room> {
    block_in_place(|| Room::make(directory, MIB, &[("AMQP_URL", amqp)]))
}

/// Writes into the log, and nowhere else, until it is refused; returns with which words.
async fn fill(server: &Url) -> String {
    let filled = async {
        let mut connection = PgConnection::connect(server.as_str()).await?;
        loop {
            sqlx::query("select pg_logical_emit_message(false, 'chaos', repeat('x', 1000000))")
                .execute(&mut connection)
                .await?;
        }
    };
    let Err::<(), sqlx::Error>(refused) = filled.await else { return String::new() };
    refused.to_string()
}
