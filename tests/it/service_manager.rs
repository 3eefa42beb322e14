//! What the service manager is told (OPS-1), over a socket of the protocol of `sd_notify(3)`.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram as BlockingSocket};
use std::path::PathBuf;

use tokio::net::UnixDatagram;
use tokio::process::Command;

use crate::harness::events::Event;
use crate::harness::people::curious;
use crate::harness::program::{Daemon, behind_proxies};
use crate::harness::{Road, soon};

/// A service manager, as far as a service sees one.
struct Manager {
    socket: UnixDatagram,
    name: String,
    path: Option<PathBuf>,
    told: Vec<String>,
}

impl Manager {
    /// One with a socket in the file system.
    fn new() -> Self {
        let path =
            std::env::temp_dir().join(format!("jobalerts-it-{}.socket", uuid::Uuid::new_v4().simple()));
        let socket = UnixDatagram::bind(&path).unwrap();
        Self { socket, name: path.display().to_string(), path: Some(path), told: vec![] }
    }

    /// One with an abstract socket, as containers have it.
    fn in_the_abstract() -> Self {
        let name = format!("jobalerts-it-{}", uuid::Uuid::new_v4().simple());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = BlockingSocket::bind_addr(&address).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self {
            socket: UnixDatagram::from_std(socket).unwrap(),
            name: format!("@{name}"),
            path: None,
            told: vec![],
        }
    }

    fn start(&self, mut command: Command, watchdog_ms: Option<u64>) -> Daemon {
        command.env("NOTIFY_SOCKET", &self.name);
        if let Some(milliseconds) = watchdog_ms {
            command.env("WATCHDOG_USEC", (milliseconds * 1_000).to_string());
        }
        Daemon::start(command)
    }

    /// The next thing that it is told.
    async fn next(&mut self) -> String {
        let mut buffer = vec![0; 4096];
        let length = soon("a word of the service", self.socket.recv(&mut buffer)).await.unwrap();
        let told = String::from_utf8(buffer[..length].to_vec()).unwrap();
        self.told.push(told.trim_end().to_owned());
        told
    }

    /// Listens until it is told something; returns all that it was told until then, and that.
    async fn until(&mut self, text: &str) -> Vec<String> {
        let before = self.told.len();
        while !self.next().await.contains(text) {}
        self.told[before..].to_vec()
    }

    fn was_told(&self, text: &str) -> bool {
        self.told.iter().any(|told| told.contains(text))
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        println!("was told: {:#?}", self.told);
        if let Some(path) = &self.path {
            // Left behind it harms nobody.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// OPS-1: everything is away at the start. It says what is missing, one after the other, and that it
/// has begun only when Postgres and `RabbitMQ` are there. The mail server may still be away.
#[tokio::test]
async fn it_has_begun_only_when_what_it_needs_is_there() {
    let road = Road::new().await;
    road.smtp.stop_listening().await.unwrap();
    let (command, mut to_database, mut to_broker) = behind_proxies(&road).await;
    let mut manager = Manager::new();
    let daemon = manager.start(command, None);
    let missing =
        ["database: Postgres cannot be reached", "intake: RabbitMQ: ", "delivery: mail server smtp://"];
    while !missing.iter().all(|text| manager.told.last().is_some_and(|told| told.contains(text))) {
        manager.next().await;
    }
    to_broker.up();
    while manager.told.last().is_some_and(|told| told.contains("RabbitMQ")) {
        manager.next().await;
    }
    assert!(
        manager.was_told("matching: waits for the database") || manager.was_told("matching: has not begun")
    );
    assert!(!manager.was_told("READY=1"));
    to_database.up();
    let told = manager.until("READY=1").await;
    let status = manager.told.iter().rfind(|told| told.starts_with("STATUS=")).unwrap();
    assert!(status.starts_with("STATUS=not ready: delivery: mail server smtp://"), "{told:?}");
    road.smtp.listen_again().await.unwrap();
    manager
        .until("STATUS=running: clock, database, delivery, housekeeping, intake, matching, outcomes, web")
        .await;

    // An outage later is told, and is no new beginning.
    to_broker.down().await;
    manager.until("STATUS=not ready: intake: RabbitMQ").await;
    to_broker.up();
    manager.until("STATUS=running").await;
    to_database.down().await;
    manager.until("database: Postgres has ended our connection").await;
    to_database.up();
    manager.until("STATUS=running").await;

    daemon.hang_up();
    let reload = manager.until("READY=1").await;
    let begun = reload.iter().position(|told| told.starts_with("RELOADING=1\nMONOTONIC_USEC=")).unwrap();
    assert!(begun < reload.len() - 1, "the end of it comes after its beginning: {reload:?}");
    let (status, log) = daemon.stop().await;
    assert_eq!(status.code(), Some(0), "{log}");
    manager.until("STOPPING=1").await;
    assert_eq!(manager.told.iter().filter(|told| told.contains("READY=1")).count(), 2);
    assert!(!manager.was_told("WATCHDOG"), "nobody wants to know");
}

/// It says that it lives as long as its stages get on, also while it waits for work; and no more when
/// one of them is in a step that does not end.
#[tokio::test]
async fn it_lives_as_long_as_its_stages_get_on() {
    let road = Road::setup().set("ops.stuck_after", "300ms").build().await;
    road.import(&[curious("ann@example.org")]).await;
    let mut manager = Manager::in_the_abstract();
    let now = road.clock.now().to_rfc3339();
    let daemon = manager.start(road.command(&["run", "--now", &now]).await, Some(200));
    manager.until("READY=1").await;
    for _ in 0..10 {
        // Together twice as long as a step may take: it waits for work, and lives.
        manager.until("WATCHDOG=1").await;
    }

    let mut hold = road.pool().begin().await.unwrap();
    sqlx::query("lock table openings in access exclusive mode").execute(&mut *hold).await.unwrap();
    let hangs = manager.until("STATUS=hangs: ").await;
    assert!(hangs.last().unwrap().contains("has been in one step for"), "{hangs:?}");
    hold.rollback().await.unwrap();
    let meanwhile = manager.until("STATUS=running: ").await;
    let lived = meanwhile.iter().filter(|told| told.contains("WATCHDOG=1")).count();
    assert_eq!(lived, 0, "{meanwhile:?}");
    manager.until("WATCHDOG=1").await;
    road.publish(&[Event::opened("230000AA")]).await;
    soon("the mail", road.smtp.wait_for(1)).await;
    let (status, log) = daemon.stop().await;
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("a stage hangs") && log.contains("the stage that hung goes on"), "{log}");
}

/// Where no service manager asks, nothing is told, and it runs all the same.
#[tokio::test]
async fn without_a_service_manager_it_runs_all_the_same() {
    let road = Road::new().await;
    road.import(&[curious("ann@example.org")]).await;
    let mut daemon = road.daemon().await;
    daemon.says("\"message\":\"ready\"").await;
    road.publish(&[Event::opened("230000AA")]).await;
    soon("the mail", road.smtp.wait_for(1)).await;
    assert_eq!(daemon.stop().await.0.code(), Some(0));
}
