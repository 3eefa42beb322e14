//! A road of its own for each test: a database, a virtual host of `RabbitMQ`, a mail server and a clock
//! that stands still.
//!
//! The servers are those of `DATABASE_URL` and `AMQP_URL`; `deploy/dev/services run -- cargo test`
//! starts some. Nothing here sleeps: tests call the stages' steps, or wait for what must come
//! ([`soon`]).

pub(crate) mod broker;
pub(crate) mod database;
pub(crate) mod events;
pub(crate) mod folder;
pub(crate) mod people;
pub(crate) mod program;
pub(crate) mod proxy;
pub(crate) mod rows;
pub(crate) mod tls;
pub(crate) mod unsaid;
pub(crate) mod web;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use jobalerts::clock::Clock;
use jobalerts::config::Config;
use jobalerts::daemon::Program;
use jobalerts::delivery::{Delivery, Step, Tally};
use jobalerts::housekeeping;
use jobalerts::intake::step::{self, Taken};
use jobalerts::matching;
use jobalerts::stage::{Bell, Stage};
use jobalerts::store::subscribers::{self, Imported};
use jobalerts::store::workers;
use jobalerts_dev::secrets;
use jobalerts_dev::smtp::{self, Builder, ReceivedMail, Rule, SmtpServer};
use serde_json::Value;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::sync::OnceCell;

use broker::{Broker, Peer, User};
use database::{Database, Role};
use events::Event;
use people::Person;
use unsaid::Unsaid;

/// The longest that anything may take that must come.
const LIMIT: Duration = Duration::from_mins(2);

/// A Monday, after the ticks of that morning.
pub(crate) const MONDAY: &str = "2023-11-13T08:31:00Z";

/// Who hears of test events.
pub(crate) const TESTER: &str = "tester@example.org";

/// Waits for what must come.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let come = tokio::time::timeout(LIMIT, future).await;
    come.unwrap_or_else(|_| panic!("did not come within {LIMIT:?}: {what}"))
}

/// A moment, as in `2023-11-13T08:31:00Z`.
pub(crate) fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A mail server whose replies take many packets, so that mails are in hand at any moment.
pub(crate) fn at_leisure() -> Builder {
    let slow = Rule::at(smtp::Stage::EndOfData).storing().reply(250, "2.0.0 taken in, at leisure").dripping();
    SmtpServer::builder().script([slow])
}

/// How a road is to be built.
pub(crate) struct Setup {
    settings: BTreeMap<String, String>,
    smtp: Builder,
    relay_url: Box<dyn Fn(&SmtpServer) -> String + Send>,
    now: DateTime<Utc>,
}

impl Setup {
    /// Sets a key of the configuration: `set("smtp.connections", "1")`.
    pub(crate) fn set(mut self, key: &str, value: &str) -> Self {
        self.settings.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Takes another mail server.
    pub(crate) fn smtp(mut self, smtp: Builder) -> Self {
        self.smtp = smtp;
        self
    }

    /// Reaches the mail server in another way.
    pub(crate) fn relay_url(mut self, url: impl Fn(&SmtpServer) -> String + Send + 'static) -> Self {
        self.relay_url = Box::new(url);
        self
    }

    /// Holds notices back as it is usual.
    pub(crate) fn with_guards(self) -> Self {
        self.set("guards.settle", "2m")
    }

    /// Begins at another time than [`MONDAY`].
    pub(crate) fn at(mut self, now: &str) -> Self {
        self.now = time(now);
        self
    }

    pub(crate) async fn build(self) -> Road {
        // On the heap, so that the tests' own futures stay small.
        Box::pin(self.built()).await
    }

    async fn built(mut self) -> Road {
        let smtp = Arc::new(self.smtp.start().await.expect("a mail server for the test"));
        let database = Database::new().await;
        let unsaid = Unsaid::new(&database.url(), Arc::clone(&smtp));
        let broker = Broker::new();
        let mut given = broker.settings();
        given.extend([
            ("rehearsal".to_owned(), "true".to_owned()),
            ("database.url".to_owned(), database.url_as(Role::Worker)),
            ("database.connections".to_owned(), "4".to_owned()),
            ("smtp.url".to_owned(), (self.relay_url)(&smtp)),
            ("smtp.connections".to_owned(), "2".to_owned()),
            ("secrets.token_keys_file".to_owned(), token_keys()),
            ("secrets.address_key_file".to_owned(), address_key()),
            ("web.listen".to_owned(), "127.0.0.1:0".to_owned()),
            ("smtp.hello_name".to_owned(), "worker.midshire.example".to_owned()),
            ("testing.addresses".to_owned(), TESTER.to_owned()),
            // Most tests are about something else; those about guards take the defaults.
            ("guards.settle".to_owned(), "0s".to_owned()),
            ("guards.quiet_hours".to_owned(), "none".to_owned()),
        ]);
        given.append(&mut self.settings);
        let mut road = Road {
            environment: variables(&given),
            settings: given,
            program: None,
            clock: Clock::standing(self.now),
            smtp,
            unsaid,
            peer: OnceCell::new(),
            tester: pool(&database.url()),
            broker,
            _database: database,
        };
        road.configure();
        road.program().prepare().await.expect("the tables are made");
        road
    }
}

fn pool(url: &str) -> PgPool {
    PgPoolOptions::new().max_connections(2).connect_lazy(url).expect("the URL of a database")
}

/// The file with the keys of tokens, which all tests share.
fn token_keys() -> String {
    static FILE: OnceLock<String> = OnceLock::new();
    FILE.get_or_init(|| {
        let path = secrets::token_keys(Path::new(env!("CARGO_TARGET_TMPDIR"))).expect("a file of ours");
        path.to_string_lossy().into_owned()
    })
    .clone()
}

/// The file with the key of addresses, which all tests share.
fn address_key() -> String {
    static FILE: OnceLock<String> = OnceLock::new();
    FILE.get_or_init(|| {
        let path = secrets::address_key(Path::new(env!("CARGO_TARGET_TMPDIR"))).expect("a file of ours");
        path.to_string_lossy().into_owned()
    })
    .clone()
}

fn variables(settings: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let name = |key: &str| format!("JOBALERTS_{}", key.replace('.', "__").to_uppercase());
    settings.iter().map(|(key, value)| (name(key), value.clone())).collect()
}

/// Everything between an event and a mail.
pub(crate) struct Road {
    settings: BTreeMap<String, String>,
    /// The same, as a process takes them.
    pub(crate) environment: BTreeMap<String, String>,
    program: Option<Box<(Config, Program)>>,
    pub(crate) clock: Clock,
    pub(crate) smtp: Arc<SmtpServer>,
    /// What no log of its processes may say.
    pub(crate) unsaid: Arc<Unsaid>,
    peer: OnceCell<Peer>,
    /// As a superuser, to look at rows and to change them behind the program's back.
    tester: PgPool,
    // The last to be dropped: they take away what the others use.
    broker: Broker,
    _database: Database,
}

/// What one delivery brought about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Delivered {
    pub(crate) accepted: u64,
    pub(crate) deferred: u64,
    pub(crate) unknown: u64,
    pub(crate) failed: u64,
    pub(crate) withheld: u64,
    /// Alerts that ended without a word.
    pub(crate) ended: usize,
}

impl Delivered {
    pub(crate) const NOTHING: Self =
        Self { accepted: 0, deferred: 0, unknown: 0, failed: 0, withheld: 0, ended: 0 };
    pub(crate) const ONE_MAIL: Self = Self { accepted: 1, ..Self::NOTHING };
}

impl Road {
    pub(crate) fn setup() -> Setup {
        Setup {
            settings: BTreeMap::new(),
            smtp: SmtpServer::builder(),
            relay_url: Box::new(SmtpServer::url),
            now: time(MONDAY),
        }
    }

    pub(crate) async fn new() -> Self {
        Self::setup().build().await
    }

    fn configure(&mut self) {
        let config = Config::load(None, &self.environment).expect("the test's configuration is right");
        let program = Program::new(config.clone(), self.clock.clone()).expect("the program can be built");
        self.program = Some(Box::new((config, program)));
    }

    /// Goes on under another configuration, as after a restart.
    pub(crate) fn reconfigure(&mut self, key: &str, value: &str) {
        self.settings.insert(key.to_owned(), value.to_owned());
        self.environment = variables(&self.settings);
        self.configure();
    }

    pub(crate) fn config(&self) -> &Config {
        &self.program.as_ref().expect("configured").0
    }

    pub(crate) fn program(&self) -> &Program {
        &self.program.as_ref().expect("configured").1
    }

    pub(crate) fn pool(&self) -> &PgPool {
        self.program().pool()
    }

    /// The database as a superuser sees it.
    pub(crate) fn tester(&self) -> &PgPool {
        &self.tester
    }

    /// How a role reaches the database, by the way on which the program does.
    pub(crate) fn url_as(&self, role: Role) -> String {
        database::url_as(role, self.config().database.url.expose())
    }

    /// What a process takes that works under another role.
    pub(crate) fn environment_as(&self, role: Role) -> BTreeMap<String, String> {
        let mut environment = self.environment.clone();
        environment.insert("JOBALERTS_DATABASE__URL".to_owned(), self.url_as(role));
        environment
    }

    /// Sets the clock.
    pub(crate) fn at(&self, now: &str) {
        self.clock.set(time(now));
    }

    /// Adds people, as the command `import` does.
    pub(crate) async fn import(&self, people: &[Person]) -> Imported {
        let lines: Vec<String> = people.iter().map(Person::line).collect();
        self.import_lines(&lines).await
    }

    pub(crate) async fn import_lines(&self, lines: &[String]) -> Imported {
        use jobalerts::domain::subscriber::Person;
        self.unsaid.learn(&lines.join("\n"));
        let taxonomy = self.program().taxonomy();
        let rhythm = self.config().rhythm();
        let read = |line: &String| {
            Person::read(line, taxonomy, &rhythm).unwrap_or_else(|error| panic!("{line}: {error}"))
        };
        let people: Vec<Person> = lines.iter().map(read).collect();
        let mut transaction = self.pool().begin().await.unwrap();
        let imported = subscribers::import(&mut transaction, &people, self.clock.now()).await.unwrap();
        transaction.commit().await.unwrap();
        imported
    }

    /// Takes events in, all in one batch, without a broker.
    pub(crate) async fn take(&self, events: &[Event]) -> Taken {
        let messages: Vec<_> = events.iter().map(Event::message).collect();
        step::take(self.pool(), &messages, &self.program().intake_policy(), self.clock.now()).await.unwrap()
    }

    /// Takes events in that must all be good.
    pub(crate) async fn hears(&self, events: &[Event]) {
        let taken = self.take(events).await;
        assert_eq!(taken.rejected, [], "the events are good");
    }

    /// The broker, with everything declared.
    pub(crate) async fn broker(&self) -> &Peer {
        let open = || Peer::open(&self.broker, &self.config().amqp);
        self.peer.get_or_init(open).await
    }

    /// A user of the broker with the permissions of a role of `deploy/rabbitmq/permissions`.
    pub(crate) fn user_of_the_broker(&self, role: &str) -> Option<User> {
        self.broker.user(role)
    }

    pub(crate) async fn publish(&self, events: &[Event]) {
        self.broker().await.publish(events).await;
    }

    /// Takes in what is on the queue now.
    pub(crate) async fn intake(&self) -> Taken {
        self.broker().await;
        self.program().intake().drain().await.unwrap()
    }

    /// Matches what is to be matched, and returns how many alerts that made.
    pub(crate) async fn match_all(&self) -> u64 {
        let rules = self.program().matching_rules();
        let mut made = 0;
        while let matching::Step::Page { alerts } =
            matching::step(self.pool(), &rules, self.clock.now()).await.unwrap()
        {
            made += alerts;
        }
        made
    }

    /// Does what housekeeping is due; returns how many rows it wrote or removed.
    pub(crate) async fn keep_house(&self) -> u64 {
        let rules = self.program().housekeeping_rules();
        let mut rows = 0;
        while let housekeeping::Step::Part { handled, .. } =
            housekeeping::step(self.pool(), &rules, self.clock.now()).await.unwrap()
        {
            rows += handled;
        }
        rows
    }

    pub(crate) async fn keep_house_at(&self, now: &str) -> u64 {
        self.at(now);
        self.keep_house().await
    }

    pub(crate) fn delivery(&self) -> Delivery {
        self.program().delivery(Bell::default()).unwrap()
    }

    /// Sends what is due.
    pub(crate) async fn try_deliver(&self) -> (anyhow::Result<Step>, Delivered) {
        let mut delivery = self.delivery();
        let step = soon("delivery", delivery.drain()).await;
        soon("the end of delivery", delivery.finish()).await;
        let Tally { accepted, deferred, unknown, failed, withheld } = delivery.tally();
        let ended = step.as_ref().map_or(0, |step| step.ended);
        (step, Delivered { accepted, deferred, unknown, failed, withheld, ended })
    }

    pub(crate) async fn deliver(&self) -> Delivered {
        let (step, delivered) = self.try_deliver().await;
        step.expect("the database and the mail server are there");
        delivered
    }

    /// Waits until nothing is in the hands of workers that died.
    pub(crate) async fn free_orphans(&self) {
        let hold_until = self.clock.now() + self.config().smtp.hold_unknown;
        let in_hand = "select count(*) from mails where worker is not null";
        let freed = async {
            while self.count(in_hand).await > 0 {
                let mut connection = self.pool().acquire().await.unwrap();
                workers::free_orphans(&mut connection, hold_until).await.unwrap();
            }
        };
        soon("the end of their sessions", freed).await;
    }

    /// Matching and delivery, as far as they go at this time.
    pub(crate) async fn drain(&self) -> Delivered {
        self.match_all().await;
        self.deliver().await
    }

    pub(crate) async fn drain_at(&self, now: &str) -> Delivered {
        self.at(now);
        self.drain().await
    }

    pub(crate) fn mails(&self) -> Vec<Arc<ReceivedMail>> {
        self.smtp.mails()
    }

    pub(crate) fn mails_to(&self, address: &str) -> Vec<Arc<ReceivedMail>> {
        self.mails().into_iter().filter(|mail| mail.rcpt_to == [address]).collect()
    }

    /// The only mail there is.
    pub(crate) fn only_mail(&self) -> Arc<ReceivedMail> {
        match &self.mails()[..] {
            [mail] => Arc::clone(mail),
            mails => panic!("expected one mail, found {}", mails.len()),
        }
    }

    /// The taxonomy from now on: what ships, and this.
    pub(crate) fn teach(&mut self, more: &str) {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let path = std::env::temp_dir().join(format!("jobalerts-it-{}.toml", uuid::Uuid::new_v4().simple()));
        std::fs::write(&path, more).unwrap();
        let files = [
            root.join("config/taxonomy.toml"),
            root.join("config/taxonomy.d/west-midlands.toml"),
            path.clone(),
        ];
        let files: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
        self.reconfigure("taxonomy.files", &Value::from(files).to_string());
        std::fs::remove_file(path).unwrap();
    }
}
