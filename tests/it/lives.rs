//! Weeks of lives, drawn by lot: vacancies come, change and go, people change their minds, operators
//! change schedules, nobody delivers for a while, and two processes deliver at once. Over both changes
//! of the clocks, and over Easter.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Duration, NaiveDate, Timelike, Utc};
use chrono_tz::Europe::London;
use jobalerts::delivery::Delivery;
use jobalerts::stage::Stage;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::json;

use crate::harness::events::Event;
use crate::harness::people::{Person, person};
use crate::harness::{Road, soon, time};

const PEOPLE: usize = 6;
const DAYS: i64 = 12;
const CADENCES: [&str; 5] = ["immediate", "daily", "daily", "weekly", "lunchtime"];

/// A vacancy, as the events that were published add up to it.
#[derive(Debug, Clone)]
struct Vacancy {
    reference: String,
    version: i64,
    opened: DateTime<Utc>,
    shuts: Option<DateTime<Utc>>,
    withdrawn: bool,
}

impl Vacancy {
    /// Its title, which no other title begins with.
    fn title(&self) -> String {
        format!("Post{}", &self.reference[2..6])
    }

    fn is_open(&self, at: DateTime<Utc>) -> bool {
        self.opened <= at && !self.withdrawn && self.shuts.is_none_or(|shuts| at < shuts)
    }
}

/// What arrived, and when by the road's clock.
struct Arrived {
    to: String,
    at: DateTime<Utc>,
    kind: String,
    text: String,
}

struct Lives {
    road: Road,
    random: StdRng,
    now: DateTime<Utc>,
    vacancies: Vec<Vacancy>,
    /// The hour that people chose for their digests, if they ever did.
    hours: BTreeMap<String, BTreeSet<u32>>,
    arrived: Vec<Arrived>,
    /// Two processes, under the configuration as it is.
    deliveries: Option<(Delivery, Delivery)>,
}

fn address(number: usize) -> String {
    format!("p{number}@example.org")
}

fn rfc(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

impl Lives {
    async fn begin(from: &str, seed: u64) -> Self {
        let road = Road::setup()
            .with_guards()
            .set("guards.quiet_hours", "21:00-08:00")
            .set("schedules.lunchtime", "0 30 12 * * *")
            .at(from)
            .build()
            .await;
        let mut random = StdRng::seed_from_u64(seed);
        let people: Vec<Person> = (0..PEOPLE)
            .map(|number| {
                let place = ["birmingham", "coventry"].choose(&mut random).unwrap();
                let criteria = json!({"locations": {"any": [place]}});
                person(&address(number)).wants("All", CADENCES.choose(&mut random).unwrap()).search(
                    "Near",
                    CADENCES.choose(&mut random).unwrap(),
                    criteria,
                )
            })
            .collect();
        road.import(&people).await;
        let (now, hours) = (time(from), BTreeMap::new());
        Self { road, random, now, vacancies: vec![], hours, arrived: vec![], deliveries: None }
    }

    /// Something happens.
    async fn step(&mut self) {
        self.now += Duration::minutes(self.random.random_range(15..=150));
        self.road.clock.set(self.now);
        match self.random.random_range(0..10) {
            0..=3 => self.open().await,
            4..=6 => self.change().await,
            7 => self.mind().await,
            8 => self.schedules().await,
            _ => {}
        }
        // Now and then nobody delivers for a while.
        if self.random.random_bool(0.85) {
            self.deliver().await;
        } else {
            self.road.match_all().await;
        }
    }

    async fn open(&mut self) {
        let number = self.vacancies.len();
        let ends =
            self.random.random_bool(0.7).then(|| Duration::minutes(self.random.random_range(30..9_000)));
        let vacancy = Vacancy {
            reference: format!("23{number:04}LL"),
            version: 1,
            opened: self.now,
            shuts: ends.map(|ends| self.now + ends),
            withdrawn: false,
        };
        let place = ["birmingham", "coventry"].choose(&mut self.random).unwrap();
        let mut event = Event::opened(&vacancy.reference)
            .titled(&vacancy.title())
            .with("/data/locations", json!([place]))
            .at(&rfc(self.now));
        if let Some(shuts) = vacancy.shuts {
            event = event.shuts(&rfc(shuts));
        }
        self.road.hears(&[event]).await;
        self.vacancies.push(vacancy);
    }

    /// One of the open ones closes, is gone, or closes at another time.
    async fn change(&mut self) {
        let now = self.now;
        let mut open: Vec<&mut Vacancy> = self.vacancies.iter_mut().filter(|v| v.is_open(now)).collect();
        if open.is_empty() {
            return;
        }
        let lot = self.random.random_range(0..open.len());
        let vacancy = &mut *open[lot];
        vacancy.version += 1;
        let reference = vacancy.reference.as_str();
        let event = match self.random.random_range(0..4) {
            0 => {
                vacancy.shuts = Some(now);
                Event::closed(reference)
            }
            1 => {
                vacancy.withdrawn = true;
                Event::withdrawn(reference)
            }
            _ => {
                let shuts = now + Duration::minutes(self.random.random_range(60..12_000));
                vacancy.shuts = Some(shuts);
                Event::closes_earlier(reference, &rfc(shuts))
            }
        };
        self.road.hears(&[event.version(vacancy.version).at(&rfc(now))]).await;
    }

    /// Somebody changes their mind.
    async fn mind(&mut self) {
        let address = address(self.random.random_range(0..PEOPLE));
        let who = person(&address);
        let who = match self.random.random_range(0..4) {
            0 => who.wants("All", CADENCES.choose(&mut self.random).unwrap()),
            1 => {
                let hour = self.random.random_range(5..24);
                self.hours.entry(address).or_default().insert(hour);
                let day = ["Mon", "Wed", "Sun"].choose(&mut self.random).unwrap();
                let working = self.random.random_bool(0.3);
                who.digests(json!({"time": format!("{hour:02}:00"), "day": day, "workingDaysOnly": working}))
            }
            2 => {
                let until = (self.now + Duration::days(self.random.random_range(-1..3))).date_naive();
                who.paused(&until.to_string(), false)
            }
            _ => who.wants("All", "weekly").wants("Near", "daily"),
        };
        self.road.import(&[who]).await;
    }

    /// The operator moves a schedule, and restarts.
    async fn schedules(&mut self) {
        let hour = self.random.random_range(8..20);
        let name = ["daily", "lunchtime"].choose(&mut self.random).unwrap();
        self.stop().await;
        self.road.reconfigure(&format!("schedules.{name}"), &format!("0 0 {hour} * * *"));
        self.road.program().prepare().await.unwrap();
    }

    async fn stop(&mut self) {
        if let Some((mut one, mut two)) = self.deliveries.take() {
            soon("the ends", async { tokio::join!(one.finish(), two.finish()) }).await;
        }
    }

    /// Two processes deliver what is due.
    async fn deliver(&mut self) {
        self.road.match_all().await;
        let before = self.road.mails().len();
        let road = &self.road;
        let (one, two) = self.deliveries.get_or_insert_with(|| (road.delivery(), road.delivery()));
        let (first, second) = soon("both", Box::pin(async { tokio::join!(one.drain(), two.drain()) })).await;
        first.unwrap();
        second.unwrap();
        let kinds: BTreeMap<String, String> = self
            .road
            .rows::<(String, String)>("select message_id, kind from mails")
            .await
            .into_iter()
            .collect();
        for mail in &self.road.mails()[before..] {
            self.arrived.push(Arrived {
                to: mail.rcpt_to[0].clone(),
                at: self.now,
                kind: kinds[&format!("<{}>", mail.message_id().unwrap())].clone(),
                text: mail.text().unwrap().replace("\r\n", "\n"),
            });
        }
    }

    /// What a mail tells as open.
    fn live(&self, mail: &Arrived) -> Vec<&Vacancy> {
        // The parts about what has changed and what is over come after the live ones.
        let ends =
            ["\nChanged\n", "\nOpened and closed\n"].iter().filter_map(|part| mail.text.find(part)).min();
        let live = match mail.kind.as_str() {
            "digest" => &mail.text[..ends.unwrap_or(mail.text.len())],
            "vacancy-alert" => mail.text.as_str(),
            _ => "",
        };
        let told = |vacancy: &&Vacancy| live.contains(&format!("Reference: {}", vacancy.reference));
        self.vacancies.iter().filter(told).collect()
    }

    fn hold(&self) {
        let mut told: BTreeMap<(&str, &str), DateTime<Utc>> = BTreeMap::new();
        let mut unhurried: BTreeMap<(&str, NaiveDate), usize> = BTreeMap::new();
        for mail in &self.arrived {
            let local = mail.at.with_timezone(&London);
            if mail.kind == "digest" {
                *unhurried.entry((&mail.to, local.date_naive())).or_default() += 1;
                // Digests come in quiet hours only to those who chose such an hour, and then soon after it.
                let quiet = local.hour() >= 21 || local.hour() < 8;
                let chosen = |hour: &u32| (21..24).contains(hour) || (0..8).contains(hour);
                let asked = self.hours.get(&mail.to).is_some_and(|hours| hours.iter().any(chosen));
                assert!(!quiet || asked, "a digest to {} at {local}", mail.to);
            }
            let live = self.live(mail);
            if mail.kind == "vacancy-alert" {
                assert!(!live.is_empty(), "an empty mail to {} at {local}: {}", mail.to, mail.text);
            }
            for vacancy in live {
                let key = (mail.to.as_str(), vacancy.reference.as_str());
                let before = told.insert(key, mail.at);
                assert_eq!(before, None, "{} is told of {} again at {}", mail.to, vacancy.reference, mail.at);
            }
        }
        for ((person, day), mails) in unhurried {
            assert!(mails <= 3, "{person} had {mails} digests on {day}");
        }
    }

    /// Everything that was told as open was open then.
    fn hold_open(&self, mail: &Arrived) {
        for vacancy in self.live(mail) {
            assert!(vacancy.is_open(mail.at), "{} was told to {} at {}", vacancy.reference, mail.to, mail.at);
        }
    }
}

async fn lives(from: &str, seed: u64) {
    println!("seed {seed}");
    let mut lives = Lives::begin(from, seed).await;
    let end = lives.now + Duration::days(DAYS);
    while lives.now < end {
        let before = lives.arrived.len();
        lives.step().await;
        lives.arrived[before..].iter().for_each(|mail| lives.hold_open(mail));
    }
    // Two quiet weeks, with a look every few hours.
    for _ in 0..14 * 5 {
        lives.now += Duration::hours(5) - Duration::minutes(12);
        lives.road.clock.set(lives.now);
        let before = lives.arrived.len();
        lives.deliver().await;
        lives.arrived[before..].iter().for_each(|mail| lives.hold_open(mail));
    }
    lives.stop().await;
    lives.hold();
    let road = &lives.road;
    // I1: nobody waits for anything, and everything that was matched was told or has its reason.
    assert_eq!(road.count("select count(*) from alerts where due_at is not null").await, 0);
    let silent = "select count(*) from alerts where told_revision is null and ended is null";
    assert_eq!(road.count(silent).await, 0);
    assert_eq!(road.count("select count(*) from mails where outcome is distinct from 'accepted' and outcome is distinct from 'superseded'").await, 0);
    assert_eq!(
        road.count(
            "select count(*) from openings o cross join subscribers p
             where not exists (select from alerts a where a.opening_id = o.id and a.subscriber_id = p.id)"
        )
        .await,
        0,
        "everybody searches for everything"
    );
    let digests = lives.arrived.iter().filter(|mail| mail.kind == "digest").count();
    assert!(digests > 10, "there were digests: {digests}");
    println!("{} vacancies, {} mails, {digests} digests", lives.vacancies.len(), lives.arrived.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_easter_and_the_change_to_summer_time() {
    lives("2024-03-22T10:00:00Z", 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_the_change_to_winter_time() {
    lives("2024-10-20T10:00:00Z", 2).await;
}
