//! People who stop by one click (RFC 8058), while the same daemon sends mails.

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use anyhow::Context;
use jobalerts::domain::token::StopToken;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::Sizes;
use crate::adverts::Says;
use crate::daemon::{Program, until};
use crate::ground::Ground;
use crate::matching::published;
use crate::report::{Report, grouped, per_second, rate, time};
use crate::sink::Sink;

/// Connections that ask at once, each for one request, as mail providers do.
const AT_ONCE: usize = 8;

/// Stops people while a vacancy is told to everybody.
pub(crate) async fn measure(ground: &Ground, sizes: Sizes, report: &mut Report) -> anyhow::Result<()> {
    let sink = Sink::start().await?;
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let settings = [("JOBALERTS_SMTP__URL", sink.url()), ("JOBALERTS_WEB__LISTEN", address.to_string())];
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let daemon = Program::start(ground, &["run"], &settings)?;
    published(ground, "FIRST", Says::OldNews).await?;
    let paths = paths(ground, sizes.stops).await?;
    ground.settle().await?;
    published(ground, "STOP", Says::Open).await?;
    until(Duration::from_millis(20), async || Ok(ground.count(ACCEPTED).await? > 0)).await?;

    let before = ground.count(ACCEPTED).await?;
    let begun = Instant::now();
    let mut took = stop(address, &paths).await?;
    let all = begun.elapsed();
    let sent = ground.count(ACCEPTED).await? - before;
    took.sort_unstable();
    let stops = took.len();
    report.add(
        format!("{} people stop over {AT_ONCE} lines, while mails are sent", grouped(sizes.stops.into())),
        per_second(rate(stops as u64, all)),
    );
    let (p50, p99) = (took[stops / 2], took[stops * 99 / 100]);
    report.add("  half of them within", time(p50));
    report.aim("  99 of 100 within", time(p99), "under 1 s", p99 < Duration::from_secs(1));
    report.add("  mails sent meanwhile", per_second(rate(sent, all)));
    // A claim that waited for the stop has found nobody; what one before it took in hand is recalled.
    let late = "select count(*) from mails m join stops s on s.subscriber_id = m.subscriber_id
                where m.claimed_at > s.at and m.outcome = 'accepted'";
    let late = ground.count(late).await?;
    report.aim("  mails claimed after they had stopped", late.to_string(), "none", late == 0);
    daemon.stop().await?;
    ground.forget().await
}

const ACCEPTED: &str = "select count(*) from mails where outcome = 'accepted'";

/// By which so many people stop.
async fn paths(ground: &Ground, people: u32) -> anyhow::Result<Vec<String>> {
    let keys = ground.config().secrets.token_keys.as_ref().context("the ground has keys")?.secret.expose();
    let people: Vec<Uuid> = sqlx::query_scalar(
        "select public_id from subscribers where state = 'active' order by public_id limit $1",
    )
    .bind(i64::from(people))
    .fetch_all(ground.pool())
    .await?;
    anyhow::ensure!(!people.is_empty(), "nobody is there to stop");
    Ok(people
        .into_iter()
        .map(|person| format!("/stop/{}", StopToken { person, mail: None }.sign(keys)))
        .collect())
}

/// Asks for all of these; returns how long each took.
async fn stop(address: SocketAddr, paths: &[String]) -> anyhow::Result<Vec<Duration>> {
    let mut lines = JoinSet::new();
    for part in paths.chunks(paths.len().div_ceil(AT_ONCE)) {
        let part = part.to_vec();
        lines.spawn(async move {
            let mut took = Vec::with_capacity(part.len());
            for path in part {
                let begun = Instant::now();
                one_click(address, &path).await?;
                took.push(begun.elapsed());
            }
            anyhow::Ok(took)
        });
    }
    let mut took = Vec::new();
    while let Some(line) = lines.join_next().await {
        took.extend(line??);
    }
    Ok(took)
}

async fn one_click(address: SocketAddr, path: &str) -> anyhow::Result<()> {
    const BODY: &str = "List-Unsubscribe=One-Click";
    let mut stream = TcpStream::connect(address).await?;
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: pages\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    anyhow::ensure!(answer.starts_with("HTTP/1.1 200 "), "a stop was answered {answer}");
    Ok(())
}
