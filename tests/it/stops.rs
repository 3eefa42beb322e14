//! Who says stop hears nothing more (I5, SUB-8), and may take it back.

use std::collections::BTreeSet;
use std::sync::Arc;

use jobalerts::delivery::claim::{self, Rules, claim};
use jobalerts::domain::stop::{Route, Scope};
use jobalerts::store::stops::{self, Request};
use jobalerts::store::workers::Life;
use jobalerts_dev::smtp::{Rule, SmtpServer, Stage};
use serde_json::{Value, json};

use crate::harness::events::Event;
use crate::harness::people::{Person, crowd, curious, person};
use crate::harness::rows::Six;
use crate::harness::web::{Answer, FORM, ONE_CLICK, Site};
use crate::harness::{Delivered, MONDAY, Road};

const ANN: &str = "ann@example.org";
const BOB: &str = "bob@example.org";
const DHEP: &str = "programme/pc-dhep";

fn rules(road: &Road) -> Rules {
    claim::Rules::new(road.config(), Arc::clone(road.program().taxonomy()), "midshire.example")
}

async fn state(road: &Road, address: &str) -> String {
    let found = sqlx::query_scalar("select state from subscribers where lookup = $1").bind(address);
    found.fetch_one(road.tester()).await.unwrap()
}

async fn asked(road: &Road) -> (i64, i64) {
    (
        road.count("select count(*) from searches").await,
        road.count("select count(*) from registrations").await,
    )
}

async fn stops(road: &Road) -> Vec<(String, String)> {
    road.rows("select scope, route from stops order by id").await
}

/// Two who search and registered.
fn two() -> [Person; 2] {
    [ANN, BOB].map(|address| curious(address).wants("Later", "daily").registered("pc-dhep"))
}

/// H05, SUB-8: both encodings, any number of times, and nothing but the token is asked for.
#[tokio::test]
async fn one_click_stops_everything_and_again() {
    let road = Road::new().await;
    road.import(&two()).await;
    let site = road.site().await;
    let path = road.stop_path(ANN, Some(99)).await;
    let parts =
        "--b\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b--\r\n";
    let mut answers: Vec<Answer> = Vec::new();
    for (kind, body) in [
        (FORM, ONE_CLICK),
        ("multipart/form-data; boundary=b", parts),
        (FORM, "List-Unsubscribe=One-Click&x=y"),
        (FORM, ONE_CLICK),
    ] {
        let headers = [
            ("Content-Type", kind),
            ("Origin", "https://elsewhere.example"),
            ("Sec-Fetch-Site", "cross-site"),
        ];
        answers.push(site.request("POST", &path, &headers, body).await);
    }
    for answer in &answers {
        assert_eq!(answer.status, 200);
        assert_eq!((answer.header("set-cookie"), answer.header("location")), (None, None));
        assert_eq!(answer.body, answers[0].body, "the same way back, also the second time");
    }
    assert_eq!(
        (state(&road, ANN).await, state(&road, BOB).await),
        ("stopped".to_owned(), "active".to_owned())
    );
    assert_eq!(asked(&road).await, (2, 1));
    assert_eq!(stops(&road).await, [("all".to_owned(), "one-click".to_owned())]);
    let withdrawn: Vec<(String, String)> = road.rows("select scope, route from withdrawals").await;
    assert_eq!(withdrawn, [("all".to_owned(), "one-click".to_owned())]);
    let audit: Vec<(String, Value)> = road.rows("select action, detail from audit").await;
    assert_eq!(audit, [("stopped".to_owned(), json!({"stop": 1, "scope": "all", "route": "one-click"}))]);
    road.hears(&[Event::opened("230000AA")]).await;
    assert_eq!(road.drain().await, Delivered::ONE_MAIL);
    assert_eq!(road.mails_to(ANN).len(), 0);
    let said = road.run(&["explain", ANN, "230000AA", "--now", MONDAY]).await.successful().stdout;
    assert!(said.contains("they said stop to everything"), "{said}");
    assert!(
        said.contains("stopped everything at 2023-11-13 08:31") && said.contains("by one-click"),
        "{said}"
    );
    let said = road.run(&["status"]).await.looked().stdout;
    assert!(
        said.contains("1 of everything, 0 of what a mail was about, 0 undone; 1 people stay stopped"),
        "{said}"
    );
}

/// What is written down of a withdrawal stays as it is.
#[tokio::test]
async fn withdrawals_are_only_added_to() {
    let road = Road::new().await;
    road.import(&two()).await;
    road.site().await.post(&road.stop_path(ANN, None).await, ONE_CLICK).await;
    let changed = sqlx::query("update withdrawals set route = 'operator'").execute(road.tester()).await;
    assert!(changed.unwrap_err().to_string().contains("only ever added to"));
}

/// Ann searches in two places, and was told of one.
async fn told_of_birmingham(one_click: &str) -> (Road, Site) {
    let road = Road::setup().set("web.one_click", one_click).build().await;
    let place = |place: &str| json!({"locations": {"any": [place]}});
    road.import(&[person(ANN)
        .search("Here", "immediate", place("birmingham"))
        .search("Here, too", "immediate", place("birmingham"))
        .search("There", "immediate", place("wolverhampton"))
        .registered("pc-dhep")])
        .await;
    road.hears(&[Event::opened("230000AA")]).await;
    assert_eq!(road.drain().await, Delivered::ONE_MAIL);
    let site = road.site().await;
    (road, site)
}

/// SUB-8: only what the mail was about, by the page or as it is configured.
#[tokio::test]
async fn what_the_mail_was_about_can_be_stopped_alone() {
    for (form, route) in [("scope=these", "page"), (ONE_CLICK, "one-click")] {
        let (road, site) = told_of_birmingham("these").await;
        let path = road.stop_path(ANN, Some(1)).await;
        let first = site.post(&path, form).await;
        assert!(first.status == 200 && first.body.contains("These emails are stopped"), "{first:?}");
        assert_eq!(site.post(&path, form).await.body, first.body);
        assert_eq!(stops(&road).await, [("these".to_owned(), route.to_owned())]);
        assert_eq!((asked(&road).await, state(&road, ANN).await), ((1, 1), "active".to_owned()));
        road.hears(&[
            Event::opened("230000BB"),
            Event::opened("230000CC").with("/data/locations", json!(["wolverhampton"])),
        ])
        .await;
        assert_eq!(road.drain().await, Delivered::ONE_MAIL);
        let told: Vec<(String,)> = road
            .rows("select o.subject from alerts a join openings o on o.id = a.opening_id where told_mail_id = 2")
            .await;
        assert_eq!(told, [("vacancy/230000CC".to_owned(),)]);
        // Undone, the mail knows again what it was about.
        assert_eq!(site.post(&first.undo().unwrap(), "").await.status, 200);
        assert_eq!(asked(&road).await, (3, 1));
        site.post(&path, "scope=these").await;
        assert_eq!((asked(&road).await, stops(&road).await.len()), ((1, 1), 2));
    }
}

/// By default one click is everything; and where it is not known what the mail was about, in any case.
#[tokio::test]
async fn one_click_stops_everything_unless_configured_and_known() {
    let (road, site) = told_of_birmingham("all").await;
    site.post(&road.stop_path(ANN, Some(1)).await, ONE_CLICK).await;
    assert_eq!((asked(&road).await, state(&road, ANN).await), ((0, 0), "stopped".to_owned()));

    let (road, site) = told_of_birmingham("these").await;
    let path = road.stop_path(ANN, Some(1)).await;
    road.sql("update alerts set told_mail_id = null").await;
    road.sql("delete from mails").await;
    let page = site.post(&path, "scope=these").await;
    assert!(page.status == 200 && page.body.contains("we do not know any more"), "{page:?}");
    assert_eq!(stops(&road).await, []);
    site.post(&path, ONE_CLICK).await;
    assert_eq!((asked(&road).await, state(&road, ANN).await), ((0, 0), "stopped".to_owned()));
}

/// Registered last year for a route that has a date, and told so.
async fn owed() -> (Road, Site) {
    let road = Road::setup().at("2024-02-19T10:00:00Z").build().await;
    road.import(&[ANN, BOB].map(|address| person(address).registered("pc-dhep").registered("pc-any"))).await;
    road.match_all().await;
    road.hears(&[Event::sample("09")]).await;
    assert_eq!(road.drain().await.accepted, 2);
    assert_eq!(road.six(DHEP).await, Six { owed: 2, ..Six::default() });
    let site = road.site().await;
    (road, site)
}

async fn mail_to(road: &Road, address: &str) -> i64 {
    let found = "select m.id from mails m join subscribers p on p.id = m.subscriber_id where p.lookup = $1";
    sqlx::query_scalar(found).bind(address).fetch_one(road.tester()).await.unwrap()
}

/// N13, I26: what was owed is released in the same transaction, and others may follow it.
#[tokio::test]
async fn promises_are_released_by_a_stop_and_owed_again_by_its_undoing() {
    let (road, site) = owed().await;
    let path = road.stop_path(ANN, None).await;
    let stopped = site.post(&path, ONE_CLICK).await;
    let released = Six { owed: 1, released: 1, ..Six::default() };
    assert_eq!(road.six(DHEP).await, released);
    let reason: String = road.value("select outcome_reason from alerts where outcome = 'released'").await;
    assert_eq!(reason, "unsubscribed");
    let events: Vec<(Value,)> =
        road.rows("select data from outcome_events where type = 'promise.outcome'").await;
    assert_eq!((events.len(), &events[0].0["reason"]), (1, &Value::from("unsubscribed")));
    assert_eq!(road.drain().await, Delivered::NOTHING);

    road.at("2024-03-03T10:00:00Z");
    let undone = site.post(&stopped.undo().unwrap(), "").await;
    assert!(undone.body.contains("Your emails start again"), "{undone:?}");
    road.drain().await;
    assert_eq!(road.six(DHEP).await, Six { owed: 2, ..Six::default() });
    road.at("2024-03-05T10:00:00Z");
    road.hears(&[Event::sample("10")]).await;
    assert_eq!(road.drain().await.accepted, 2);
    assert_eq!(road.six(DHEP).await, Six { kept: 2, ..Six::default() });
}

/// A stop of what the mail was about lets go of all that reaches it: else the next news would come.
#[tokio::test]
async fn registrations_that_reach_what_was_told_end_with_it() {
    let (road, site) = owed().await;
    let mail = mail_to(&road, ANN).await;
    let stopped = site.post(&road.stop_path(ANN, Some(mail)).await, "scope=these").await;
    assert_eq!((asked(&road).await, state(&road, ANN).await), ((0, 2), "active".to_owned()));
    assert_eq!(road.drain().await.ended, 1);
    assert_eq!(road.six(DHEP).await, Six { owed: 1, released: 1, ..Six::default() });
    site.post(&stopped.undo().unwrap(), "").await;
    road.drain().await;
    assert_eq!(road.six(DHEP).await, Six { owed: 2, ..Six::default() });
}

/// A stop after the door has shut takes no broken promise from the ledger.
#[tokio::test]
async fn what_was_broken_stays_broken() {
    let later = SmtpServer::builder().script([Rule::at(Stage::Rcpt).reply(450, "4.2.0 Later")]);
    let road = Road::setup().smtp(later).at("2024-02-19T10:00:00Z").build().await;
    road.import(&[person(ANN).registered("pc-dhep")]).await;
    road.match_all().await;
    road.at("2024-03-05T10:00:00Z");
    road.hears(&[Event::sample("10")]).await;
    assert_eq!(road.drain().await.deferred, 1);
    road.at("2024-03-19T12:00:01Z");
    assert_eq!(road.six(DHEP).await, Six { broken: 1, ..Six::default() });
    let site = road.site().await;
    let stopped = site.post(&road.stop_path(ANN, None).await, ONE_CLICK).await;
    assert_eq!(road.six(DHEP).await, Six { broken: 1, ..Six::default() });
    assert_eq!(road.drain().await, Delivered::NOTHING);
    assert_eq!(road.six(DHEP).await, Six { broken: 1, ..Six::default() });
    assert_eq!(road.only_mail_row().await.outcome.as_deref(), Some("superseded"));
    // Undone, the apology is due again.
    site.post(&stopped.undo().unwrap(), "").await;
    assert_eq!(road.drain().await.deferred, 1);
}

/// I5, H07: after the commit nothing is claimed, in whatever process; what is in hand is asked back.
#[tokio::test]
async fn nothing_is_claimed_after_a_stop_and_what_is_in_hand_is_recalled() {
    let road = Road::new().await;
    road.import(&[curious(ANN), curious(BOB)]).await;
    road.hears(&[Event::opened("230000AA")]).await;
    road.match_all().await;
    let (rules, now) = (rules(&road), road.clock.now());
    let life = Life::begin(road.config().database.url.expose()).await.unwrap();
    let claimed = claim(road.pool(), &rules, life.number(), 1, &[], now).await.unwrap();
    assert_eq!(claimed.mails.len(), 1);
    let site = road.site().await;
    for address in [ANN, BOB] {
        site.post(&road.stop_path(address, None).await, ONE_CLICK).await;
    }
    let other = Life::begin(road.config().database.url.expose()).await.unwrap();
    let again = claim(road.pool(), &rules, other.number(), 10, &[], now).await.unwrap();
    assert_eq!((again.people, again.mails.len()), (0, 0));
    assert_eq!(road.count("select count(*) from mails where worker is not null and recalled").await, 1);
    assert_eq!(road.count("select count(*) from mails").await, 1);
}

/// The same while claims and stops run against each other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_and_stops_never_miss_each_other() {
    const PEOPLE: usize = 60;
    let road = Road::new().await;
    road.import(&crowd(PEOPLE)).await;
    road.hears(&[Event::opened("230000AA")]).await;
    road.match_all().await;
    let (rules, now) = (rules(&road), road.clock.now());
    let life = Life::begin(road.config().database.url.expose()).await.unwrap();
    let claims = async {
        let mut claimed = 0;
        while road
            .count(
                "select count(*) from alerts a where due_at is not null and not exists (
                              select from mails m where m.subscriber_id = a.subscriber_id)",
            )
            .await
            > 0
        {
            claimed += claim(road.pool(), &rules, life.number(), 3, &[], now).await.unwrap().mails.len();
        }
        claimed
    };
    let stop = async {
        for number in (0..PEOPLE).rev() {
            let person = road.public_id(&format!("p{number}@example.org")).await;
            let request = Request { person, mail: None, scope: Scope::All, route: Route::Operator };
            let mut transaction = road.pool().begin().await.unwrap();
            stops::stop(&mut transaction, request, now).await.unwrap();
            transaction.commit().await.unwrap();
        }
    };
    let (claimed, ()) = tokio::join!(claims, stop);
    println!("{claimed} were claimed before their stop");
    assert!(claimed > 0);
    let in_hand: Vec<(i64, bool)> =
        road.rows("select subscriber_id, recalled from mails where worker is not null").await;
    assert_eq!(in_hand.len(), claimed);
    assert!(in_hand.iter().all(|(_, recalled)| *recalled));
    assert_eq!(road.count("select count(*) from stops").await, i64::try_from(PEOPLE).unwrap());
    let due: BTreeSet<i64> = road
        .rows::<(i64,)>("select subscriber_id from alerts where due_at is not null")
        .await
        .into_iter()
        .map(|(id,)| id)
        .collect();
    assert_eq!(due, in_hand.into_iter().map(|(id, _)| id).collect(), "only what is in hand is still to end");
}

/// What waits for a digest ends with the stop, and waits again after its undoing.
#[tokio::test]
async fn an_undone_stop_was_none() {
    let road = Road::new().await;
    road.import(&[person(ANN).wants("All", "daily").registered("pc-dhep").discreet()]).await;
    road.hears(&[Event::opened("230000AA")]).await;
    assert_eq!(road.drain().await, Delivered::NOTHING);
    let site = road.site().await;
    let before: Value = road
        .value(
            "select jsonb_build_array(
        (select jsonb_agg(s) from searches s), (select jsonb_agg(r) from registrations r),
        (select jsonb_agg(p) from subscribers p))",
        )
        .await;
    let path = road.stop_path(ANN, None).await;
    let stopped = site.post(&path, "scope=all").await;
    assert_eq!(road.endings().await, [Some("unreachable".to_owned())]);
    assert_eq!(road.drain_at("2023-11-14T08:00:00Z").await, Delivered::NOTHING);
    let undo = stopped.undo().unwrap();
    assert!(site.get(&undo).await.body.contains("<button"));
    assert_eq!(state(&road, ANN).await, "stopped");
    assert_eq!(site.request("POST", &undo, &[("Sec-Fetch-Site", "cross-site")], "").await.status, 403);
    assert_eq!(state(&road, ANN).await, "stopped");
    for _ in 0..2 {
        let answer = site.request("POST", &undo, &[("Sec-Fetch-Site", "same-origin")], "").await;
        assert!(answer.status == 200 && answer.body.contains("Your emails start again"), "{answer:?}");
    }
    // Matching has to look at the registration again.
    road.sql("update registrations set matched = true").await;
    let after: Value = road
        .value(
            "select jsonb_build_array(
        (select jsonb_agg(s) from searches s), (select jsonb_agg(r) from registrations r),
        (select jsonb_agg(p) from subscribers p))",
        )
        .await;
    assert_eq!(after, before);
    assert_eq!(road.count("select count(*) from audit where action = 'undid-stop'").await, 1);
    assert_eq!(road.drain_at("2023-11-14T08:00:00Z").await, Delivered::ONE_MAIL);
}

/// A way back leads back from its own stop only, and what is there by then stays.
#[tokio::test]
async fn a_later_stop_is_not_undone_by_an_earlier_way_back() {
    let (road, site) = told_of_birmingham("all").await;
    let path = road.stop_path(ANN, Some(1)).await;
    let these = site.post(&path, "scope=these").await.undo().unwrap();
    let all = site.post(&path, "scope=all").await.undo().unwrap();
    let answer = site.post(&these, "").await;
    assert!(answer.body.contains("All emails stay stopped"), "{answer:?}");
    assert_eq!((asked(&road).await, state(&road, ANN).await), ((0, 0), "stopped".to_owned()));
    site.post(&all, "").await;
    assert_eq!((asked(&road).await, state(&road, ANN).await), ((1, 1), "active".to_owned()));
    road.import(&[person(ANN).wants("Here", "weekly")]).await;
    site.post(&these, "").await;
    let searches: Vec<(String, String)> = road.rows("select name, cadence from searches order by name").await;
    let named: Vec<(&str, &str)> = searches.iter().map(|(name, cadence)| (&**name, &**cadence)).collect();
    assert_eq!(named, [("Here", "weekly"), ("Here, too", "immediate"), ("There", "immediate")]);
}

/// Between the stop and its undoing a mail came back: what was asked for is back, and that is all.
#[tokio::test]
async fn who_is_suppressed_meanwhile_is_told_that_nothing_comes() {
    let road = Road::new().await;
    road.import(&two()).await;
    let site = road.site().await;
    let undo = site.post(&road.stop_path(ANN, None).await, ONE_CLICK).await.undo().unwrap();
    road.sql("update subscribers set state = 'suppressed' where id = 1").await;
    for _ in 0..2 {
        let answer = site.post(&undo, "").await;
        assert!(answer.body.contains("We still send you nothing"), "{answer:?}");
    }
    assert_eq!((state(&road, ANN).await, asked(&road).await), ("suppressed".to_owned(), (4, 2)));
    // Once mail may go there again, it is as it says.
    road.sql("update subscribers set state = 'active' where id = 1").await;
    assert!(site.post(&undo, "").await.body.contains("Your emails start again"));
}

/// Mail to an address that takes none stays suppressed, whatever is stopped and undone.
#[tokio::test]
async fn an_undo_makes_nobody_more_than_they_were() {
    for before in ["suppressed", "lapsed", "unconfirmed"] {
        let road = Road::new().await;
        road.import(&two()).await;
        sqlx::query("update subscribers set state = $1").bind(before).execute(road.tester()).await.unwrap();
        let site = road.site().await;
        let path = road.stop_path(ANN, None).await;
        let first = site.post(&path, ONE_CLICK).await;
        assert_eq!(site.post(&path, ONE_CLICK).await.body, first.body);
        assert_eq!(stops(&road).await.len(), 1, "{before}");
        assert_ne!(state(&road, ANN).await, "active");
        for time in ["first", "second"] {
            let answer = site.post(&first.undo().unwrap(), "").await;
            assert!(
                answer.status == 200 && answer.body.contains("We still send you nothing"),
                "{time}: {answer:?}"
            );
            assert!(!answer.body.contains("start again"), "{time}: {answer:?}");
        }
        assert_eq!((state(&road, ANN).await, asked(&road).await), (before.to_owned(), (4, 2)));
    }
}

/// L17, I24: what a stop ended is known for 14 days, and who stopped for 28; the numbers stay.
#[tokio::test]
async fn who_stopped_is_forgotten_and_the_numbers_stay() {
    let road = Road::setup()
        .set("housekeeping.retention", "* * * * * *")
        .set("housekeeping.ask_after", "100 years")
        .at("2024-02-19T10:00:00Z")
        .build()
        .await;
    road.keep_house().await;
    road.import(&[ANN, BOB].map(|address| person(address).registered("pc-dhep"))).await;
    road.match_all().await;
    road.hears(&[Event::sample("09")]).await;
    assert_eq!(road.drain().await.accepted, 2);
    let site = road.site().await;
    let path = road.stop_path(ANN, Some(1)).await;
    let undo = site.post(&path, ONE_CLICK).await.undo().unwrap();
    let six = Six { owed: 1, released: 1, ..Six::default() };
    assert_eq!(road.six(DHEP).await, six);
    let held = "select count(*) from stops where held is not null";
    assert_eq!(road.keep_house_at("2024-03-04T09:59:59Z").await, 0);
    assert_eq!(road.count(held).await, 1);
    assert_eq!(road.keep_house_at("2024-03-04T10:00:00Z").await, 1);
    assert_eq!(road.count(held).await, 0);
    assert_eq!(site.post(&undo, "").await.status, 410);
    // Still known, so that an old import does not bring them back.
    assert_eq!(road.keep_house_at("2024-03-18T10:00:00Z").await, 0);
    let answer = site.post(&path, ONE_CLICK).await;
    assert!(answer.status == 200 && answer.undo().is_none(), "{answer:?}");
    assert_eq!(road.keep_house_at("2024-03-18T10:00:01Z").await, 1);
    assert_eq!(road.count("select count(*) from subscribers").await, 1);
    let everything = road.everything().await;
    assert!(!everything.contains(ANN));
    assert_eq!(road.six(DHEP).await, six);
    let stops: Vec<(Option<i64>, String)> = road.rows("select subscriber_id, scope from stops").await;
    assert_eq!(stops, [(None, "all".to_owned())]);
    for answer in
        [site.get(&path).await, site.post(&path, ONE_CLICK).await, site.post(&path, "scope=these").await]
    {
        assert_eq!(answer.status, 200);
    }
    let said = road.run(&["status"]).await.looked().stdout;
    assert!(
        said.contains("1 of everything, 0 of what a mail was about, 0 undone; 0 people stay stopped"),
        "{said}"
    );
    road.keep_house_at("2030-02-20T10:00:01Z").await;
    assert_eq!(road.count("select count(*) from stops").await, 0);
}

/// What somebody agreed to before they stopped brings nothing back; what they agree to later does.
#[tokio::test]
async fn an_import_brings_back_only_who_agreed_later() {
    let (road, site) = owed().await;
    let ann = || person(ANN).registered("pc-dhep").wants("All", "immediate");
    site.post(&road.stop_path(ANN, None).await, ONE_CLICK).await;
    for before in ["2023-01-01T00:00:00Z", "2024-02-19T10:00:00Z"] {
        let imported = road.import(&[ann().agreed_at(before)]).await;
        assert_eq!((imported.searches, imported.registrations), (0, 0), "{before}");
        assert_eq!(state(&road, ANN).await, "stopped");
    }
    road.at("2024-02-20T10:00:00Z");
    let imported = road.import(&[ann().agreed_at("2024-02-19T10:00:01Z")]).await;
    assert_eq!((imported.searches, imported.registrations), (1, 1));
    assert_eq!(state(&road, ANN).await, "active");
    road.drain().await;
    assert_eq!(road.six(DHEP).await, Six { owed: 2, ..Six::default() });
    // A second stop is another one.
    site.post(&road.stop_path(ANN, None).await, ONE_CLICK).await;
    assert_eq!((state(&road, ANN).await, stops(&road).await.len()), ("stopped".to_owned(), 2));
    assert_eq!(road.six(DHEP).await, Six { owed: 1, released: 1, ..Six::default() });
}

/// A letter that was due ends, too.
#[tokio::test]
async fn no_letter_follows_a_stop() {
    let road = Road::setup().at("2023-11-30T12:00:00Z").build().await;
    road.import(&[person(ANN).registered("pc-dhep").agreed_at("2022-12-01T09:00:00Z")]).await;
    road.match_all().await;
    road.keep_house().await;
    road.keep_house_at("2023-12-01T10:00:00Z").await;
    assert_eq!(road.count("select count(*) from letters where due_at is not null").await, 1);
    road.site().await.post(&road.stop_path(ANN, None).await, ONE_CLICK).await;
    let ended: String = road.value("select ended from letters").await;
    assert_eq!(ended, "not-active");
    assert_eq!(road.drain().await, Delivered::NOTHING);
}
