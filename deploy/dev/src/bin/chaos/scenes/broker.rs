//! Of three nodes of a RabbitMQ cluster the one that leads our queue is killed, and comes back.

use std::fs;
use std::time::Instant;

use anyhow::Context as _;
use jobalerts_dev::account::say;
use tokio_util::sync::CancellationToken;

use crate::cast::Cast;
use crate::feed::Feed;
use crate::ground::{self, Ground, Servers};
use crate::reckoning::{Played, Row, reckon};
use crate::scene::Scene;
use crate::services::{Services, at_port};

const TIMES: usize = 2;
const STAGES: [&str; 2] = ["intake,matching,delivery", "intake,delivery,outcomes"];
/// What `deploy/dev/services` calls a node that joined no other.
const FIRST_NODE: &str = "jobalerts@localhost";

pub(crate) async fn play(ground: &Ground) -> anyhow::Result<Row> {
    say(&format!(
        "RabbitMQ is a cluster of three nodes, and amqp.url names all of them. While a feed publishes, and two daemons take \
         its events in and tell people, the node that leads the queue is killed (SIGKILL), {TIMES} times, and comes back. \
         The feed publishes again what was not confirmed. Counted is the longest time from a kill to the next event in \
         the tables. No mail is on its way to where it could be lost, so none may come twice.",
    ));
    let (nodes, servers) = cluster(ground).await?;
    let scene = Scene::set(ground, "broker", &servers, "").await?;
    let cast = Cast::start(&scene, &STAGES)?;
    let feed = Feed::to(&scene, ground.folder().join("broker.json"))?;
    scene.release().await?;
    let over = CancellationToken::new();
    let kills = async {
        let mut longest = 0.0_f64;
        for time in 1..=TIMES {
            scene.mails(scene.people.len() * time / (TIMES + 1)).await?;
            longest = longest.max(the_leader_is_killed(&nodes, &scene).await?);
        }
        over.cancel();
        Ok(longest)
    };
    let ((), longest) = tokio::try_join!(feed.run(&over), kills)?;
    feed.is_taken_in().await?;
    let back = format!("{longest:.1} s at most from the kill to the next event");
    reckon(&scene, cast, Played { fault: "broker", times: TIMES, in_flight: 0, back }).await
}

/// Three nodes, and where they are.
async fn cluster(ground: &Ground) -> anyhow::Result<(Vec<Services>, Servers)> {
    let given = ground.servers();
    let first =
        Services::of(&ground.folder().join("node-1")).with("DATABASE_URL", given.databases[0].as_str());
    first.run("start", &[]).await?;
    let mut brokers = vec![first.broker()?];
    let mut nodes = vec![first];
    for number in [2, 3] {
        let node = Services::of(&ground.folder().join(format!("node-{number}")));
        node.run("join-rabbitmq", &[nodes[0].directory().as_os_str()]).await?;
        brokers.push(at_port(&brokers[0], node.amqp_port()?)?);
        nodes.push(node);
    }
    Ok((nodes, Servers { brokers, ..given }))
}

/// Kills it, and returns how many seconds later the next event was taken in. It is back when this returns.
async fn the_leader_is_killed(nodes: &[Services], scene: &Scene) -> anyhow::Result<f64> {
    let leader = leader(nodes).await?;
    nodes[leader].run("kill-rabbitmq", &[]).await?;
    let killed = Instant::now();
    scene.has_events(scene.events().await? + 1).await?;
    let held_up = killed.elapsed().as_secs_f64();
    nodes[leader].run("start-rabbitmq", &[]).await?;
    say(&format!(
        "Node {} leads the queue and is killed; {held_up:.1} s later the next event is taken in; {:.1} s after the kill the \
         node is back.",
        leader + 1,
        killed.elapsed().as_secs_f64()
    ));
    Ok(held_up)
}

/// Which node leads the queue.
async fn leader(nodes: &[Services]) -> anyhow::Result<usize> {
    let queue = format!("{}.queue", ground::name("broker"));
    let printed = nodes[0].rabbitmqctl(&["--silent", "list_queues", "name", "leader"]).await?;
    let name = printed.lines().find_map(|line| line.strip_prefix(&queue)).map(str::trim);
    let name = name.with_context(|| format!("rabbitmqctl names no leader of {queue}: {printed}"))?;
    let is_called = |node: &Services| {
        let own = fs::read_to_string(node.directory().join("rabbitmq.node"));
        own.map_or(name == FIRST_NODE, |own| own.trim() == name)
    };
    nodes.iter().position(is_called).with_context(|| format!("{name} is none of our nodes"))
}
