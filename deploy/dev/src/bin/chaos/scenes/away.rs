//! Each server is taken away under load and given back; the daemons stay up.

use std::time::{Duration, Instant};

use jobalerts_dev::account::say;
use rand::Rng as _;
use rand::rngs::StdRng;
use tokio_util::sync::CancellationToken;

use crate::cast::Cast;
use crate::feed::Feed;
use crate::ground::{Ground, Servers};
use crate::reckoning::{Played, Row, reckon};
use crate::scene::{LINES, RETRY_SOON, Scene};
use crate::services::Services;

const TIMES: usize = 3;
const STAGES: [&str; 2] = ["intake,matching,delivery,housekeeping", "delivery,outcomes,web"];
/// How long it is away.
const AWAY_MS: std::ops::Range<u64> = 1_000..5_000;

/// What is taken away.
enum Server {
    Postgres(Services),
    RabbitMq(Services),
    Smtp,
}

/// PostgreSQL is killed with all its processes.
pub(crate) async fn postgres(ground: &Ground) -> anyhow::Result<Row> {
    say(
        "PostgreSQL is killed with all its processes (SIGKILL), and started again some seconds later. Who is in the middle \
         of a mail finishes it and records it when the tables are back. Counted is the time until the next mail.",
    );
    let given = ground.servers();
    let own =
        Services::of(&ground.folder().join("away-postgres")).with("AMQP_URL", given.brokers[0].as_str());
    own.run("start", &[]).await?;
    let servers = Servers { databases: vec![own.database()?], ..given };
    play("away-postgres", ground, &servers, Server::Postgres(own)).await
}

/// RabbitMQ is killed while a feed publishes.
pub(crate) async fn rabbitmq(ground: &Ground) -> anyhow::Result<Row> {
    say(
        "RabbitMQ is killed (SIGKILL) while a feed publishes vacancies, and started again some seconds later. The feed \
         publishes again what was not confirmed. Counted is the time until the next event is in the tables.",
    );
    let given = ground.servers();
    let own = Services::of(&ground.folder().join("away-rabbitmq"))
        .with("DATABASE_URL", given.databases[0].as_str());
    own.run("start", &[]).await?;
    let servers = Servers { brokers: vec![own.broker()?], ..given };
    play("away-rabbitmq", ground, &servers, Server::RabbitMq(own)).await
}

/// The mail server cuts all connections and takes no new ones.
pub(crate) async fn smtp(ground: &Ground) -> anyhow::Result<Row> {
    say(
        "The mail server cuts all its connections in the middle of whatever they do, and takes no new ones for some \
         seconds. A mail whose connection is cut after its content may have arrived or not. Counted is the time until \
         the next mail.",
    );
    play("away-smtp", ground, &ground.servers(), Server::Smtp).await
}

async fn play(
    fault: &'static str,
    ground: &Ground,
    servers: &Servers,
    server: Server,
) -> anyhow::Result<Row> {
    let scene = Scene::set(ground, fault, servers, RETRY_SOON).await?;
    let cast = Cast::start(&scene, &STAGES)?;
    let feed = Feed::to(&scene, ground.folder().join(format!("{fault}.json")))?;
    scene.release().await?;
    let over = CancellationToken::new();
    let faults = async {
        let longest = server.comes_and_goes(&scene, &mut ground.random()).await;
        over.cancel();
        longest
    };
    // Without the broker mails leave as before.
    let mut in_flight = TIMES * STAGES.len() * LINES;
    let longest = if let Server::RabbitMq(_) = server {
        let ((), longest) = tokio::try_join!(feed.run(&over), faults)?;
        feed.is_taken_in().await?;
        in_flight = 0;
        longest
    } else {
        faults.await?
    };
    let what = if let Server::RabbitMq(_) = server { "event" } else { "mail" };
    let back = format!("{:.1} s at most to the next {what}", longest.as_secs_f64());
    reckon(&scene, cast, Played { fault, times: TIMES, in_flight, back }).await
}

impl Server {
    /// Takes it away and gives it back some times; returns the longest time until all went on.
    async fn comes_and_goes(&self, scene: &Scene, random: &mut StdRng) -> anyhow::Result<Duration> {
        let mut longest = Duration::ZERO;
        for time in 1..=TIMES {
            scene.mails(scene.people.len() * time / (TIMES + 1)).await?;
            let away = Duration::from_millis(random.random_range(AWAY_MS));
            self.take(scene).await?;
            tokio::time::sleep(away).await;
            self.give_back(scene).await?;
            let back = Instant::now();
            self.goes_on(scene).await?;
            say(&format!(
                "It is away for {:.1} s; {:.1} s after it is back it goes on.",
                away.as_secs_f64(),
                back.elapsed().as_secs_f64()
            ));
            longest = longest.max(back.elapsed());
        }
        Ok(longest)
    }

    async fn take(&self, scene: &Scene) -> anyhow::Result<()> {
        match self {
            Self::Postgres(own) => own.run("kill-postgres", &[]).await,
            Self::RabbitMq(own) => own.run("kill-rabbitmq", &[]).await,
            Self::Smtp => {
                scene.smtp.stop_listening().await?;
                scene.smtp.cut_connections();
                Ok(())
            }
        }
    }

    async fn give_back(&self, scene: &Scene) -> anyhow::Result<()> {
        match self {
            Self::Postgres(own) => own.run("start-postgres", &[]).await,
            Self::RabbitMq(own) => own.run("start-rabbitmq", &[]).await,
            Self::Smtp => Ok(scene.smtp.listen_again().await?),
        }
    }

    /// Waits until what was held up goes on.
    async fn goes_on(&self, scene: &Scene) -> anyhow::Result<()> {
        if let Self::RabbitMq(_) = self {
            let taken = scene.events().await?;
            scene.has_events(taken + 1).await
        } else {
            scene.mails(scene.smtp.tally().mails + 1).await
        }
    }
}
