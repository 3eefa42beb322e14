//! What comes back to us, and what follows from it: for the person, for what they were told, for the
//! ledger, and for whoever imports their address again. The mails are those of `tests/golden/returns`.

mod called;
mod confirmed;
mod forgotten;
mod resent;

use std::path::PathBuf;

use jobalerts::domain::email::EmailAddress;
use jobalerts::domain::signature::{NotSigned, SigningKeys};
use jobalerts::domain::token::StopToken;
use jobalerts::returns::webhook::{self, Refused, Webhook};
use jobalerts::returns::{self, Rules, Taken};
use jobalerts::store::returns::Answer;
use jobalerts::store::suppressions;
use jobalerts_dev::smtp::{Rule, SmtpServer, Stage};
use serde_json::json;
use uuid::Uuid;

use crate::harness::events::Event;
use crate::harness::people::{curious, person};
use crate::harness::proxy::Proxy;
use crate::harness::rows::Six;
use crate::harness::{Delivered, Road, soon, time};

const ANN: &str = "ann@example.org";
const BOB: &str = "bob@example.org";
const DHEP: &str = "programme/pc-dhep";
const NEW: Taken = Taken::Bounce(Answer::Taken);

/// What the next mail of a person is known by.
struct Sent {
    mail: i64,
    message_id: String,
    person: Uuid,
}

impl Road {
    /// The last mail to a person.
    async fn sent(&self, address: &str) -> Sent {
        let rows: Vec<(String, i64, String, Uuid)> = self
            .rows(
                "select p.address, m.id, m.message_id, p.public_id
                 from mails m join subscribers p on p.id = m.subscriber_id order by m.id",
            )
            .await;
        let last = rows.into_iter().rev().find(|(to, ..)| to == address);
        let (_, mail, message_id, person) = last.unwrap_or_else(|| panic!("{address} got no mail"));
        Sent { mail, message_id, person }
    }

    fn return_rules(&self) -> Rules {
        let secrets = &self.config().secrets;
        Rules::new(secrets).unwrap()
    }

    /// A sample, about the last mail to a person.
    async fn returned(&self, sample: &str, address: &str) -> Vec<u8> {
        let Sent { mail, message_id, person } = self.sent(address).await;
        let keys = self.return_rules().tokens;
        let path = format!("{}/tests/golden/returns/{sample}.eml", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path)
            .unwrap()
            .replace("@BOUNCE@", &keys.bounce(mail))
            .replace("@STOP@", &StopToken { person, mail: None }.sign(&keys))
            .replace("@MESSAGE-ID@", &message_id)
            .into_bytes()
    }

    async fn take_in(&self, mail: &[u8]) -> Taken {
        returns::take(self.pool(), &self.return_rules(), mail, None, self.clock.now()).await.unwrap()
    }

    /// Takes in a sample about the last mail to a person.
    async fn comes_back(&self, sample: &str, address: &str) -> Taken {
        self.take_in(&self.returned(sample, address).await).await
    }

    async fn state_of(&self, address: &str) -> String {
        let rows: Vec<(String, String)> = self.rows("select address, state from subscribers").await;
        rows.into_iter().find(|(it, _)| it == address).expect("known").1
    }

    /// Why addresses are suppressed.
    async fn suppressed(&self) -> Vec<String> {
        let rows: Vec<(String,)> = self.rows("select reason from suppressions order by since, reason").await;
        rows.into_iter().map(|(reason,)| reason).collect()
    }

    async fn return_counts(&self) -> Vec<(String, i64)> {
        self.rows("select what, sum(count)::bigint from return_counts group by what order by what").await
    }

    /// Everything that something forged could have changed.
    async fn all_that_counts(&self) -> String {
        let more: String = self
            .value(
                "select json_build_object(
                     'returns', (select json_agg(r order by r.id) from returns r),
                     'suppressions', (select json_agg(s order by s.address_hash) from suppressions s),
                     'stops', (select json_agg(s order by s.id) from stops s),
                     'letters', (select json_agg(l order by l.id) from letters l),
                     'audit', (select json_agg(a order by a.id) from audit a),
                     'outcomes', (select json_agg(o order by o.id) from outcome_events o))::text",
            )
            .await;
        self.state().await + &more
    }
}

/// A road on which these people were told of one vacancy.
async fn told(people: &[&str]) -> Road {
    let road = Road::new().await;
    let people: Vec<_> = people.iter().map(|address| curious(address)).collect();
    road.import(&people).await;
    road.hears(&[Event::opened("230000A1")]).await;
    assert_eq!(road.drain().await.accepted, people.len() as u64);
    road
}

/// S07, B02, I21.
#[tokio::test]
async fn a_mailbox_that_is_not_there_is_written_to_no_more() {
    for sample in
        ["postfix-user-unknown", "exim-user-unknown", "exchange-online-not-found", "gmail-does-not-exist"]
    {
        let road = told(&[ANN, BOB]).await;
        assert_eq!(road.comes_back(sample, ANN).await, NEW, "{sample}");
        assert_eq!(road.state_of(ANN).await, "suppressed");
        assert_eq!(road.suppressed().await, ["hard-bounce"]);
        let row: (String, String, String) =
            road.rows("select weight, status, source from returns").await.remove(0);
        assert_eq!((row.0.as_str(), row.2.as_str()), ("gone", "mail"));
        let untold = "select count(*) from alerts where told_revision is null and ended = 'refused'";
        assert_eq!(road.count(untold).await, 1, "what came back was not told");

        road.hears(&[Event::opened("230000A2")]).await;
        assert_eq!(road.drain().await, Delivered { ended: 1, ..Delivered::ONE_MAIL });
        assert_eq!(road.sent(BOB).await.mail, 3, "the new one went to Bob alone");
        assert_eq!(road.drain_at("2023-12-20T10:00:00Z").await, Delivered::NOTHING);
    }
}

/// B01, B06: the tokens of the samples are those that really stand in the mails.
#[tokio::test]
async fn what_mails_say_of_where_they_come_back_to_is_understood() {
    let road = told(&[ANN, BOB]).await;
    let (rules, now) = (road.return_rules(), road.clock.now());
    let envelope = road.mails_to(ANN)[0].mail_from.clone();
    assert!(envelope.contains(&rules.tokens.bounce(road.sent(ANN).await.mail)), "{envelope}");
    let report = String::from_utf8(road.returned("postfix-user-unknown", ANN).await).unwrap();
    let report = report.replace(&rules.tokens.bounce(road.sent(ANN).await.mail), "");
    let taken = returns::take(road.pool(), &rules, report.as_bytes(), Some(&envelope), now).await.unwrap();
    assert_eq!(taken, NEW);

    let unsubscribe = road.mails_to(BOB)[0].header("List-Unsubscribe").unwrap();
    let (_, mailto) = unsubscribe.split_once("<mailto:").unwrap();
    let (address, _) = mailto.split_once(['>', '?']).unwrap();
    let taken =
        returns::take(road.pool(), &rules, b"Subject: unsubscribe\n\n", Some(address), now).await.unwrap();
    assert_eq!(taken, Taken::Stop(Answer::Taken));
    assert_eq!((road.state_of(ANN).await, road.state_of(BOB).await), ("suppressed".into(), "stopped".into()));
}

/// B03.
#[tokio::test]
async fn what_is_forged_changes_nothing_and_is_counted() {
    let road = told(&[ANN]).await;
    let before = road.all_that_counts().await;
    let keys = road.return_rules().tokens;
    let Sent { mail, person, .. } = road.sent(ANN).await;
    let (bounce, stop) = (keys.bounce(mail), StopToken { person, mail: None }.sign(&keys));
    let wrong = |token: &str| format!("{}{}", &token[..token.len() - 2], "22");
    for sample in ["postfix-user-unknown", "postfix-delayed", "exim-plain", "yahoo-arf-abuse", "outlook-jmrp"]
    {
        let genuine = String::from_utf8(road.returned(sample, ANN).await).unwrap();
        let forged = genuine.replace(&bounce, &wrong(&bounce)).replace(&stop, &wrong(&stop));
        assert_eq!(road.take_in(forged.as_bytes()).await, Taken::Forged, "{sample}");
        // A token for one purpose is worth nothing for the other.
        let swapped = genuine.replace(&bounce, &wrong(&bounce)).replace(&stop, &bounce[..41]);
        assert_eq!(road.take_in(swapped.as_bytes()).await, Taken::Forged, "{sample}");
    }
    assert_eq!(road.comes_back("forged", ANN).await, Taken::Forged);
    let unsubscribe = String::from_utf8(road.returned("unsubscribe-mail", ANN).await).unwrap();
    let forged = unsubscribe.replace(&stop, &wrong(&stop)).replace("Auto-Submitted: auto-generated\n", "");
    assert_eq!(road.take_in(forged.as_bytes()).await, Taken::Forged);
    assert_eq!(road.all_that_counts().await, before);
    assert_eq!(road.return_counts().await, [("forged".to_owned(), 12)]);
}

#[tokio::test]
async fn the_same_twice_counts_once() {
    let road = told(&[ANN]).await;
    assert_eq!(road.comes_back("postfix-mailbox-full", ANN).await, NEW);
    let once = road.all_that_counts().await;
    for sample in ["postfix-mailbox-full", "exim-plain"] {
        assert_eq!(road.comes_back(sample, ANN).await, Taken::Bounce(Answer::Again), "{sample}");
    }
    assert_eq!(road.all_that_counts().await, once);
    assert_eq!(road.count("select count(*) from returns").await, 1);
    assert_eq!(road.state_of(ANN).await, "active");
}

/// S07: what is told again, and when; and that nothing else arrives meanwhile.
#[tokio::test]
async fn a_full_mailbox_is_tried_once_a_day_and_no_more_after_five() {
    let road = told(&[ANN, BOB]).await;
    for day in 13..=16 {
        road.at(&format!("2023-11-{day}T08:31:00Z"));
        assert_eq!(road.comes_back("postfix-mailbox-full", ANN).await, NEW);
        assert_eq!(road.state_of(ANN).await, "active");
        if day == 13 {
            road.hears(&[Event::opened("230000A2")]).await;
            assert_eq!(road.drain().await.accepted, 1, "only Bob hears of it today");
        }
        assert_eq!(road.drain_at(&format!("2023-11-{}T08:30:00Z", day + 1)).await, Delivered::NOTHING);
        assert_eq!(road.drain_at(&format!("2023-11-{}T08:31:00Z", day + 1)).await, Delivered::ONE_MAIL);
    }
    let last = &road.mails_to(ANN)[4];
    for reference in ["230000A1", "230000A2"] {
        let said = road.mails_to(ANN).iter().any(|mail| mail.text().unwrap().contains(reference));
        assert!(said, "{reference} {}", last.text().unwrap());
    }
    assert_eq!(road.comes_back("postfix-mailbox-full", ANN).await, NEW);
    assert_eq!(road.state_of(ANN).await, "suppressed");
    assert_eq!(road.suppressed().await, ["soft-bounces"]);
    assert_eq!(road.drain_at("2023-11-30T08:31:00Z").await.accepted, 0);
}

#[tokio::test]
async fn a_shut_mailbox_gets_one_more_try_and_what_a_server_has_against_us_is_nobodys_fault() {
    let road = told(&[ANN, BOB]).await;
    assert_eq!(road.comes_back("gmail-disabled", ANN).await, NEW);
    assert_eq!(road.comes_back("exchange-online-sender-rejected", BOB).await, NEW);
    assert_eq!(road.state_of(ANN).await, "active");
    assert_eq!(road.drain_at("2023-11-14T08:31:00Z").await.accepted, 2, "both are told again");
    assert_eq!(road.comes_back("gmail-disabled", ANN).await, NEW);
    assert_eq!(road.comes_back("exchange-online-sender-rejected", BOB).await, NEW);
    assert_eq!(road.state_of(ANN).await, "suppressed");
    assert_eq!(road.state_of(BOB).await, "active");
    assert_eq!(road.suppressed().await, ["hard-bounce"]);
}

#[tokio::test]
async fn what_is_no_news_changes_nothing() {
    let road = told(&[ANN]).await;
    let before = road.state().await;
    for (sample, taken) in [
        ("postfix-relayed", Taken::Fine),
        ("yahoo-arf-not-spam", Taken::Fine),
        ("postfix-delayed", Taken::Delayed(Answer::Taken)),
        ("out-of-office", Taken::Automatic),
        ("vacation-old", Taken::Automatic),
        ("read-receipt", Taken::Automatic),
        ("reply-question", Taken::ForAPerson),
    ] {
        assert_eq!(road.comes_back(sample, ANN).await, taken, "{sample}");
    }
    assert_eq!(road.state().await, before);
    assert_eq!(road.suppressed().await, [""; 0]);
}

/// The ledger adds up, whatever comes back.
#[tokio::test]
async fn a_promise_is_not_kept_by_a_mail_that_came_back() {
    let road = Road::setup().at("2024-02-19T10:00:00Z").build().await;
    road.import(&[ANN, BOB].map(|address| person(address).registered("pc-dhep"))).await;
    road.match_all().await;
    road.hears(&[Event::sample("09")]).await;
    assert_eq!(road.drain().await.accepted, 2);
    road.at("2024-03-05T10:00:00Z");
    road.hears(&[Event::sample("10")]).await;
    assert_eq!(road.drain().await.accepted, 2);
    assert_eq!(road.six(DHEP).await, Six { kept: 2, ..Six::default() });

    assert_eq!(road.comes_back("postfix-mailbox-full", ANN).await, NEW);
    assert_eq!(road.six(DHEP).await, Six { kept: 1, owed: 1, ..Six::default() }, "it is owed again");
    assert_eq!(road.drain_at("2024-03-06T10:00:00Z").await, Delivered::ONE_MAIL);
    assert_eq!(road.six(DHEP).await, Six { kept: 2, ..Six::default() });

    assert_eq!(road.comes_back("postfix-user-unknown", ANN).await, NEW);
    assert_eq!(road.six(DHEP).await, Six { kept: 1, released: 1, ..Six::default() });
    let reasons: Vec<(String,)> =
        road.rows("select outcome_reason from alerts where outcome = 'released'").await;
    assert_eq!(reasons, [("undeliverable".to_owned(),)]);
    road.drain().await;
    assert_eq!(road.six(DHEP).await, Six { kept: 1, released: 1, ..Six::default() });
    // The mail with the date came back later than the one that kept it: Bob knows.
    let first: i64 = road.value("select min(id) from mails where subscriber_id = 2").await;
    let keys = road.return_rules().tokens;
    let late = String::from_utf8(road.returned("postfix-mailbox-full", BOB).await).unwrap();
    let late = late.replace(&keys.bounce(road.sent(BOB).await.mail), &keys.bounce(first));
    assert_eq!(road.take_in(late.as_bytes()).await, NEW);
    assert_eq!(road.six(DHEP).await, Six { kept: 1, released: 1, ..Six::default() });
}

/// A promise that nothing was told of yet is released, too, when nothing can be told any more.
#[tokio::test]
async fn what_is_still_owed_is_released_with_the_suppression() {
    let road = Road::setup().at("2024-02-19T10:00:00Z").build().await;
    road.import(&[person(ANN).registered("pc-dhep").wants("Everything", "immediate")]).await;
    road.match_all().await;
    road.hears(&[Event::sample("09")]).await;
    assert_eq!(road.drain().await.accepted, 1);
    assert_eq!(road.six(DHEP).await, Six { owed: 1, ..Six::default() });
    assert_eq!(road.comes_back("yahoo-arf-abuse", ANN).await, Taken::Complaint(Answer::Taken));
    road.drain().await;
    assert_eq!(road.six(DHEP).await, Six { released: 1, ..Six::default() });
    let reason: String = road.value("select outcome_reason from alerts where promise").await;
    assert_eq!(reason, "unsubscribed");
}

/// A question that came back was not asked.
#[tokio::test]
async fn silence_is_no_answer_to_a_question_that_came_back() {
    let road = Road::setup().at("2023-11-30T12:00:00Z").build().await;
    road.import(&[person(ANN).registered("pc-dhep").agreed_at("2022-12-01T09:00:00Z")]).await;
    road.match_all().await;
    road.keep_house().await;
    road.keep_house_at("2023-12-01T10:00:00Z").await;
    assert_eq!(road.deliver().await, Delivered::ONE_MAIL);
    assert_eq!(road.comes_back("postfix-mailbox-full", ANN).await, NEW);
    let again = "select count(*) from letters where sent_at is null and due_at = '2023-12-02T10:00:00Z'";
    assert_eq!(road.count(again).await, 1);
    assert_eq!(road.drain_at("2023-12-02T10:00:00Z").await, Delivered::ONE_MAIL);
    assert_eq!(road.comes_back("postfix-user-unknown", ANN).await, NEW);
    let ended = "select count(*) from letters where sent_at is null and ended = 'refused'";
    assert_eq!(road.count(ended).await, 1);
}

/// B05, B07: only the person takes it back.
#[tokio::test]
async fn a_complaint_ends_everything_until_the_person_confirms_anew() {
    for sample in ["yahoo-arf-abuse", "arf-redacted", "outlook-jmrp"] {
        let road = told(&[ANN, BOB]).await;
        assert_eq!(road.comes_back(sample, ANN).await, Taken::Complaint(Answer::Taken), "{sample}");
        assert_eq!(road.comes_back(sample, ANN).await, Taken::Complaint(Answer::Again), "{sample}");
        assert_eq!(road.state_of(ANN).await, "suppressed");
        assert_eq!(road.suppressed().await, ["complaint"]);
        road.hears(&[Event::opened("230000A2")]).await;
        assert_eq!(road.drain().await.accepted, 1, "Bob alone");

        let lift = road.run_with_input(&["suppression", "lift", "-"], format!("{ANN}\n")).await;
        assert_eq!(lift.code, Some(1), "{}", lift.stderr);
        assert!(
            lift.stdout.starts_with("Not lifted: it is the person's own will (complaint)"),
            "{}",
            lift.stdout
        );
        assert_eq!(road.state_of(ANN).await, "suppressed");

        let ann: EmailAddress = ANN.parse().unwrap();
        let keys = road.return_rules().addresses;
        for lifted in [true, false] {
            let mut transaction = road.pool().begin().await.unwrap();
            let now = road.clock.now();
            let answer =
                suppressions::lift_by_confirmation(&mut transaction, &keys, &ann, now).await.unwrap();
            transaction.commit().await.unwrap();
            assert_eq!(answer, lifted);
        }
        assert_eq!(road.state_of(ANN).await, "active");
        assert_eq!(road.suppressed().await, [""; 0]);
        let route: String = road.value("select route from stops").await;
        assert_eq!(route, "complaint");
        let asked = "select count(*) from searches where subscriber_id = 1";
        assert_eq!(
            (road.count(asked).await, road.drain().await),
            (0, Delivered::NOTHING),
            "they ask for nothing"
        );
    }
}

/// SUB-8, B06.
#[tokio::test]
async fn who_writes_stop_hears_nothing_more() {
    for sample in ["unsubscribe-mail", "reply-stop"] {
        let road = told(&[ANN, BOB]).await;
        let before = road.all_that_counts().await;
        let mail = String::from_utf8(road.returned(sample, ANN).await).unwrap();
        if sample == "reply-stop" {
            // Somebody else's name, or no mail of ours: a person has to read it.
            for forged in [
                mail.replace("Ann@Example.ORG", BOB),
                mail.replace(&road.sent(ANN).await.message_id, "<x@midshire.example>"),
            ] {
                assert_eq!(road.take_in(forged.as_bytes()).await, Taken::ForAPerson);
            }
            assert_eq!(road.all_that_counts().await, before);
        }
        assert_eq!(road.take_in(mail.as_bytes()).await, Taken::Stop(Answer::Taken), "{sample}");
        assert_eq!(road.state_of(ANN).await, "stopped");
        let stops: Vec<(String, String)> = road.rows("select scope, route from stops").await;
        assert_eq!(stops, [("all".to_owned(), "mail".to_owned())]);
        road.hears(&[Event::opened("230000A2")]).await;
        assert_eq!(road.drain().await.accepted, 1, "Bob alone");
    }
}

/// B07: an old list brings nobody back, also when all else is forgotten.
#[tokio::test]
async fn an_import_leaves_out_who_is_suppressed() {
    let mut road = told(&[ANN, BOB]).await;
    road.comes_back("postfix-user-unknown", ANN).await;
    road.sql("delete from alerts where subscriber_id = 1").await;
    road.sql("delete from mails where subscriber_id = 1").await;
    road.sql("delete from subscribers where id = 1").await;
    let lines =
        [curious("Ann@Example.org"), curious("cee@example.org")].map(|person| person.line() + "\n").concat();
    let output = road.run_with_input(&["import", "-"], &lines).await.successful();
    let expected = "2 lines: 2 people read, 0 lines refused; new or changed: 1 people, 1 searches, 0 registrations\n\
                    1 of these were left out: nothing is sent to their addresses\n";
    assert_eq!(output.stdout, expected);
    let people: Vec<(String,)> = road.rows("select address from subscribers order by id").await;
    assert_eq!(people.iter().map(|(it,)| it.as_str()).collect::<Vec<_>>(), [BOB, "cee@example.org"]);

    road.reconfigure("secrets.address_key_file", "");
    let output = road.run_with_input(&["import", "-"], &lines).await;
    assert_eq!(output.code, Some(1));
    assert!(output.stderr.contains("secrets.address_key_file is not set"), "{}", output.stderr);
}

/// The commands of an operator: what they say, and what they leave behind.
#[tokio::test]
async fn an_operator_suppresses_and_lifts_an_address() {
    let road = told(&[ANN]).await;
    let public_id = road.sent(ANN).await.person.to_string();
    let mut said = String::new();
    for (action, who, expected) in [
        ("check", "-", "Not suppressed.\n"),
        ("lift", "-", "Not suppressed.\n"),
        ("add", "-", "Nothing will be sent there.\n"),
        ("check", public_id.as_str(), ": operator.\n"),
        ("lift", public_id.as_str(), "Lifted: mail may be sent there again.\n"),
    ] {
        let output =
            road.run_with_input(&["suppression", action, who], "ann@EXAMPLE.org\n").await.successful();
        assert!(output.stdout.ends_with(expected), "{action}: {}", output.stdout);
        said += &(output.stdout + &output.stderr);
        let state = if action == "add" || expected.contains("operator") { "suppressed" } else { "active" };
        assert_eq!(road.state_of(ANN).await, state);
    }
    let stranger = road.run_with_input(&["suppression", "add", "-"], "zed@example.org\n").await.successful();
    said += &(stranger.stdout + &stranger.stderr);
    assert!(!said.to_lowercase().contains("example.org"), "{said}");
    let audit: Vec<(String, String, bool)> =
        road.rows("select actor, action, subject is not null from audit order by id").await;
    let entry = |action: &str, known| ("operator".to_owned(), action.to_owned(), known);
    assert_eq!(
        audit,
        [entry("suppressed", true), entry("suppression-lifted", true), entry("suppressed", false)]
    );
    let status = road.run(&["status"]).await.looked();
    assert!(status.stdout.contains("suppressed   1 operator\n"), "{}", status.stdout);
}

/// As a Postfix pipe calls it.
#[tokio::test]
async fn the_exit_code_says_what_is_to_become_of_the_mail() {
    let mut road = told(&[ANN]).await;
    let now = road.clock.now().to_rfc3339();
    let bounce = ["bounce", "--now", &now];
    let keys = road.return_rules().tokens;
    let recipient =
        format!("BOUNCE+{}@alerts.midshire.example", keys.bounce(road.sent(ANN).await.mail).to_uppercase());
    let full = String::from_utf8(road.returned("postfix-mailbox-full", ANN).await).unwrap();
    let without = full.replace(&keys.bounce(road.sent(ANN).await.mail), "");

    let question = road.returned("reply-question", ANN).await;
    assert_eq!(road.run_with_input(&bounce, &question).await.code, Some(65));
    assert_eq!(road.run_with_input(&bounce, "\u{0}\u{1}garbage").await.code, Some(65));
    assert_eq!(road.run_with_input(&bounce, vec![b'x'; 2 << 20]).await.code, Some(65));
    assert_eq!(road.run_with_input(&bounce, &without).await.code, Some(0), "forged");
    assert_eq!(road.count("select count(*) from returns").await, 0);
    let output = road.run_with_input(&["bounce", "--now", &now, "--recipient", &recipient], &without).await;
    let output = output.successful();
    assert_eq!(output.stdout, "", "a pipe that says something is answered with it");
    assert_eq!(road.count("select count(*) from returns").await, 1);

    let url = url::Url::parse(road.config().database.url.expose()).unwrap();
    let mut proxy = Proxy::to(format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432)));
    let mut away = url.clone();
    away.set_ip_host(proxy.address().ip()).unwrap();
    away.set_port(Some(proxy.address().port())).unwrap();
    let back = url.to_string();
    road.reconfigure("database.url", away.as_str());
    assert_eq!(road.run_with_input(&bounce, &full).await.code, Some(75));
    proxy.up();
    assert_eq!(road.run_with_input(&bounce, &full).await.code, Some(0));
    proxy.down().await;
    road.reconfigure("database.url", &back);
    road.reconfigure("secrets.address_key_file", "");
    let output = road.run_with_input(&bounce, &full).await;
    assert_eq!(output.code, Some(75), "it is kept until somebody has mended that: {}", output.stderr);
}

/// A mail that comes back faster than it is on record that it left.
#[tokio::test]
async fn what_comes_back_too_early_has_to_come_again() {
    let road = told(&[ANN]).await;
    let mail = road.returned("postfix-user-unknown", ANN).await;
    let in_hand = "update mails set worker = 7, outcome = null, finished_at = null";
    road.sql(in_hand).await;
    let before = road.all_that_counts().await;
    let now = road.clock.now().to_rfc3339();
    let output = road.run_with_input(&["bounce", "--now", &now], &mail).await;
    assert_eq!(output.code, Some(75), "{}", output.stderr);
    assert_eq!(road.all_that_counts().await, before);
    road.sql("update mails set worker = null, outcome = 'accepted', finished_at = '2023-11-13T08:31:00Z'")
        .await;
    assert_eq!(road.run_with_input(&["bounce", "--now", &now], &mail).await.code, Some(0));
    assert_eq!(road.suppressed().await, ["hard-bounce"]);
}

/// What a provider tells us by a signed call is taken for what its mail would say.
#[tokio::test]
async fn a_signed_call_is_as_good_as_a_mail() {
    let road = told(&[ANN, BOB]).await;
    let now = road.clock.now();
    let keys = SigningKeys::parse(&"5a".repeat(32)).unwrap();
    let called = Webhook { rules: road.return_rules(), keys: keys.clone() };
    let token = |mail| called.rules.tokens.bounce(mail);
    let call = |kind: &str, token: String, status: Option<&str>| {
        json!({"kind": kind, "token": token, "status": status, "at": "2023-11-13T08:30:00Z"}).to_string()
    };
    let take = |body: String, signature: String| {
        let (called, pool) = (&called, road.pool());
        async move { webhook::take(pool, called, &signature, body.as_bytes(), now).await }
    };
    let (ann, bob) = (road.sent(ANN).await.mail, road.sent(BOB).await.mail);
    let before = road.all_that_counts().await;
    let gone = call("bounce", token(ann), Some("5.1.1"));
    let old = keys.sign(gone.as_bytes(), now - chrono::Duration::minutes(6));
    let not_now = take(gone.clone(), old).await;
    assert!(matches!(not_now, Err(Refused::NotSigned(NotSigned::NotNow))), "{not_now:?}");
    let wrong = take(gone.clone(), keys.sign(b"other", now)).await;
    assert!(matches!(wrong, Err(Refused::NotSigned(NotSigned::Wrong))), "{wrong:?}");
    for bad in [
        "{}".to_owned(),
        call("delivery", token(ann), None),
        call("bounce", token(ann), None),
        "[".to_owned(),
    ] {
        let signature = keys.sign(bad.as_bytes(), now);
        assert!(matches!(take(bad.clone(), signature).await, Err(Refused::NotACall)), "{bad}");
    }
    let forged = call("bounce", "aeaq2345".repeat(6), Some("5.1.1"));
    let signature = keys.sign(forged.as_bytes(), now);
    assert_eq!(take(forged, signature).await.unwrap(), Taken::Forged);
    assert_eq!(road.all_that_counts().await, before);

    let signature = keys.sign(gone.as_bytes(), now);
    assert_eq!(take(gone, signature).await.unwrap(), NEW);
    assert_eq!(road.comes_back("postfix-user-unknown", ANN).await, Taken::Bounce(Answer::Again));
    let complaint = call("complaint", token(bob), None);
    let signature = keys.sign(complaint.as_bytes(), now);
    assert_eq!(take(complaint, signature).await.unwrap(), Taken::Complaint(Answer::Taken));
    assert_eq!(road.suppressed().await, ["complaint", "hard-bounce"]);
}

/// The same over HTTP: the status says what is to become of the call.
#[tokio::test]
async fn the_webhook_is_there_if_it_has_a_key() {
    let mut road = told(&[ANN]).await;
    let body = json!({"kind": "bounce", "token": road.return_rules().tokens.bounce(1), "status": "5.1.1"})
        .to_string();
    let signature = SigningKeys::parse(&"5a".repeat(32)).unwrap().sign(body.as_bytes(), road.clock.now());
    let signed = [("X-Jobalerts-Signature", signature.as_str()), ("Content-Type", "application/json")];
    let site = road.site().await;
    assert_eq!(site.request("POST", "/returns", &signed, &body).await.status, 404);
    drop(site);

    let folder = Maildir::new();
    let file = folder.0.join("webhook_key");
    jobalerts_dev::secrets::write(&file, &"5a".repeat(32)).unwrap();
    road.reconfigure("secrets.webhook_key_file", file.to_str().unwrap());
    let site = road.site().await;
    for (headers, body, expected) in [
        (&signed[1..], body.as_str(), 401),
        (&signed[..], "{}", 401),
        (&signed[..], &"x".repeat(9_000), 413),
        (&signed[..], &body, 204),
        (&signed[..], &body, 204),
    ] {
        assert_eq!(site.request("POST", "/returns", headers, body).await.status, expected);
    }
    assert_eq!(site.request("GET", "/returns", &signed, "").await.status, 405);
    assert_eq!(road.suppressed().await, ["hard-bounce"]);
    assert_eq!(road.count("select count(*) from returns where source = 'webhook'").await, 1);
}

/// Who stopped is forgotten after a while, and an old list does not bring them back.
#[tokio::test]
async fn who_stopped_and_was_forgotten_stays_away() {
    let road = told(&[ANN]).await;
    road.comes_back("unsubscribe-mail", ANN).await;
    road.keep_house().await;
    road.keep_house_at("2023-12-13T10:00:00Z").await;
    assert_eq!(road.count("select count(*) from subscribers").await, 0);
    assert_eq!(road.suppressed().await, ["stop"]);
    let line = curious(ANN).line() + "\n";
    let output = road.run_with_input(&["import", "-"], &line).await.successful();
    assert!(output.stdout.contains("1 of these were left out"), "{}", output.stdout);
    assert_eq!(road.count("select count(*) from subscribers").await, 0);
}

/// A folder that is removed at the end.
struct Maildir(PathBuf);

impl Maildir {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("jobalerts-it-{}", Uuid::new_v4().simple()));
        for folder in ["new", "cur", "tmp"] {
            std::fs::create_dir_all(path.join(folder)).unwrap();
        }
        Self(path)
    }

    fn put(&self, name: &str, mail: &[u8]) {
        std::fs::write(self.0.join("new").join(name), mail).unwrap();
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.join(folder)).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

impl Drop for Maildir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn a_maildir_is_swept_and_what_is_for_a_person_stays() {
    let road = told(&[ANN, BOB]).await;
    let maildir = Maildir::new();
    maildir.put("1.a", &road.returned("postfix-user-unknown", ANN).await);
    maildir.put("2.b", &road.returned("reply-question", BOB).await);
    maildir.put("3.c", &road.returned("reply-stop", BOB).await.to_ascii_lowercase());
    maildir.put("4.d", &road.returned("forged", BOB).await);
    let now = road.clock.now().to_rfc3339();
    let sweep = ["bounce", "--now", &now, "--maildir", maildir.0.to_str().unwrap()];
    let output = road.run(&sweep).await;
    assert_eq!((output.code, output.stdout.as_str()), (Some(65), "2 done, 2 for a person to read\n"));
    assert_eq!(maildir.names("new"), ["2.b", "3.c"]);
    assert_eq!(maildir.names("cur"), ["1.a:2,S", "4.d:2,S"]);
    let output = road.run(&sweep).await;
    assert_eq!((output.code, output.stdout.as_str()), (Some(65), "0 done, 2 for a person to read\n"));
    assert_eq!(road.state_of(ANN).await, "suppressed");
    assert_eq!(road.state_of(BOB).await, "active");
}

/// Killed between its first and its last change, it has changed nothing, and is done the next time.
#[tokio::test]
async fn killed_in_the_middle_nothing_has_happened() {
    let road = told(&[ANN]).await;
    let before = road.all_that_counts().await;
    let maildir = Maildir::new();
    maildir.put("1.a", &road.returned("postfix-user-unknown", ANN).await);
    let now = road.clock.now().to_rfc3339();
    let sweep = ["bounce", "--now", &now, "--maildir", maildir.0.to_str().unwrap()];

    let mut blocker = road.pool().begin().await.unwrap();
    sqlx::query("select from alerts for update").execute(&mut *blocker).await.unwrap();
    let mut child = road.command(&sweep).await.spawn().unwrap();
    let waits = "select count(*) from pg_stat_activity
                 where datname = current_database() and wait_event_type = 'Lock'";
    soon("a change that waits", async { while road.count(waits).await == 0 {} }).await;
    child.kill().await.unwrap();
    blocker.rollback().await.unwrap();
    let alive = "select count(*) from pg_stat_activity
                 where datname = current_database() and state <> 'idle' and query ilike '%update alerts%'
                   and pid <> pg_backend_pid()";
    soon("the end of its session", async { while road.count(alive).await > 0 {} }).await;
    assert_eq!(road.all_that_counts().await, before);
    assert_eq!(maildir.names("new"), ["1.a"]);

    road.run(&sweep).await.successful();
    assert_eq!(road.state_of(ANN).await, "suppressed");
    assert_eq!(maildir.names("cur"), ["1.a:2,S"]);
}

/// What came back is forgotten with the mails; who is suppressed is not.
#[tokio::test]
async fn what_came_back_is_forgotten_in_time_and_the_suppression_is_not() {
    let road = told(&[ANN]).await;
    road.comes_back("postfix-user-unknown", ANN).await;
    road.keep_house().await;
    road.keep_house_at("2024-12-12T10:00:00Z").await;
    assert_eq!(road.count("select count(*) from returns").await, 1);
    road.keep_house_at("2024-12-15T10:00:00Z").await;
    assert_eq!(road.count("select count(*) from returns").await, 0);
    assert_eq!(road.suppressed().await, ["hard-bounce"]);
    assert!(time("2024-12-15T10:00:00Z") <= road.clock.now());
}

/// S07: a mail server says at once that there is no such mailbox: nothing more is sent to it, as if the mail
/// had come back later. What it holds against us is nobody's fault.
#[tokio::test]
async fn a_mailbox_that_a_mail_server_does_not_know_is_written_to_no_more() {
    for (reply, suppressed) in [
        (Rule::at(Stage::Rcpt).first(1).reply(550, "5.1.1 No such user"), true),
        (Rule::at(Stage::EndOfData).first(1).reply(550, "5.2.1 Mailbox disabled"), false),
        (Rule::at(Stage::EndOfData).first(1).reply(552, "5.3.4 Too large"), false),
    ] {
        let what = format!("{reply:?}");
        let road = Road::setup().smtp(SmtpServer::builder().script([reply])).build().await;
        road.import(&[curious(ANN)]).await;
        road.hears(&[Event::opened("230000AA")]).await;
        assert_eq!(road.drain().await, Delivered { failed: 1, ..Delivered::NOTHING }, "{what}");
        let state = "select count(*) from subscribers where state = 'suppressed'";
        assert_eq!(road.count(state).await == 1, suppressed, "{what}");
        road.at("2023-11-15T09:00:00Z");
        road.hears(&[Event::opened("230000BB").at("2023-11-15T08:59:00Z")]).await;
        assert_eq!(road.drain().await.accepted, u64::from(!suppressed), "{what}");
        let again = "select count(*) from returns";
        let taken = road.count(again).await;
        assert_eq!(road.drain().await, Delivered::NOTHING);
        assert_eq!(road.count(again).await, taken, "each counts once");
    }
}
