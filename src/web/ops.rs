//! What those who run the service ask it: whether it lives, whether it is ready, and
//! its metrics.
//!
//! The tables and the queues are asked at most once in `ops.refresh`, whoever asks
//! us how often: to watch the service must not be a load on it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::get;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::broker::Line;
use crate::clock::{Clock, Offset};
use crate::config::{Config, InEffect, Ops as Settings};
use crate::domain::chore::Chore;
use crate::domain::rhythm::next_tick;
use crate::health::{Health, Report};
use crate::metrics::{CONTENT_TYPE, Metrics, PoolUse, Queues, View};
use crate::stage::Stage;
use crate::store::vitals::{self, Vitals};
use crate::web::Limits;
use crate::web::server::{Place, Server};

/// How long the tables and the queues may take to answer.
const LOOK_LIMIT: Duration = Duration::from_secs(5);

/// It serves a few machines.
const LIMITS: Limits = Limits {
    body: 0,
    head_within: Duration::from_secs(10),
    body_within: Duration::from_secs(1),
    answer_within: Duration::from_secs(20),
    connection: Duration::from_mins(10),
    grace: Duration::from_secs(2),
    connections: 32,
};

/// What it answers from.
pub struct Watched {
    /// How it goes with this process.
    pub health: Health,
    /// What it has counted.
    pub metrics: Metrics,
    /// Its connections to the database.
    pub pool: PgPool,
    /// The clock that mails go by.
    pub clock: Clock,
    /// How the machine's clock stands to the database's.
    pub offset: Offset,
    /// It serves nothing but pages, whose role may read neither what the tables count nor the queues: it
    /// says nothing of them.
    pub only_pages: bool,
}

/// The stage that answers, where `ops.listen` names an address.
pub struct Ops(Server);

impl Ops {
    /// The stage of a configuration; listens when it runs. None if nobody is to ask.
    #[must_use]
    pub fn new(in_effect: InEffect, watched: Watched) -> Option<Self> {
        let Settings { listen, refresh, .. } = in_effect.now().ops;
        let place = Place { setting: "ops.listen", address: listen?, serves: "says how it goes" };
        let window = Window { watched, in_effect, refresh, seen: Mutex::default() };
        Some(Self(Server::new(place, router(Arc::new(window)), LIMITS)))
    }
}

impl Stage for Ops {
    const NAME: &'static str = "ops";
    // It is there to say that they are missing.
    const NEEDS_TABLES: bool = false;

    async fn connect(&mut self) -> anyhow::Result<bool> {
        self.0.connect().await
    }

    async fn ready(&mut self) -> anyhow::Result<()> {
        self.0.ready().await
    }

    async fn step(&mut self) -> anyhow::Result<()> {
        self.0.step();
        Ok(())
    }

    async fn finish(&mut self) {
        self.0.finish().await;
    }
}

/// What is seen from outside.
struct Window {
    watched: Watched,
    in_effect: InEffect,
    refresh: Duration,
    seen: Mutex<Option<Seen>>,
}

/// What the tables and the queues said.
struct Seen {
    at: Instant,
    tables: Option<Vitals>,
    queues: Option<Queues>,
    /// Kept for the next look, if it is good.
    line: Option<Line>,
}

fn router(window: Arc<Window>) -> Router {
    Router::new()
        .route("/live", get(live))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .fallback(async || text(StatusCode::NOT_FOUND, "There are /live, /ready and /metrics.\n".to_owned()))
        .with_state(window)
}

/// Whether no part hangs.
async fn live(State(window): State<Arc<Window>>, headers: HeaderMap) -> Response {
    let report = window.report();
    state(&report, report.is_live(), ["live", "hangs"], &headers)
}

/// Whether everything that is needed is there.
async fn ready(State(window): State<Arc<Window>>, headers: HeaderMap) -> Response {
    let report = window.report();
    state(&report, report.is_ready(), ["ready", "not ready"], &headers)
}

async fn metrics(State(window): State<Arc<Window>>) -> Response {
    let text = window.metrics().await;
    answer(StatusCode::OK, CONTENT_TYPE, text)
}

/// How it goes with the parts, in words for people or in JSON for programs.
fn state(report: &Report, is_so: bool, words: [&str; 2], headers: &HeaderMap) -> Response {
    let status = if is_so { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let accepted = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if accepted.contains("application/json") {
        let parts: Vec<Value> = report
            .parts
            .iter()
            .map(|part| {
                json!({
                    "name": part.name, "does": part.does, "well": part.is_well, "hangs": part.hangs,
                    "fault": part.fault, "faultsInARow": part.faults,
                    "lastProgressSeconds": part.progress.map(|age| age.as_secs()),
                })
            })
            .collect();
        let all = json!({ "live": report.is_live(), "ready": report.is_ready(), "parts": parts });
        return answer(status, "application/json", format!("{all:#}\n"));
    }
    let mut lines = vec![words[usize::from(!is_so)].to_owned()];
    for part in &report.parts {
        let fault = part.fault.as_deref().map_or(String::new(), |fault| format!("; {fault}"));
        lines.push(format!("{}: {}{fault}", part.name, part.does));
    }
    text(status, lines.join("\n") + "\n")
}

fn text(status: StatusCode, text: String) -> Response {
    answer(status, "text/plain; charset=utf-8", text)
}

fn answer(status: StatusCode, content_type: &'static str, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

impl Window {
    fn report(&self) -> Report {
        self.watched.health.report(Instant::now())
    }

    async fn metrics(&self) -> String {
        // Whoever comes meanwhile waits, and is told the same.
        let mut seen = self.seen.lock().await;
        let old = seen.take();
        let seen = match old {
            Some(fresh) if fresh.at.elapsed() < self.refresh => seen.insert(fresh),
            old => seen.insert(self.look(old.and_then(|old| old.line)).await),
        };
        let now = self.watched.clock.now();
        let config = self.in_effect.now();
        let pool = &self.watched.pool;
        let offset = self.watched.offset.get();
        let report = self.report();
        self.watched.metrics.text(&View {
            report: &report,
            tables: seen.tables.as_ref(),
            database_up: offset.is_some(),
            queues: (!self.watched.only_pages).then_some(seen.queues),
            pool: PoolUse {
                open: pool.size(),
                idle: pool.num_idle(),
                most: pool.options().get_max_connections(),
            },
            clock_offset: offset.map(TimeDelta::as_seconds_f64),
            next: &next_ticks(&config, seen.tables.as_ref(), now),
            providers: &config.providers.providers.providers,
            now,
        })
    }

    /// Asks the tables and the queues. Who is away says nothing.
    async fn look(&self, line: Option<Line>) -> Seen {
        if self.watched.only_pages {
            return Seen { at: Instant::now(), tables: None, queues: None, line: None };
        }
        let (tables, queues) = tokio::join!(
            tokio::time::timeout(LOOK_LIMIT, self.tables()),
            tokio::time::timeout(LOOK_LIMIT, self.queues(line)),
        );
        let (queues, line) = queues.ok().flatten().unzip();
        Seen { at: Instant::now(), tables: tables.ok().flatten(), queues, line }
    }

    async fn tables(&self) -> Option<Vitals> {
        let read = async {
            let mut connection = self.watched.pool.acquire().await?;
            vitals::read(&mut connection, self.watched.clock.now()).await
        };
        read.await.inspect_err(|error| tracing::debug!(%error, "no figures of the tables")).ok()
    }

    async fn queues(&self, line: Option<Line>) -> Option<(Queues, Line)> {
        let settings = &self.in_effect.now().amqp;
        let asked = async {
            let line = match line.filter(Line::is_up) {
                Some(line) => line,
                None => Line::open(settings).await?,
            };
            let waiting = line.waiting(&settings.queue).await?;
            let dead_letters = line.waiting(&settings.dead_letter_queue).await?;
            crate::broker::Result::Ok((Queues { waiting, dead_letters }, line))
        };
        asked.await.inspect_err(|error| tracing::debug!(%error, "no figures of the queues")).ok()
    }
}

/// When schedules and chores run next.
fn next_ticks(config: &Config, tables: Option<&Vitals>, now: DateTime<Utc>) -> Vec<(String, DateTime<Utc>)> {
    let zone = config.time.zone;
    let schedules = config
        .schedules
        .iter()
        .filter_map(|(name, times)| Some((name.to_string(), next_tick(times.cron.schedule(), zone, now)?)));
    let chores = Chore::ALL.into_iter().filter_map(|chore| {
        let kept = tables?.chores.iter().find(|kept| kept.chore == chore.name())?;
        let after = kept.tick_at.unwrap_or(kept.since);
        let next = next_tick(config.housekeeping.schedule(chore).schedule(), zone, after)?;
        Some((format!("chore-{}", chore.name()), next))
    });
    schedules.chain(chores).collect()
}
