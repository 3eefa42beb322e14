//! Whole mails, as they arrive, against the files in `tests/golden/mails`.
//!
//! `UPDATE_GOLDEN=1` writes the files anew; read the difference before you keep it.

use std::path::Path;

use jobalerts_dev::smtp::ReceivedMail;
use serde_json::json;

use crate::harness::events::Event;
use crate::harness::people::{curious, person, with_sample_searches};
use crate::harness::{Delivered, Road, TESTER};

/// Compares the headers, the text and the HTML of a mail with the files of that name.
pub(crate) fn is_golden(name: &str, mail: &ReceivedMail) {
    let headers: Vec<String> =
        mail.headers().iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let headers = headers.join("\n") + "\n";
    let lines = |text: Option<String>| text.expect("the part is there").replace("\r\n", "\n");
    let mut differences = Vec::new();
    for (ending, found) in [
        ("headers.txt", headers.replace("\r\n", "\n")),
        ("txt", lines(mail.text())),
        ("html", lines(mail.html())),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/mails/{name}.{ending}"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, found).unwrap();
        } else if std::fs::read_to_string(&path).unwrap_or_default() != found {
            differences.push(format!("{}:\n{found}", path.display()));
        }
    }
    assert!(differences.is_empty(), "differs (UPDATE_GOLDEN=1 writes it anew): {}", differences.join("\n"));
}

/// Makes the Message-ID the same in each run.
pub(crate) async fn known_person(road: &Road) {
    road.sql("update subscribers set public_id = '6f1c9e4e-5d0b-4c53-9a52-9b1f0a3c7d11'").await;
}

/// SUB-6, I13, I14.
#[tokio::test]
async fn one_vacancy_for_three_reasons() {
    let road = Road::new().await;
    road.import(&[with_sample_searches("ann@example.org")]).await;
    road.sql("update subscribers set discreet = false").await;
    known_person(&road).await;
    road.hears(&[Event::sample("03")]).await;
    assert_eq!(road.drain().await, Delivered::ONE_MAIL);
    is_golden("one-vacancy", &road.only_mail());
}

/// SUB-11.
#[tokio::test]
async fn one_vacancy_for_a_person_who_is_discreet() {
    let road = Road::new().await;
    road.import(&[with_sample_searches("ann@example.org")]).await;
    known_person(&road).await;
    road.hears(&[Event::sample("03")]).await;
    assert_eq!(road.drain().await, Delivered::ONE_MAIL);
    let mail = road.only_mail();
    is_golden("discreet", &mail);
    let seen = format!("{} {}", mail.subject().unwrap(), mail.header("From").unwrap()).to_lowercase();
    let seen = seen.replace("@midshire.example", "");
    for telling in ["police", "constable", "officer", "recruit", "vacanc", "midshire", "custody", "volunteer"]
    {
        assert!(!seen.contains(telling), "{telling} in {seen}");
    }
}

/// I13: each item says its closing, as precisely as it was given.
#[tokio::test]
async fn several_vacancies() {
    let road = Road::new().await;
    road.import(&[person("ann@example.org").wants("Everything in Birmingham", "immediate")]).await;
    known_person(&road).await;
    let pay = json!({"currency": "GBP", "value": {"minValue": 29907, "maxValue": 32000, "unitText": "YEAR"}});
    road.hears(&[
        Event::opened("230000AA")
            .titled("Detention officer & <driver>")
            .with("/data/contractKind", json!(["permanent"]))
            .with("/data/roleFamily", "custody-detention")
            .with("/data/payText", "£29,907 to £32,000")
            .with("/data/pay", pay)
            .with(
                "/data/closing",
                json!({"value": "2023-12-08", "precision": "date", "zone": "Europe/London"}),
            ),
        Event::opened("230000BB").titled("Café manager").shuts("2023-11-20T23:59:00Z"),
        Event::opened("230000CC").with("/data/posting/url", serde_json::Value::Null),
    ])
    .await;
    assert_eq!(road.drain().await, Delivered::ONE_MAIL);
    is_golden("several-vacancies", &road.only_mail());
}

/// I9.
#[tokio::test]
async fn a_test_for_a_tester() {
    let road = Road::new().await;
    road.import(&[curious(TESTER)]).await;
    known_person(&road).await;
    road.hears(&[Event::opened("TEST0001").with("/testevent", true)]).await;
    assert_eq!(road.drain().await, Delivered::ONE_MAIL);
    is_golden("test", &road.only_mail());
}
