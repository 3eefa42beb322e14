//! SIGHUP: what takes effect while the daemon runs, what is refused, and what waits for the next start.

use crate::harness::events::Event;
use crate::harness::folder::Folder;
use crate::harness::people::{curious, person};
use crate::harness::program::Daemon;
use crate::harness::{Delivered, Road, Setup, soon};

const CONFIGURATION: &str = "jobalerts.toml";
const IN_EFFECT: &str = "what was read again is in effect";
const REFUSED: &str = "what was read is refused; what was in effect stays so";

/// A daemon on a road, with a configuration that is a file.
struct Reloaded {
    folder: Folder,
    daemon: Daemon,
}

impl Reloaded {
    /// Starts it with this file. What a test of its own sets in the environment would win over it.
    async fn start(road: &Road, text: &str, of_the_file: &[&str]) -> Self {
        let folder = Folder::new();
        let file = folder.write(CONFIGURATION, text);
        let now = road.clock.now().to_rfc3339();
        let mut command = road.command(&["run", "--now", &now]).await;
        command.env("JOBALERTS_CONFIG", file);
        for variable in of_the_file {
            command.env_remove(variable);
        }
        let mut daemon = Daemon::start(command);
        daemon.says("\"message\":\"ready\"").await;
        Self { folder, daemon }
    }

    /// Has it read another file, and waits until it says this for the first time.
    async fn reads(&mut self, text: &str, says: &str) {
        self.folder.write(CONFIGURATION, text);
        self.daemon.hang_up();
        self.daemon.says(says).await;
    }

    async fn stop(self) -> String {
        let (status, log) = self.daemon.stop().await;
        assert_eq!(status.code(), Some(0), "{log}");
        log
    }
}

/// The lines of a log in which this stands.
fn lines<'a>(log: &'a str, text: &str) -> Vec<&'a str> {
    log.lines().filter(|line| line.contains(text)).collect()
}

#[tokio::test]
async fn the_level_of_the_log_changes() {
    let road = Road::new().await;
    road.import(&[curious("ann@example.org")]).await;
    let mut reloaded = Reloaded::start(&road, "[log]\nlevel = 'info'\n", &[]).await;
    road.publish(&[Event::opened("230000AA")]).await;
    soon("a mail", road.smtp.wait_for(1)).await;
    reloaded.reads("[log]\nlevel = 'info,jobalerts::delivery=debug'\n", IN_EFFECT).await;
    road.publish(&[Event::opened("230000BB")]).await;
    soon("another mail", road.smtp.wait_for(2)).await;
    let log = reloaded.stop().await;
    let (before, after) = log.split_once(IN_EFFECT).unwrap();
    assert_eq!(lines(before, "\"level\":\"DEBUG\""), [""; 0]);
    assert_ne!(lines(after, "\"level\":\"DEBUG\""), [""; 0]);
    assert!(lines(&log, IN_EFFECT)[0].contains("\"changed\":\"log.level\""), "{log}");
}

/// What a provider gets: a limit that is new holds from then on, and one that is gone does not.
#[tokio::test]
async fn limits_of_providers_change() {
    let road = Road::new().await;
    let people = ["ann@small.example", "bob@small.example", "cy@small.example", "dee@example.org"];
    road.import(&people.map(curious)).await;
    let small = || road.mails().iter().filter(|mail| mail.rcpt_to[0].ends_with("@small.example")).count();
    let config = "[providers]\nfile = 'providers.toml'\n";
    let mut reloaded = Reloaded::start(&road, "", &[]).await;
    road.publish(&[Event::opened("230000AA")]).await;
    soon("all mails", road.smtp.wait_for(4)).await;

    let limited = "[groups.small]\ndomains = ['small.example']\nper_day = 1\n";
    reloaded.folder.write("providers.toml", limited);
    reloaded.reads(config, "\"changed\":\"providers.file\"").await;
    road.publish(&[Event::opened("230000BB")]).await;
    soon("a mail to each provider", road.smtp.wait_for(6)).await;
    assert_eq!(small(), 4);
    // Whoever is still to hear of the second is passed over when the third is told.
    road.publish(&[Event::opened("230000CC")]).await;
    soon("a mail to the other provider", road.smtp.wait_for(7)).await;
    assert_eq!(small(), 4);

    // Only what the file holds has changed.
    reloaded.folder.write("providers.toml", "[groups.small]\ndomains = ['small.example']\n");
    reloaded.daemon.hang_up();
    soon("all mails", road.smtp.wait_until(|_| small() >= 7)).await;
    let log = reloaded.stop().await;
    assert_eq!(lines(&log, "\"changed\":\"providers.file\"").len(), 2, "{log}");
}

/// What a mail server gets. That it had all that it might be given is known, and is no longer so.
#[tokio::test]
async fn limits_of_mail_servers_change() {
    let road = Road::new().await;
    road.import(&["ann@example.org", "bob@example.org", "cy@example.org"].map(curious)).await;
    let relays = |share: &str| format!("[relays]\nsmtp = {{ {share} }}\n");
    let mut reloaded = Reloaded::start(&road, &relays("per_day = 1"), &[]).await;
    road.publish(&[Event::opened("230000AA")]).await;
    soon("one mail", road.smtp.wait_for(1)).await;
    reloaded.reads(&relays("per_day = 2, connections = 1"), "\"changed\":\"relays.smtp\"").await;
    soon("one more", road.smtp.wait_for(2)).await;
    reloaded.reads(&relays("weight = 2"), IN_EFFECT).await;
    soon("the last", road.smtp.wait_for(3)).await;
    reloaded.stop().await;
    assert_eq!(road.mails().len(), 3);
}

/// What waits by a schedule is looked at again, and goes by the new one.
#[tokio::test]
async fn schedules_change() {
    let road = Road::new().await;
    road.import(&[person("ann@example.org").wants("All", "daily")]).await;
    road.hears(&[Event::opened("230000AA")]).await;
    assert_eq!(road.drain().await, Delivered::NOTHING);
    let mut reloaded = Reloaded::start(&road, "[schedules]\ndaily = '0 0 8 * * *'\n", &[]).await;
    reloaded.reads("[schedules]\ndaily = '* * * * * *'\n", "delivery looks again at what waits").await;
    soon("the digest", road.smtp.wait_for(1)).await;
    let log = reloaded.stop().await;
    assert!(lines(&log, IN_EFFECT)[0].contains("\"changed\":\"schedules.daily\""), "{log}");

    // The next start finds what was looked at last, and has nothing to look at.
    let again = Reloaded::start(&road, "[schedules]\ndaily = '* * * * * *'\n", &[]).await.stop().await;
    assert_eq!(lines(&again, "looks again"), [""; 0]);
}

/// What waits for the end of the night goes when there is no night.
#[tokio::test]
async fn quiet_hours_change() {
    let road = at_night(Road::setup()).await;
    let quiet = |hours: &str| format!("[guards]\nquiet_hours = '{hours}'\n");
    let of_the_file = ["JOBALERTS_GUARDS__QUIET_HOURS"];
    let mut reloaded = Reloaded::start(&road, &quiet("21:00-08:00"), &of_the_file).await;
    reloaded.reads(&quiet("none"), "\"changed\":\"guards.quiet_hours\"").await;
    soon("the mail", road.smtp.wait_for(1)).await;
    reloaded.stop().await;
}

/// A road on which a mail waits for the morning.
async fn at_night(setup: Setup) -> Road {
    let setup = setup.set("guards.quiet_hours", "21:00-08:00");
    let road = setup.at("2023-11-13T22:00:00Z").build().await;
    road.import(&[curious("ann@example.org")]).await;
    let shuts = "2023-12-08T12:00:00Z";
    road.hears(&[Event::opened("230000AA").shuts(shuts).at("2023-11-13T22:00:00Z")]).await;
    assert_eq!(road.drain().await, Delivered::NOTHING);
    road
}

/// A configuration with mistakes is refused as a whole, with each of them in the log: also what is right
/// in it does not take effect.
#[tokio::test]
async fn what_is_wrong_is_refused_as_a_whole() {
    let road = Road::new().await;
    road.import(&[curious("ann@example.org")]).await;
    let mut reloaded = Reloaded::start(&road, "[log]\nlevel = 'info'\n", &[]).await;
    reloaded.folder.write("words/layout/why-you.txt.hbs", "Why: {{wyh}}");
    let wrong = "[log]\nlevel = 'debug'\n[smtp]\nidle = 'soon'\nidel = '3s'\n[templates]\nfolder = 'words'\n\
                 [relays]\nsmtp = { per_day = 1 }\n";
    reloaded.reads(wrong, REFUSED).await;
    reloaded.folder.write("providers.toml", "[groups.a]\nper_day = 0\n");
    reloaded.reads("[providers]\nfile = 'providers.toml'\n", "groups.a: expected limits from 1").await;
    reloaded.reads("[log\n", "this is not valid TOML").await;
    road.publish(&[Event::opened("230000AA"), Event::opened("230000BB")]).await;
    road.publish(&[Event::opened("230000CC")]).await;
    soon("the mails", road.smtp.wait_until(|_| road.mails().len() > 1)).await;
    let log = reloaded.stop().await;
    for mistake in [
        ":4: smtp.idle: expected a duration",
        ":5: smtp.idel: there is no such key",
        "words/layout/why-you.txt.hbs:1: {{wyh}} is not something this mail has",
    ] {
        assert_eq!(lines(&log, mistake).len(), 1, "{mistake}: {log}");
    }
    assert_eq!(lines(&log, REFUSED).len(), 3, "{log}");
    assert!(!log.contains(IN_EFFECT) && !log.contains("\"level\":\"DEBUG\""), "{log}");
}

/// What cannot change while it runs is named, and never with what it is.
#[tokio::test]
async fn what_waits_for_the_next_start_is_named() {
    let road = Road::new().await;
    let file = |idle: &str, reach: &str| {
        format!("[smtp]\nidle = '{idle}'\nonly_to = ['{reach}']\n[schedules]\nweekly = '0 0 9 * * Mon'\n")
    };
    let mut reloaded = Reloaded::start(&road, &file("30s", "ann@example.org"), &[]).await;
    reloaded.reads(&file("20s", "eve@example.org"), "restart to have them take effect").await;
    let log = reloaded.stop().await;
    let told = lines(&log, "restart to have them take effect");
    assert!(told[0].contains("\"settings\":\"smtp.idle, smtp.only_to\""), "{told:?}");
    assert!(lines(&log, IN_EFFECT)[0].contains("\"changed\":\"\""), "{log}");
    assert!(!log.contains("eve@") && !log.contains("20s"), "{log}");
}
