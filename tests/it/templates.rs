//! Templates of an operator's own, the language of a person, and mails to look at beforehand.

use std::fs;
use std::path::Path;

use crate::harness::events::Event;
use crate::harness::folder::Folder;
use crate::harness::people::{curious, person};
use crate::harness::program::{bare_command, output};
use crate::harness::{Delivered, Road, soon};

const WHY: &str = "layout/why-you.txt.hbs";

/// Every mistake by file and line, with what to do; and which files are in effect if there is none.
#[tokio::test]
async fn check_looks_at_templates_of_ones_own() {
    let folder = Folder::new();
    let keys = jobalerts_dev::secrets::token_keys(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap();
    let check = async || {
        let mut command = bare_command(&["check", "--show"]);
        command.env("JOBALERTS_TEMPLATES__FOLDER", folder.name());
        command.env("JOBALERTS_SECRETS__TOKEN_KEYS_FILE", &keys);
        output(command, None).await
    };
    for (name, text, expected) in [
        (WHY, "Why: {{why}}\n{{wyh}}", ":2: {{wyh}} is not something this mail has"),
        ("layout/why-you.html.hbs", "<p>Why: {{{why}}}</p>", ":1: a value must be escaped in HTML"),
        ("layout/why-yuo.txt.hbs", "Why", "did you mean layout/why-you.txt.hbs?"),
        (
            "layout/as-of.txt.hbs",
            "Correct when sent, {{as_of}}. Check the {{source}}. {{#if test}}{{#if discreet}}x{{/if}}{{/if}}",
            ":1: what follows {{#if discreet}} is in no sample mail",
        ),
        ("cy-GB/withdrawn/body.txt.hbs", "{{> headline}}", ": a mail needs both parts"),
    ] {
        let path = folder.write(name, text);
        let found = check().await;
        assert_eq!(found.code, Some(78), "{}{}", found.stdout, found.stderr);
        assert!(
            found.stdout.contains(&path) && found.stdout.contains(expected),
            "{expected}: {}",
            found.stdout
        );
        fs::remove_file(path).unwrap();
    }
    let path = folder.write("layout/as-of.txt.hbs", "{{> headline}}");
    let found = check().await;
    let said = format!("vacancy-alert: as-of: it is missing or empty; look at {path}");
    assert!(found.stdout.contains(&said), "{}", found.stdout);
    fs::remove_file(path).unwrap();

    folder.write(WHY, "You hear of this because {{why}}");
    let good = check().await.successful();
    assert!(
        good.stdout.contains("templates.folder: 1 file in effect:\n  layout/why-you.txt.hbs\n"),
        "{}",
        good.stdout
    );
    assert!(good.stdout.contains(&format!("folder = \"{}\"", folder.name())), "{}", good.stdout);
}

/// SIGHUP: a good set is in effect for the next mail; a bad one is refused and the old one kept.
#[tokio::test]
async fn the_daemon_reads_templates_again() {
    let folder = Folder::new();
    folder.write(WHY, "One: {{why}}");
    let road = Road::setup().set("templates.folder", &folder.name()).build().await;
    road.import(&[curious("ann@example.org")]).await;
    let mut daemon = road.daemon().await;
    let next = async |reference: &str, count: usize| {
        road.publish(&[Event::opened(reference)]).await;
        soon("a mail", road.smtp.wait_for(count)).await.last().unwrap().text().unwrap()
    };
    assert!(next("230000AA", 1).await.contains("One: it matches"));

    let path = folder.write(WHY, "Two: {{wyh}}");
    daemon.hang_up();
    daemon.says("what was read is refused; what was in effect stays so").await;
    daemon.says(&format!("{path}:1: {{{{wyh}}}} is not something this mail has")).await;
    assert!(next("230000BB", 2).await.contains("One: it matches"));

    folder.write(WHY, "Three: {{why}}");
    daemon.hang_up();
    daemon.says("what was read again is in effect").await;
    assert!(next("230000CC", 3).await.contains("Three: it matches"));
    let (status, log) = daemon.stop().await;
    assert_eq!(status.code(), Some(0), "{log}");
}

/// L30: a person reads Welsh, where there is Welsh.
#[tokio::test]
async fn a_person_gets_mails_in_their_language() {
    let road = Road::new().await;
    let mut line: serde_json::Value = serde_json::from_str(&curious("ann@example.org").line()).unwrap();
    line["language"] = "cy-GB".into();
    road.import_lines(&[line.to_string()]).await;
    // Who says nothing of it keeps it.
    road.import(&[curious("ann@example.org")]).await;
    road.hears(&[Event::sample("03")]).await;
    assert_eq!(road.drain().await, Delivered::ONE_MAIL);
    let mail = road.only_mail();
    assert!(mail.subject().unwrap().starts_with("Newydd: "), "{:?}", mail.subject());
    assert!(mail.html().unwrap().contains("<html lang=\"cy-GB\""));
    assert!(mail.text().unwrap().contains("Pam y cawsoch hwn: mae'n cyd-fynd â'ch chwiliad"));
}

/// ADM-7, without a person: every sample, as it would be sent.
#[tokio::test]
async fn samples_can_be_looked_at() {
    let (folder, road) = (Folder::new(), Road::new().await);
    let out = folder.name();
    let said = road.run(&["preview", "--all", "--lang", "cy-GB", "--out", &out]).await.successful().stdout;
    assert!(said.contains("index.html"), "{said}");
    let content = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    assert!(content("open-now.eml").contains("Subject: ") && content("open-now.eml").contains("\r\n"));
    assert!(
        content("open-now.html").contains("lang=\"cy-GB\"")
            && content("correction.html").contains("lang=\"en-GB\"")
    );
    let index = content("index.html");
    for name in index.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(folder.path().join(name).is_file(), "{name}");
    }
    assert!(index.matches("<tr>").count() > 60, "{index}");

    let text = road.run(&["preview", "lapsed"]).await.successful().stdout;
    assert!(text.contains("Subject: We have stopped your alerts\n"), "{text}");
    let unknown = road.run(&["preview", "opne-now"]).await;
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.stderr.contains("did you mean open-now?"), "{}", unknown.stderr);
}

/// ADM-7: what one person would get, and nothing changed by it but the record of it.
#[tokio::test]
async fn the_next_mail_of_a_person_can_be_looked_at() {
    let (folder, road) = (Folder::new(), Road::new().await);
    road.import(&[curious("ann@example.org"), curious("bob@example.org")]).await;
    let now = road.clock.now().to_rfc3339();
    let look = async |more: &[&str]| {
        let arguments = [&["preview", "--person", "-", "--now", &now][..], more].concat();
        road.run_with_input(&arguments, "Ann@example.org\n").await.successful().stdout
    };
    assert!(look(&[]).await.contains("nothing waits for them"));

    road.hears(&[Event::sample("03")]).await;
    road.match_all().await;
    let rows = async || {
        road.count("select count(*) from mails").await
            + road.count("select count(*) from alerts where due_at is null").await
    };
    let before = rows().await;
    let out = folder.name();
    let said = look(&["--out", &out]).await;
    assert!(said.contains("They would get this vacancy-alert now."), "{said}");
    assert_eq!(rows().await, before);
    assert_eq!(road.count("select count(*) from audit where action = 'previewed'").await, 2);

    assert_eq!(road.deliver().await, Delivered { accepted: 2, ..Delivered::NOTHING });
    let sent = road.mails_to("ann@example.org")[0].clone();
    let previewed = fs::read_to_string(folder.path().join("vacancy-alert.txt")).unwrap();
    let but_for_its_link =
        |text: &str| text.lines().filter(|line| !line.contains("/stop/")).collect::<Vec<_>>().join("\n");
    assert_eq!(but_for_its_link(&sent.text().unwrap()), but_for_its_link(&previewed));
    assert!(look(&[]).await.contains("They would get nothing now"));
    road.sql("update subscribers set state = 'suppressed'").await;
    assert!(look(&[]).await.contains("Mail may not go to this person"));
}

/// A letter is a mail, too.
#[tokio::test]
async fn the_next_letter_of_a_person_can_be_looked_at() {
    let road = Road::setup().at("2023-11-30T12:00:00Z").build().await;
    let ann = person("ann@example.org").registered("pc-dhep").quiet("21:00", "08:00");
    road.import(&[ann.agreed_at("2022-12-01T09:00:00Z")]).await;
    road.match_all().await;
    road.keep_house().await;
    let look = async |now: &str| {
        let arguments = ["preview", "--person", "-", "--now", now];
        road.run_with_input(&arguments, "ann@example.org\n").await.successful().stdout
    };
    road.keep_house_at("2023-12-01T10:00:00Z").await;
    let said = look("2023-12-01T10:00:00Z").await;
    assert!(said.contains("They would get this still-interested now."), "{said}");
    assert_eq!(road.count("select count(*) from mails").await, 0);
    assert_eq!(road.deliver().await, Delivered::ONE_MAIL);
    let subject = road.mails_to("ann@example.org")[0].subject().unwrap();
    assert!(said.contains(&format!("Subject: {subject}\n")), "{subject}: {said}");
    assert!(look("2023-12-01T10:00:00Z").await.contains("nothing waits for them"));
    road.sql("update letters set due_at = '2023-12-01T23:00:00Z', sent_at = null").await;
    assert!(look("2023-12-01T12:00:00Z").await.contains("the next thing is looked at on 2023-12-01 23:00"));
    assert!(look("2023-12-01T23:30:00Z").await.contains("waits until"), "at night");
}
