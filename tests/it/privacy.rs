//! OPS-10: no address, no name and no subject line in any log, at any level.

use std::process::Stdio;

use jobalerts_dev::smtp::{Rule, SmtpServer, Stage};
use serde_json::json;

use crate::harness::events::Event;
use crate::harness::people::person;
use crate::harness::program::{Daemon, output};
use crate::harness::{Road, soon};

#[tokio::test]
async fn no_log_names_a_person_or_what_they_asked_for() {
    let said = "ann.secretive@example.net is not known here, Ann.Secretive";
    let smtp = SmtpServer::builder().script([
        Rule::at(Stage::Rcpt).to_local_prefix("ann").reply(550, format!("5.1.1 {said}")),
        Rule::at(Stage::Rcpt).to_local_prefix("bob").reply(450, "4.2.0 <bob.private@example.net> later"),
        Rule::at(Stage::EndOfData).to_local_prefix("cat").first(1).close(),
    ]);
    let road = Road::setup().smtp(smtp).set("log.level", "trace").set("log.format", "json").build().await;
    let near =
        json!({"locations": {"any": ["birmingham"]}, "keywords": {"any": ["custody", "whistleblower"]}});
    let people = ["ann.secretive", "bob.private", "cat.hidden", "dan.discreet"].map(|name| {
        person(&format!("{name}@example.net")).search("Away from my ex", "immediate", near.clone())
    });
    let lines: String = people.iter().map(|person| person.line() + "\n").collect();
    let wrong =
        r#"{"email":"eve.wrong@example.net","searches":[{"name":"Eve's own","cadence":"x","where":{}}]}"#;
    let imported = road.run_with_input(&["import", "-"], format!("{lines}{wrong}\n")).await;
    assert_eq!(imported.code, Some(65));

    let event = Event::sample("03").titled("Confidential custody post");
    let bad = Event::opened("230000BB").with("/data/posting/title", json!(["Confidential"]));
    let published = road.run_with_input(&["publish", "-"], [event.body(), bad.body()].concat()).await;
    let daemon = road.daemon().await;
    soon(
        "a mail, a deferral and a refusal",
        road.smtp.wait_until(|t| t.confirmed >= 1 && t.rules_fired >= 3),
    )
    .await;
    let (status, log) = daemon.stop().await;
    assert_eq!(status.code(), Some(0), "{log}");
    let drained = road.run(&["drain", "--now", "2023-11-13T09:30:00Z"]).await;
    let standing = road.run(&["status"]).await;
    let checked = road.run(&["check", "--show"]).await;

    assert!(
        log.contains("\"level\":\"DEBUG\"") || log.contains("\"level\":\"TRACE\""),
        "it says a lot: {log}"
    );
    let outputs = [imported, published, drained, standing, checked];
    let everything: String = std::iter::once(log)
        .chain(outputs.into_iter().flat_map(|output| [output.stdout, output.stderr]))
        .collect::<String>()
        .to_lowercase();
    for secret in [
        "secretive",
        "private@",
        "bob.",
        "cat.hidden",
        "hidden",
        "dan.discreet",
        "eve.wrong",
        "eve's",
        "example.net",
        "my ex",
        "whistleblower",
        "confidential",
        "new:",
    ] {
        let context = everything.find(secret).map(|place| {
            let (from, to) =
                (everything.floor_char_boundary(place.saturating_sub(200)), place + secret.len());
            everything[from..to].to_owned()
        });
        assert_eq!(context, None, "{secret} was logged");
    }
    let replies: String = road.mail_rows().await.into_iter().filter_map(|mail| mail.reply).collect();
    assert!(!replies.to_lowercase().contains("example.net"), "{replies}");
}

/// A process that says this in its log, in place of the program.
fn says(road: &Road, text: &str) -> tokio::process::Command {
    let mut command = tokio::process::Command::new("sh");
    command.args(["-c", "echo 'one line' >&2; echo \"$TEXT\" >&2; echo another >&2"]);
    command.envs(&road.environment).env("TEXT", text).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// What a task failed with.
async fn failure<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> Option<String> {
    let panic = tokio::spawn(task).await.err()?.into_panic();
    Some(*panic.downcast::<String>().expect("a panic with a text"))
}

/// Every log of every test is searched; and the search finds what is there.
#[tokio::test]
async fn a_log_that_names_somebody_fails_its_test() {
    let road = Road::new().await;
    let ann = person("Ann.Secretive@example.net").wants("Away from my ex", "immediate").wants("All", "daily");
    road.import(&[ann]).await;
    let eve = person("eve@example.net").line();
    road.run_with_input(&["import", "-"], eve).await.successful();
    road.hears(&[Event::sample("03").titled("A \"special\" post")]).await;
    road.drain().await;
    let subject = road.only_mail().subject().unwrap();
    for text in [
        "to ann.secretive@EXAMPLE.net",
        "ann.secretive was here",
        r#"{"mail":7,"to":"eve@example.net"}"#,
        "because of away from my ex",
        &subject,
        &serde_json::json!({ "subject": subject }).to_string(),
    ] {
        let found = road.unsaid.said_in(&format!("one line\n{text}\nanother\n"));
        assert_eq!(found.map(|said| said.line).as_deref(), Some(text));
    }
    let harmless = "all is well; cannot announce; example.net; an***@example.net; eve";
    assert_eq!(road.unsaid.said_in(harmless), None);

    // However a process ends: by itself, killed, dropped, or as a command.
    let told = "mail to eve@example.net";
    let daemon = async || {
        let mut daemon = Daemon::start(says(&road, told));
        daemon.says("another").await;
        daemon
    };
    let (ends, killed, dropped) = (daemon().await, daemon().await, daemon().await);
    let command = says(&road, told);
    for failure in [
        failure(ends.ended()).await,
        failure(killed.kill()).await,
        failure(async move { drop(dropped) }).await,
        failure(output(command, None)).await,
    ] {
        let failure = failure.expect("the test fails");
        assert!(failure.contains("eve@example.net") && failure.ends_with(told), "{failure}");
    }
    assert_eq!(failure(Daemon::start(says(&road, harmless)).ended()).await, None);
}

/// I11: no table has a place for what must not be known about anybody.
#[tokio::test]
async fn no_column_is_about_what_a_person_is() {
    let road = Road::new().await;
    let columns: Vec<(String, String)> = road
        .rows("select table_name::text, column_name::text from information_schema.columns where table_schema = 'public'")
        .await;
    assert!(columns.len() > 100, "all tables were looked at");
    for (table, column) in columns {
        for never in [
            "race",
            "ethnic",
            "religion",
            "belief",
            "sex",
            "gender",
            "disab",
            "health",
            "age",
            "birth",
            "dob",
            "orientation",
            "nationality",
            "convict",
            "postcode",
            "home",
            "phone",
            "marital",
            "pregnan",
        ] {
            let is_named = column.split('_').any(|word| word.starts_with(never));
            assert!(!is_named, "{table}.{column} is about {never}");
        }
    }
}
