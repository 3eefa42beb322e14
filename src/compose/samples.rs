//! Mails that, together, take every branch of the templates. Their words are harmless, so that
//! whatever is wrong in what they render is wrong in the templates or in how they are filled.

use chrono::{DateTime, Duration, Utc};
use chrono_tz::Europe::London;

use crate::compose::view::Setting;
use crate::compose::{Item, MailKind, Registration, Sender, Stop};
use crate::domain::alert::{Notice, Told};
use crate::domain::difference::Field;
use crate::domain::facts::{Attendance, Closing, Day, Facts, Pay, PayUnit, Programme, When};
use crate::domain::language::Language;
use crate::domain::subject::{Kind, Subject};
use crate::domain::taxonomy::Taxonomy;
use crate::domain::truth::{CloseReason, State, Truth};

/// Where what they tell of is published.
pub(super) const HOST: &str = "careers.force.example";

/// One mail; those with a name are worth looking at as a whole.
#[derive(Clone)]
pub(super) struct Sample {
    pub(super) name: &'static str,
    pub(super) kind: MailKind,
    pub(super) discreet: bool,
    pub(super) now: DateTime<Utc>,
    /// For digests, as in [`Digest`](crate::compose::Digest).
    pub(super) soon: DateTime<Utc>,
    pub(super) rest: usize,
    topics: Vec<Topic>,
}

/// One opening that it tells of.
#[derive(Clone)]
struct Topic {
    subject: Subject,
    truth: Truth,
    told: Option<(Truth, DateTime<Utc>)>,
    notice: Notice,
    searches: Vec<&'static str>,
    /// For what, and whether the mail is the receipt.
    registered: Option<(&'static str, bool)>,
    no_longer_matches: bool,
    perhaps_told: bool,
    test: bool,
}

impl Sample {
    pub(super) fn items(&self) -> Vec<Item<'_>> {
        self.topics.iter().map(Topic::item).collect()
    }

    /// What it is made by, in the name of this sender and in this language.
    pub(super) fn setting<'a>(
        &self,
        sender: &'a Sender,
        taxonomy: &'a Taxonomy,
        language: Language,
        stop: &'a Stop,
    ) -> Setting<'a> {
        let Self { discreet, now, soon, rest, .. } = *self;
        Setting { sender, taxonomy, language, stop, discreet, now, soon, rest }
    }
}

impl Topic {
    fn item(&self) -> Item<'_> {
        Item {
            subject: &self.subject,
            truth: &self.truth,
            told: self.told.as_ref().map(|(truth, at)| Told {
                truth,
                phase: truth.phase(*at),
                at: *at,
                reminded: false,
            }),
            notice: &self.notice,
            searches: self.searches.clone(),
            registration: self.registered.map(|(programme, receipt)| Registration {
                programme,
                on: at("2023-12-29T14:20:00Z"),
                receipt,
            }),
            no_longer_matches: self.no_longer_matches,
            perhaps_told: self.perhaps_told,
            test: self.test,
        }
    }

    fn of(kind: Kind, reference: &str, truth: Truth, notice: Notice) -> Self {
        let subject = Subject { kind, reference: reference.to_owned(), test: false };
        let registered = (kind == Kind::Programme).then_some(("pc-any", false));
        let searches = if kind == Kind::Programme { vec![] } else { vec!["Near me"] };
        Self {
            subject,
            truth,
            told: None,
            notice,
            searches,
            registered,
            no_longer_matches: false,
            perhaps_told: false,
            test: false,
        }
    }

    /// Somebody was told what was so before a change.
    fn told(self, on: &str, change: impl FnOnce(&mut Truth)) -> Self {
        let mut truth = Truth {
            state: State::Open,
            close_reason: None,
            shut_at: None,
            gone_at: None,
            ..self.truth.clone()
        };
        change(&mut truth);
        Self { told: Some((truth, at(on))), ..self }
    }
}

/// One mail for each way through the templates.
pub(super) fn all() -> Vec<Sample> {
    let mut samples =
        [vacancies(), routes_to_come(), open_routes(), changed_routes(), shut(), days(), digests()].concat();
    // Each kind at first sight, for people who are discreet and for testers.
    for kind in MailKind::ALL {
        if let Some(sample) = samples.iter().find(|sample| sample.kind == kind).cloned() {
            let mut topics = sample.topics.clone();
            for topic in &mut topics {
                topic.test = true;
            }
            samples.push(Sample { name: "", topics, ..sample.clone() });
            samples.push(Sample { name: "", discreet: true, ..sample });
        }
    }
    samples
}

fn sample(name: &'static str, now: &str, topics: Vec<Topic>) -> Sample {
    let kind = MailKind::of(topics[0].subject.kind, &topics[0].notice);
    Sample { name, kind, discreet: false, now: at(now), soon: at(now), rest: 0, topics }
}

/// A digest that tells of two days as closing soon.
fn digest(name: &'static str, now: &str, topics: Vec<Topic>) -> Sample {
    let soon = at(now) + Duration::days(2);
    Sample { kind: MailKind::Digest, soon, ..sample(name, now, topics) }
}

fn at(moment: &str) -> DateTime<Utc> {
    moment.parse().unwrap_or_default()
}

fn instant(moment: &str) -> Closing {
    Closing::Instant(at(moment))
}

fn truth(state: State, opened: Option<&str>, facts: Facts) -> Truth {
    Truth { opened_at: opened.map(at), ..Truth::new(state, facts) }
}

fn titled(title: &str) -> Facts {
    Facts { title: title.to_owned(), ..Facts::blank(London) }
}

/// A vacancy that says everything that one can say.
fn assistant() -> Topic {
    let facts = Facts {
        employer: Some("Midshire".to_owned()),
        url: Some("https://careers.force.example/jobs/230000P0".to_owned()),
        contract_kind: vec!["permanent".to_owned()],
        hours: vec!["part-time".to_owned()],
        locations: vec!["birmingham".to_owned()],
        site: Some("Riverside".to_owned()),
        grade_text: Some("Scale 3".to_owned()),
        pay: Some(Pay { currency: "GBP".to_owned(), min: 2_400_000, max: 2_400_000, unit: PayUnit::Year }),
        audience: vec!["serving-staff".to_owned()],
        closing: instant("2023-12-04T12:00:00Z"),
        ..titled("Archive assistant")
    };
    let truth = truth(State::Open, Some("2023-11-24T09:00:00Z"), facts);
    let topic = Topic::of(Kind::Vacancy, "230000P0", truth, Notice::Open);
    Topic { searches: vec!["Archives", "Near me"], ..topic }
}

/// As little as an advert can say.
fn volunteer() -> Topic {
    let truth = truth(State::Open, Some("2023-11-24T09:00:00Z"), titled("Archive volunteer"));
    Topic { searches: vec![""], ..Topic::of(Kind::Vacancy, "230000V0", truth, Notice::Open) }
}

fn vacancies() -> Vec<Sample> {
    let now = "2023-11-24T10:02:00Z";
    let date = |truth: &mut Truth| truth.facts.closing = Closing::Date(day("2023-12-08"));
    let corrected = |fields: Vec<Field>| Topic { notice: Notice::Corrected(fields), ..assistant() };
    let gone = |topic: Topic, reason| Topic {
        notice: Notice::Withdrawn,
        truth: Truth { state: State::Withdrawn, close_reason: Some(reason), ..topic.truth.clone() },
        ..topic
    };
    let all_fields = corrected(vec![
        Field::Closing,
        Field::Place,
        Field::Pay,
        Field::Grade,
        Field::Contract,
        Field::Hours,
        Field::Audience,
        Field::Rank,
        Field::Eligibility,
        Field::Title,
    ])
    .told("2023-11-24T10:02:00Z", |truth| {
        date(truth);
        "Archive volunteer".clone_into(&mut truth.facts.title);
        truth.facts.locations = vec!["coventry".to_owned()];
        truth.facts.pay = None;
        truth.facts.pay_text = Some("To be agreed".to_owned());
        truth.facts.grade_text = Some("Scale 2".to_owned());
        truth.facts.contract_kind = vec!["volunteer".to_owned()];
        truth.facts.hours = vec!["full-time".to_owned()];
        truth.facts.audience = vec!["public".to_owned()];
        truth.facts.rank = vec!["sergeant".to_owned()];
        truth.facts.eligibility = Some("A driving licence".to_owned());
    });
    let explained = |mut topic: Topic| {
        topic.truth.explanation = Some("The team has moved.".to_owned());
        topic.truth.replaced_by = Some("230000P1".to_owned());
        topic
    };
    vec![
        sample("", now, vec![assistant()]),
        sample("", now, vec![volunteer()]),
        sample("", now, vec![assistant(), volunteer()]),
        sample("correction", "2023-11-27T09:00:00Z", vec![corrected(vec![Field::Closing]).told(now, date)]),
        sample(
            "correction-several",
            "2023-11-27T09:00:00Z",
            vec![
                Topic { no_longer_matches: true, ..all_fields.clone() },
                Topic {
                    notice: Notice::Corrected(vec![Field::Closing]),
                    ..volunteer()
                        .told(now, |truth| truth.facts.closing = Closing::CloseOfBusiness(day("2023-12-08")))
                },
            ],
        ),
        sample("", "2023-11-27T09:00:00Z", vec![all_fields]),
        sample(
            "withdrawn",
            "2023-11-24T15:00:00Z",
            vec![gone(assistant().told(now, |_| {}), CloseReason::PostedInError)],
        ),
        sample(
            "withdrawn-several",
            "2023-11-27T09:00:00Z",
            vec![
                explained(gone(assistant().told(now, |_| {}), CloseReason::Cancelled)),
                gone(volunteer(), CloseReason::Withdrawn),
            ],
        ),
    ]
}

fn day(date: &str) -> chrono::NaiveDate {
    date.parse().unwrap_or_default()
}

fn intake() -> Programme {
    Programme {
        length: Some("P2Y".to_owned()),
        award: Some("Graduate diploma in professional policing practice".to_owned()),
        provider: Some("Staffordshire University".to_owned()),
        first_come: Some(false),
        may_close_early: true,
        notify_registered: true,
        ..Programme::default()
    }
}

fn dhep(state: State) -> Topic {
    let facts = Facts {
        url: Some("https://careers.force.example/routes/dhep".to_owned()),
        locations: vec!["west-midlands".to_owned()],
        opens: Some(When::Instant(at("2024-03-05T10:00:00Z"))),
        closing: instant("2024-03-19T12:00:00Z"),
        programme: Some(intake()),
        ..titled("Police constable: degree-holder entry programme")
    };
    let (opened, notice) = match state {
        State::Open => (Some("2024-03-05T10:00:00Z"), Notice::Open),
        _ => (None, Notice::Dated),
    };
    Topic::of(Kind::Programme, "pc-dhep", truth(state, opened, facts), notice)
}

fn pcda(state: State) -> Topic {
    let mut topic = dhep(state);
    "pc-pcda".clone_into(&mut topic.subject.reference);
    "Police constable: degree apprenticeship".clone_into(&mut topic.truth.facts.title);
    topic.truth.facts.url = Some("https://careers.force.example/routes/pcda".to_owned());
    topic.truth.facts.closing = instant("2024-03-12T12:00:00Z");
    if let Some(programme) = &mut topic.truth.facts.programme {
        programme.length = Some("P3Y".to_owned());
        programme.award = Some("BSc professional policing practice".to_owned());
    }
    topic
}

/// A route of which nobody knows more than that it will open.
fn announced() -> Topic {
    let programme = Programme {
        members: vec!["pc-pcda".to_owned(), "pc-dhep".to_owned()],
        public_text: Some(
            "Constable recruitment will open again soon. We do not have a date yet.".to_owned(),
        ),
        notify_registered: true,
        ..Programme::default()
    };
    let facts = Facts { programme: Some(programme), ..titled("") };
    Topic::of(Kind::Programme, "pc-any", truth(State::Announced, None, facts), Notice::Announced)
}

/// A route that opens on a day, at no known time, and has no page.
fn dated() -> Topic {
    let facts = Facts {
        opens: Some(When::Date(day("2024-04-03"))),
        closing: Closing::Date(day("2024-04-17")),
        ..titled("Special constable intake, spring")
    };
    let topic =
        Topic::of(Kind::Programme, "special-intake", truth(State::Scheduled, None, facts), Notice::Dated);
    Topic { registered: Some(("special-intake", true)), searches: vec!["Near me"], ..topic }
}

fn routes_to_come() -> Vec<Sample> {
    let now = "2024-02-19T10:02:00Z";
    let silent = |mut topic: Topic| {
        topic.truth.facts.programme = Some(Programme { first_come: Some(true), ..Programme::default() });
        topic
    };
    vec![
        sample("opening-date", now, vec![dhep(State::Scheduled)]),
        sample("opening-date-several", now, vec![pcda(State::Scheduled), silent(dated()), announced()]),
        sample("opening-date-day", now, vec![dated()]),
        sample("opening-soon", "2024-01-15T09:02:00Z", vec![announced()]),
        sample("", now, vec![pcda(State::Scheduled), dhep(State::Scheduled)]),
        sample("", now, vec![announced(), announced()]),
    ]
}

fn open_routes() -> Vec<Sample> {
    let now = "2024-03-05T10:02:00Z";
    let reminded = |topic: Topic| Topic { notice: Notice::ClosingSoon, ..topic.told(now, |_| {}) };
    let mut endless = dhep(State::Open);
    endless.truth.facts.closing = Closing::OpenUntilFilled;
    endless.truth.facts.url = None;
    endless.truth.facts.programme = None;
    let both = Topic {
        searches: vec!["Constable routes"],
        registered: Some(("pc-dhep", true)),
        ..dhep(State::Open)
    };
    vec![
        sample("open-now", now, vec![dhep(State::Open)]),
        sample("closing-soon", "2024-03-18T09:00:00Z", vec![reminded(dhep(State::Open))]),
        sample(
            "closing-soon-several",
            "2024-03-12T07:00:00Z",
            vec![reminded(dhep(State::Open)), reminded(pcda(State::Open))],
        ),
        sample("open-now-several", now, vec![dhep(State::Open), pcda(State::Open)]),
        sample("open-now-receipt", "2024-03-06T09:00:00Z", vec![both]),
        sample("", "2024-03-06T09:00:00Z", vec![endless.clone(), pcda(State::Open)]),
        sample("", "2024-03-06T09:00:00Z", vec![endless]),
        sample(
            "correction-opening",
            "2024-02-26T14:02:00Z",
            vec![Topic { notice: Notice::Corrected(vec![Field::Opens]), ..dhep(State::Scheduled) }.told(
                "2024-02-19T10:02:00Z",
                |truth| {
                    truth.state = State::Scheduled;
                    truth.opened_at = None;
                    truth.facts.opens = Some(When::Instant(at("2024-03-01T10:00:00Z")));
                },
            )],
        ),
        sample(
            "correction-not-open",
            "2024-02-26T14:02:00Z",
            vec![
                Topic { notice: Notice::Corrected(vec![Field::NotOpen]), ..dhep(State::Scheduled) }
                    .told("2024-02-19T10:02:00Z", |_| {}),
            ],
        ),
    ]
}

fn changed_routes() -> Vec<Sample> {
    let now = "2024-03-07T09:00:00Z";
    let told = |topic: Topic| topic.told("2024-03-05T10:02:00Z", |_| {});
    let paused = |earliest| Topic {
        notice: Notice::Paused,
        truth: Truth { earliest, ..dhep(State::Paused).truth },
        ..told(dhep(State::Paused))
    };
    let mut called_off = dhep(State::Closed);
    called_off.notice = Notice::CalledOff;
    called_off.truth.next_expected = Some(When::Date(day("2024-09-02")));
    let mut ended = dhep(State::Withdrawn);
    ended.notice = Notice::Withdrawn;
    "pc-ipldp".clone_into(&mut ended.subject.reference);
    "Police constable: initial learning and development programme".clone_into(&mut ended.truth.facts.title);
    ended.truth.gone_at = Some(at("2024-03-31T22:59:00Z"));
    ended.truth.replaced_by = Some("pc-pcep".to_owned());
    let mut gone = ended.clone();
    gone.truth.gone_at = Some(at("2024-03-06T22:59:00Z"));
    gone.truth.replaced_by = None;
    gone.truth.explanation = Some("The national programme has ended.".to_owned());
    let searched = Topic { registered: None, searches: vec!["Constable routes"], ..told(gone.clone()) };
    vec![
        sample("programme-paused", now, vec![paused(Some(When::Date(day("2024-07-01"))))]),
        sample("programme-withdrawn", now, vec![ended]),
        sample(
            "programme-called-off",
            "2024-02-26T14:02:00Z",
            vec![called_off.told("2024-02-19T10:02:00Z", |truth| truth.state = State::Scheduled)],
        ),
        sample("", now, vec![paused(None), searched]),
        sample("", now, vec![gone]),
    ]
}

fn shut() -> Vec<Sample> {
    let closed = |topic: Topic, reason, shut: &str| Topic {
        truth: Truth {
            state: State::Closed,
            close_reason: Some(reason),
            shut_at: Some(at(shut)),
            opened_at: Some(at("2024-03-05T10:00:00Z")),
            ..topic.truth.clone()
        },
        ..topic
    };
    let early = |topic: Topic, told: &str| Topic { notice: Notice::ClosedEarly, ..topic.told(told, |_| {}) };
    let missed = |topic: Topic| Topic { notice: Notice::Missed, ..topic };
    let full = closed(pcda(State::Open), CloseReason::Oversubscribed, "2024-03-06T17:30:00Z");
    let filled = closed(assistant(), CloseReason::Filled, "2023-11-27T09:00:00Z");
    let mut ends = closed(dhep(State::Open), CloseReason::Capacity, "2024-03-05T10:20:00Z");
    ends.truth.registration_stays_open = false;
    ends.truth.next_expected = Some(When::Date(day("2024-09-02")));
    let short = closed(dhep(State::Open), CloseReason::Early, "2024-03-05T10:20:00Z");
    vec![
        sample("closed-early", "2024-03-06T17:34:00Z", vec![early(full.clone(), "2024-03-05T10:02:00Z")]),
        sample(
            "closed-early-vacancy",
            "2023-11-27T09:05:00Z",
            vec![early(filled.clone(), "2023-11-24T10:02:00Z")],
        ),
        sample(
            "closed-early-several",
            "2024-03-06T17:34:00Z",
            vec![early(full, "2024-03-05T10:02:00Z"), early(ends.clone(), "2024-03-05T10:02:00Z")],
        ),
        sample("missed", "2024-03-05T10:40:00Z", vec![missed(short.clone())]),
        sample(
            "missed-perhaps-told",
            "2024-03-06T10:02:00Z",
            vec![missed(Topic { perhaps_told: true, ..short.clone() })],
        ),
        sample("missed-several", "2024-03-05T10:40:00Z", vec![missed(short), missed(ends)]),
    ]
}

fn discovery_day() -> Topic {
    let day = Day {
        starts_at: at("2024-02-17T10:30:00Z"),
        ends_at: Some(at("2024-02-17T12:30:00Z")),
        attendance: Attendance::Offline,
        place: Some("Wolverhampton".to_owned()),
        free: Some(true),
        capacity: Some(60),
        full: false,
        access: Some("Step-free".to_owned()),
    };
    let facts = Facts {
        url: Some("https://careers.force.example/events/discovery-day-2024-02-wolverhampton".to_owned()),
        closing: instant("2024-02-14T17:00:00Z"),
        topic: vec!["discovery-day".to_owned()],
        locations: vec!["wolverhampton".to_owned()],
        day: Some(day),
        ..titled("Discovery day: what a police constable does")
    };
    let truth = truth(State::Open, Some("2024-01-22T12:00:00Z"), facts);
    let topic = Topic::of(Kind::EventDay, "discovery-day-2024-02-wolverhampton", truth, Notice::Open);
    Topic { searches: vec!["Discovery days"], ..topic }
}

/// As little as there can be said of a day.
fn online() -> Topic {
    let mut topic = discovery_day();
    "online-2024-02".clone_into(&mut topic.subject.reference);
    topic.truth.facts = Facts {
        audience: vec!["serving-officer".to_owned()],
        day: Some(Day {
            starts_at: at("2024-02-20T18:00:00Z"),
            ends_at: None,
            attendance: Attendance::Online,
            place: None,
            free: None,
            capacity: None,
            full: true,
            access: None,
        }),
        ..titled("Taster evening")
    };
    topic
}

fn days() -> Vec<Sample> {
    let (now, later) = ("2024-01-22T12:02:00Z", "2024-02-12T16:12:00Z");
    let with = |mut topic: Topic, change: fn(&mut Day)| {
        topic.truth.facts.day.as_mut().map(change);
        topic
    };
    let was = |topic: Topic, fields: Vec<Field>, change: fn(&mut Day)| {
        let topic = Topic { notice: Notice::Corrected(fields), ..topic };
        topic.told(now, |truth| {
            truth.facts.day.as_mut().map(change);
        })
    };
    let moved = |day: &mut Day| {
        day.starts_at = at("2024-02-24T10:30:00Z");
        day.ends_at = Some(at("2024-02-24T12:30:00Z"));
    };
    let first = |day: &mut Day| {
        day.starts_at = at("2024-02-17T10:30:00Z");
        day.ends_at = Some(at("2024-02-17T12:30:00Z"));
    };
    let off = Topic { notice: Notice::CalledOff, ..discovery_day().told(now, |_| {}) };
    let mut called_off = off;
    called_off.truth.state = State::Withdrawn;
    called_off.truth.explanation = Some("The building is closed.".to_owned());
    vec![
        sample("event-day", now, vec![discovery_day()]),
        sample("event-day-several", now, vec![discovery_day(), online()]),
        sample("event-day-moved", later, vec![was(with(discovery_day(), moved), vec![Field::Day], first)]),
        sample("event-day-called-off", later, vec![called_off]),
        sample(
            "event-day-places",
            later,
            vec![was(discovery_day(), vec![Field::Full], |day| day.full = true)],
        ),
        sample(
            "event-day-online",
            later,
            vec![was(online(), vec![Field::Attendance, Field::Place, Field::Full], |day| {
                day.attendance = Attendance::Offline;
                day.place = Some("Wolverhampton".to_owned());
                day.full = false;
            })],
        ),
        sample(
            "",
            later,
            vec![
                was(with(discovery_day(), moved), vec![Field::Day, Field::Closing], first),
                was(online(), vec![Field::Full], |day| day.full = false),
            ],
        ),
    ]
}

fn digests() -> Vec<Sample> {
    let now = "2024-03-07T08:00:00Z";
    let vacancy = |reference: &str, title: &str, closing| {
        let mut topic = assistant();
        reference.clone_into(&mut topic.subject.reference);
        title.clone_into(&mut topic.truth.facts.title);
        topic.truth.opened_at = Some(at("2024-03-06T09:00:00Z"));
        topic.truth.facts.url = Some(format!("https://careers.force.example/jobs/{reference}"));
        topic.truth.facts.closing = closing;
        topic
    };
    let clerk = vacancy("240000C1", "Records clerk", instant("2024-03-08T12:00:00Z"));
    let driver = vacancy("240000D1", "Van driver", Closing::CloseOfBusiness(day("2024-03-08")));
    let archivist = vacancy("240000A1", "Archivist", Closing::Date(day("2024-03-22")));
    let cook = vacancy("240000K1", "Cook", instant("2024-03-28T12:00:00Z"));
    let gone = |topic: Topic, reason, shut: &str| Topic {
        notice: Notice::Missed,
        truth: Truth {
            state: State::Closed,
            close_reason: Some(reason),
            shut_at: Some(at(shut)),
            ..topic.truth.clone()
        },
        ..topic
    };
    let filled = gone(
        vacancy("240000G1", "Gardener", Closing::OpenUntilFilled),
        CloseReason::Filled,
        "2024-03-06T15:00:00Z",
    );
    let searched = |topic: Topic| Topic { registered: None, searches: vec!["Constable routes"], ..topic };
    let full = searched(gone(pcda(State::Open), CloseReason::Oversubscribed, "2024-03-06T17:30:00Z"));
    let moved = |topic: Topic, fields: Vec<Field>, change: fn(&mut Truth)| {
        Topic { notice: Notice::Corrected(fields), ..topic }.told("2024-03-04T08:00:00Z", change)
    };
    let later = moved(cook.clone(), vec![Field::Closing, Field::Pay], |truth| {
        truth.facts.closing = instant("2024-03-20T12:00:00Z");
        truth.facts.pay_text = Some("To be agreed".to_owned());
    });
    let in_march = |mut topic: Topic| {
        topic.truth.facts.closing = instant("2024-03-20T17:00:00Z");
        if let Some(day) = &mut topic.truth.facts.day {
            day.starts_at = at("2024-03-23T10:30:00Z");
            day.ends_at = Some(at("2024-03-23T12:30:00Z"));
        }
        topic
    };
    let mut evening = in_march(discovery_day());
    "taster-2024-03".clone_into(&mut evening.subject.reference);
    "Taster evening".clone_into(&mut evening.truth.facts.title);
    evening.truth.facts.url = Some("https://careers.force.example/events/taster-2024-03".to_owned());
    let evening = moved(evening, vec![Field::Full], |truth| {
        if let Some(day) = &mut truth.facts.day {
            day.full = true;
        }
    });
    let mut delayed = searched(dhep(State::Scheduled));
    delayed.truth.facts.opens = Some(When::Instant(at("2024-03-14T10:00:00Z")));
    let delayed = moved(delayed, vec![Field::Opens], |truth| {
        truth.state = State::Scheduled;
        truth.facts.opens = Some(When::Instant(at("2024-03-12T10:00:00Z")));
    });
    let volunteer = Topic { searches: vec!["Archives"], ..volunteer() };
    vec![
        digest(
            "digest",
            now,
            vec![filled.clone(), later.clone(), archivist.clone(), volunteer, clerk.clone(), driver.clone()],
        ),
        digest("digest-one", now, vec![archivist.clone()]),
        digest("digest-changed", now, vec![later, delayed]),
        digest("digest-opened-and-closed", now, vec![filled.clone(), full.clone()]),
        Sample {
            rest: 12,
            ..digest(
                "digest-mixed",
                now,
                vec![in_march(discovery_day()), searched(dhep(State::Open)), clerk, evening, full, archivist],
            )
        },
        Sample { rest: 1, ..digest("", now, vec![driver]) },
    ]
}
