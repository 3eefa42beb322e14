//! The commands, as processes.

use serde_json::Value;

use crate::harness::events::Event;
use crate::harness::people::curious;
use crate::harness::program::{bare_command, output};
use crate::harness::{Delivered, MONDAY, Road};

const EX_CONFIG: i32 = 78;

/// Every mistake at once, each by file, line and key.
#[tokio::test]
async fn check_names_all_mistakes_at_once() {
    let path = std::env::temp_dir().join(format!("jobalerts-it-{}.toml", uuid::Uuid::new_v4().simple()));
    let file = "rehearsal = 1\n\n[smtp]\nconnections = 0\nconections = 7\nfrom = \"nobody\"\n\n[schedules]\ndaily = \"0 8 * * *\"\n";
    std::fs::write(&path, file).unwrap();
    let name = path.display().to_string();
    let mut command = bare_command(&["check", "--config", &name]);
    command.env("JOBALERTS_DATABASE__CONNECTIONS", "many").env("JOBALERTS_TIME__ZONE", "Europe/Londn");
    let output = output(command, None).await;
    std::fs::remove_file(&path).unwrap();
    assert_eq!(output.code, Some(EX_CONFIG), "{}{}", output.stdout, output.stderr);
    let said = &output.stdout;
    for expected in [
        format!("{name}:1:"),
        format!("{name}:4:"),
        format!("{name}:5:"),
        format!("{name}:6:"),
        format!("{name}:9:"),
        "rehearsal".to_owned(),
        "smtp.connections".to_owned(),
        "conections".to_owned(),
        "smtp.from".to_owned(),
        "schedules.daily".to_owned(),
        "JOBALERTS_DATABASE__CONNECTIONS".to_owned(),
        "JOBALERTS_TIME__ZONE".to_owned(),
        "Europe/London".to_owned(),
    ] {
        assert!(said.contains(&expected), "{expected} in {said}");
    }
    assert!(!said.contains("nobody"), "addresses are not repeated: {said}");
    assert!(said.contains("secrets.token_keys_file is not set"), "{said}");
    assert!(said.ends_with("8 mistakes to mend.\n"), "{said}");
}

/// Each mail says how to stop, so without a key none leaves; and it is said how to make one.
#[tokio::test]
async fn nothing_is_sent_without_a_key_for_tokens() {
    let road = Road::new().await;
    for command in ["check", "drain"] {
        let mut command = road.command(&[command]).await;
        command.env_remove("JOBALERTS_SECRETS__TOKEN_KEYS_FILE");
        let output = output(command, None).await;
        assert_ne!(output.code, Some(0), "{}", output.stdout);
        let said = format!("{}{}", output.stdout, output.stderr);
        assert!(said.contains("secrets.token_keys_file is not set"), "{said}");
        assert!(said.contains("openssl rand -hex 32 > token_keys"), "{said}");
    }
}

/// With nothing wrong it says when the next digests leave; with --connect it tries the servers.
#[tokio::test]
async fn check_tries_the_servers() {
    let road = Road::new().await;
    let output = road.run(&["check", "--connect", "--show"]).await.successful();
    for expected in [
        "PostgreSQL answers",
        "RabbitMQ answers",
        "mail server answers",
        "schedules.daily",
        "rehearsal = true",
    ] {
        assert!(output.stdout.contains(expected), "{expected} in {}", output.stdout);
    }
    road.smtp.stop_listening().await.unwrap();
    let mut command = road.command(&["check", "--connect"]).await;
    command.env("JOBALERTS_DATABASE__URL", "postgres://jobalerts:hunter2@127.0.0.1:1/nothing");
    let output = crate::harness::program::output(command, None).await;
    assert_eq!(output.code, Some(EX_CONFIG));
    for expected in ["database.url (", "smtp.url: ", "RabbitMQ answers", "2 mistakes to mend."] {
        assert!(output.stdout.contains(expected), "{expected} in {}", output.stdout);
    }
    assert!(!output.stdout.contains("hunter2"), "{}", output.stdout);
}

/// Only a rehearsal may set the clock.
#[tokio::test]
async fn the_clock_is_not_set_in_production() {
    let road = Road::setup().set("rehearsal", "false").build().await;
    road.import(&[curious("ann@example.org")]).await;
    road.hears(&[Event::opened("230000AA")]).await;
    for command in ["drain", "run"] {
        let output = road.run(&[command, "--now", MONDAY]).await;
        assert_eq!(output.code, Some(1));
        assert!(output.stderr.contains("rehearsal = true"), "{}", output.stderr);
    }
    assert_eq!(road.count("select count(*) from alerts").await, 0);
    let output = road.run(&["drain", "--now", "tomorrow"]).await;
    assert_eq!(output.code, Some(2), "{}", output.stderr);
}

/// The whole road by commands alone: migrated tables, people, events, a drain, and how things stand.
#[tokio::test]
async fn the_commands_go_the_whole_road() {
    let road = Road::new().await;
    road.run(&["migrate"]).await.successful();
    road.run_with_input(&["import", "-"], curious("ann@example.org").line()).await.successful();
    let events = [Event::sample("03").body(), b"\n".to_vec(), Event::sample("05").body()].concat();
    let published = road.run_with_input(&["publish", "-"], events).await.successful();
    assert_eq!(published.stdout, format!("2 events published to {}\n", road.config().amqp.exchange));
    road.run_with_input(&["publish", "--unchecked", "-"], "garbage").await.successful();

    let status = |output: String| serde_json::from_str::<Value>(&output).unwrap();
    let before = status(road.run(&["status", "--json"]).await.looked().stdout);
    assert_eq!(
        (&before["queue"]["waiting"], &before["standing"]["subscribers"]),
        (&3.into(), &1.into()),
        "{before}"
    );

    let drained = road.run(&["drain", "--now", MONDAY]).await.successful();
    assert_eq!(
        drained.stdout,
        "2 events taken in, 0 known already, 1 set aside; 1 alert made, 0 ended without a word; 1 mail sent, \
         0 deferred, 0 refused or held\n1 outcome published to jobalerts.outcomes\n"
    );
    assert_eq!(road.only_mail().rcpt_to, ["ann@example.org"]);
    let after = status(road.run(&["status", "--json"]).await.looked().stdout);
    assert_eq!(after["queue"], serde_json::json!({"waiting": 0, "deadLetters": 1}));
    assert_eq!(
        (&after["standing"]["alertsTold"], &after["standing"]["mailsAccepted"]),
        (&1.into(), &1.into()),
        "{after}"
    );
    let text = road.run(&["status"]).await.looked().stdout;
    assert!(text.contains("0 waiting, 1 dead letters") && text.contains("1 accepted"), "{text}");
    assert_eq!(road.drain().await, Delivered::NOTHING);
}

/// What is no event is not sent, and nothing of the rest.
#[tokio::test]
async fn publish_sends_all_or_nothing() {
    let road = Road::new().await;
    let mut events = Event::sample("03").body();
    events.extend(b"\n{\"no\": \"type\"}");
    let output = road.run_with_input(&["publish", "-"], events).await;
    assert_eq!(output.code, Some(1));
    assert!(output.stderr.contains("expected CloudEvents"), "{}", output.stderr);
    assert_eq!(road.broker().await.waiting().await, (0, 0));
}

/// A drain without a mail server loses nothing and says so.
#[tokio::test]
async fn a_drain_without_a_mail_server_loses_nothing() {
    let road = Road::new().await;
    road.import(&[curious("ann@example.org")]).await;
    road.publish(&[Event::sample("03")]).await;
    road.smtp.stop_listening().await.unwrap();
    let output = road.run(&["drain", "--now", MONDAY]).await.successful();
    assert!(output.stderr.contains("what is due stays due"), "{}", output.stderr);
    assert!(
        output.stdout.contains("1 alert made") && output.stdout.contains("0 mails sent"),
        "{}",
        output.stdout
    );
    road.smtp.listen_again().await.unwrap();
    assert_eq!(road.drain_at("2023-11-13T09:00:00Z").await, Delivered::ONE_MAIL);
}

/// Tables of another version are not touched.
#[tokio::test]
async fn tables_of_another_version_are_refused() {
    let road = Road::new().await;
    road.sql("delete from _sqlx_migrations").await;
    for arguments in [&["status"][..], &["import", "-"], &["drain", "--now", MONDAY]] {
        let output = road.run(arguments).await;
        assert_eq!(output.code, Some(1));
        assert!(output.stderr.contains("jobalerts migrate"), "{}", output.stderr);
    }
}

#[tokio::test]
async fn completions_are_printed_without_any_configuration() {
    let mut command = bare_command(&["completions", "bash"]);
    command.env("JOBALERTS_SMTP__CONNECTIONS", "wrong");
    let output = output(command, None).await.successful();
    assert!(output.stdout.contains("_jobalerts()") && output.stdout.contains("--connect"));
}

/// One page for each command, also for those below others.
#[tokio::test]
async fn manual_pages_are_written_without_any_configuration() {
    let folder = std::env::temp_dir().join(format!("jobalerts-it-{}", uuid::Uuid::new_v4().simple()));
    std::fs::create_dir(&folder).unwrap();
    let name = folder.display().to_string();
    output(bare_command(&["man-pages", &name]), None).await.successful();
    let page = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    assert!(page("jobalerts.1").contains("78 the configuration is wrong"));
    assert!(page("jobalerts-run.1").contains("\\-\\-stages"));
    assert!(page("jobalerts-unknown-settle.1").contains("They arrived"));
    assert!(!folder.join("jobalerts-man-pages.1").exists(), "it is for those who make packages");
    std::fs::remove_dir_all(&folder).unwrap();
    let failed = output(bare_command(&["man-pages", &name]), None).await;
    assert_eq!(failed.code, Some(1));
    assert!(failed.stderr.contains(&name), "{}", failed.stderr);
}
