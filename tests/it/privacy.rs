//! OPS-10: no address, no name and no subject line in any log, at any level.

use jobalerts_dev::smtp::{Rule, SmtpServer, Stage};
use serde_json::json;

use crate::harness::events::Event;
use crate::harness::people::person;
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
