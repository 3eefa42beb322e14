//! The second act: the story of a promise. Two routes are closed, 300 people wait for them, and each of them is owed
//! the date and the opening.

mod events;
mod reckoning;
mod registrants;
mod telling;
mod words;

use anyhow::ensure;
use chrono::{DateTime, Utc};
use jobalerts_dev::promises::{self, Ledger};

use self::reckoning::{Reckoning, Word};
use self::registrants::{ANY, DHEP, FULL, Gone, PCDA};
use self::telling::{step, tell_ledger, tell_letters};
use self::words::{
    CLOSED_EARLY, CYCLES, DATE, DATE_FOR_THE_LATECOMER, MISSED, OPEN, OPEN_AGAIN, OPEN_STILL, OTHER_DATE,
    REMINDER,
};
use crate::account::{self, paragraph, say};
use crate::outage::Outage;
use crate::scene::{Scene, instant};

/// What has to be said of the act at the end.
pub(crate) struct Told {
    /// How many mails left.
    pub(crate) mails: usize,
    /// What is not as it should be.
    pub(crate) problems: Vec<String>,
}

/// Plays it; `seen` mails came before.
pub(crate) async fn play(scene: &Scene, outage: &Outage, seen: usize) -> anyhow::Result<Told> {
    let reckoning = Reckoning::new(registrants::all(), &CYCLES);
    let mut story = Story { scene, outage, reckoning, seen, ledger: Ledger::new() };
    story.people_register().await?;
    story.the_date_is_told_and_moves().await?;
    story.people_come_and_go().await?;
    story.it_opens().await?;
    story.it_closes_early().await?;
    story.it_opens_again().await?;
    story.time_is_up().await?;
    Ok(Told { mails: story.seen - seen, problems: story.reckoning.problems() })
}

struct Story<'a> {
    scene: &'a Scene,
    outage: &'a Outage,
    reckoning: Reckoning,
    /// How many mails have been read.
    seen: usize,
    /// The ledger after the last step.
    ledger: Ledger,
}

impl Story<'_> {
    async fn people_register(&mut self) -> anyhow::Result<()> {
        account::part("The second act: the story of a promise, in the spring of 2024");
        let people = self.reckoning.people();
        let count = |programme| people.iter().filter(|person| person.programmes.contains(&programme)).count();
        let reminded = people.iter().filter(|person| person.reminded).count();
        let july = people.iter().filter(|person| person.from_july).count();
        say(&format!(
            "Two ways to become a constable are closed: for degree-holders ({DHEP}) and as an apprentice ({PCDA}). {} \
             people have registered: {} for the first, {} for the second, and {} for any way ({ANY}), which both are part \
             of. {july} of them want to hear nothing before July, {reminded} to be reminded a day before it closes, and {} \
             asked for discretion. Each of the others is \
             promised two things: the date, and that it is open. (It is another database: the people of the first act \
             are not there.)",
            people.len(),
            count(DHEP),
            count(PCDA),
            count(ANY),
            self.reckoning.discreet(),
        ));
        let file = self.scene.write("registrants.ndjson", &registrants::lines(people))?;
        for (what, arguments) in [
            ("The tables are made", &["migrate"][..]),
            ("They are imported, by the machine's clock", &["import", &file]),
        ] {
            account::command(what, arguments, &self.scene.program.run(arguments).await?);
        }
        Ok(())
    }

    async fn the_date_is_told_and_moves(&mut self) -> anyhow::Result<()> {
        step("2024-02-19T10:00:05Z", "programme.scheduled for both: they open on 4 March at 10am")?;
        self.publish_made("scheduled", &events::scheduled()?).await?;
        self.reckoning.is_known(0);
        self.reckoning.is_known(1);
        self.moment("2024-02-19T10:00:05Z", &[DATE]).await?;
        step("2024-02-27T14:00:05Z", "programme.dates_changed for both: a day later, on 5 March")?;
        paragraph(4, "Everybody who was told the old date is told the new one, in the thread of that mail.");
        self.publish_made("moved", &events::moved()?).await?;
        self.moment("2024-02-27T14:00:05Z", &[OTHER_DATE]).await
    }

    async fn people_come_and_go(&mut self) -> anyhow::Result<()> {
        let at = "2024-03-01T09:00:05Z";
        let zoe = registrants::latecomer();
        step(at, &format!("People come and go; {} registers for {ANY}", zoe.address))?;
        let file = self.scene.write("latecomer.ndjson", &registrants::lines(std::slice::from_ref(&zoe)))?;
        self.scene.program.run(&["import", &file]).await?;
        self.reckoning.joins(zoe);
        self.reckoning.is_known(0);
        self.reckoning.is_known(1);
        let gone = |how| {
            let people = self.reckoning.people().iter().filter(move |person| person.goes == Some(how));
            people.map(|person| person.address.clone()).collect::<Vec<_>>()
        };
        let (stopped, unregistered) = (gone(Gone::Stopped), gone(Gone::Unregistered));
        paragraph(
            4,
            &format!(
                "{} people stop all mails, and {} take their registration back (the demo does it in the tables: there are no \
                 pages for it yet). When it would be their turn, nothing is owed to them any more.",
                stopped.len(),
                unregistered.len()
            ),
        );
        for (statement, addresses) in [
            (
                "delete from consents using subscribers p where subscriber_id = p.id and p.address = any($1)",
                stopped,
            ),
            (
                "delete from registrations using subscribers p where subscriber_id = p.id and p.address = any($1)",
                unregistered,
            ),
        ] {
            sqlx::query(statement).bind(addresses).execute(&self.scene.pool).await?;
        }
        self.reckoning.they_go();
        self.moment(at, &[DATE_FOR_THE_LATECOMER]).await
    }

    async fn it_opens(&mut self) -> anyhow::Result<()> {
        self.mail_server_is_full();
        step("2024-03-05T10:00:05Z", "programme.opened, and 2 seconds later its sibling")?;
        self.scene.publish(&[], &[events::OPENED_DHEP, events::OPENED_PCDA].map(str::to_owned)).await?;
        paragraph(4, "The doors settle.");
        self.moment("2024-03-05T10:00:05Z", &[]).await?;
        step("2024-03-05T10:02:00Z", "They have settled")?;
        paragraph(
            4,
            &format!("Who waits for both gets one mail. The mail server of {FULL} is full and says: later."),
        );
        self.reckoning.release_the_gone(&[0, 1]);
        self.moment("2024-03-05T10:02:00Z", &[OPEN]).await?;
        step("2024-03-06T08:00:05Z", "programme.capacity_reported: 2,550 of 3,000 applications")?;
        paragraph(
            4,
            "Nobody is written to for a figure. The mail server that is full is tried again in vain.",
        );
        self.scene.publish(&[], &[events::CAPACITY.to_owned()]).await?;
        self.moment("2024-03-06T08:00:05Z", &[]).await
    }

    async fn it_closes_early(&mut self) -> anyhow::Result<()> {
        step("2024-03-06T17:30:05Z", "programme.closed: oversubscribed, six days early")?;
        self.scene.publish(&[], &[events::CLOSED.to_owned()]).await?;
        self.mail_server_recovers();
        self.reckoning.shuts(1);
        paragraph(4, "The door settles. The promises to those whose mail server was full are broken.");
        self.moment("2024-03-06T17:30:05Z", &[]).await?;
        step("2024-03-06T17:32:00Z", "It has settled, and the mail server takes mails again")?;
        paragraph(
            4,
            "Who was told that it is open until 12 March hears that it is not, in the thread of that mail. Who was not \
             told in time hears that too: the promise is not kept, but explained.",
        );
        self.moment("2024-03-06T17:32:00Z", &[CLOSED_EARLY, MISSED]).await
    }

    async fn it_opens_again(&mut self) -> anyhow::Result<()> {
        self.mail_server_is_full();
        step("2024-03-08T09:00:05Z", "programme.opened: the apprenticeship once more, for a day")?;
        self.publish_made("again", &[events::opened_again()?]).await?;
        paragraph(4, "It is a new cycle, with new promises. The door settles; the same mail server is full.");
        self.reckoning.is_known(2);
        self.moment("2024-03-08T09:00:05Z", &[]).await?;
        step("2024-03-08T09:02:00Z", "It has settled")?;
        self.reckoning.release_the_gone(&[2]);
        self.moment("2024-03-08T09:02:00Z", &[OPEN_AGAIN]).await?;
        step("2024-03-09T11:00:00Z", "The mail server takes mails again, an hour before the end")?;
        paragraph(4, "That it is open is still true, and of little use: these promises are kept late.");
        self.mail_server_recovers();
        self.moment("2024-03-09T11:00:00Z", &[OPEN_STILL]).await
    }

    async fn time_is_up(&mut self) -> anyhow::Result<()> {
        step("2024-03-09T12:02:00Z", "programme.closed: deadline, two minutes ago")?;
        self.publish_made("in-time", &[events::closed_in_time()?]).await?;
        self.reckoning.shuts(2);
        paragraph(4, "It closes when everybody was told that it closes: nothing to write.");
        self.moment("2024-03-09T12:02:00Z", &[]).await?;
        let noon = "2024-03-18T12:00:00Z";
        step(noon, "The other route closes in a day")?;
        paragraph(4, "Who asked for it is reminded, and nobody else: it was told when the route opened.");
        self.moment(noon, &[REMINDER]).await?;
        let end = "2024-03-20T12:00:00Z";
        step(end, "The clock has shut the other route")?;
        self.reckoning.shuts(0);
        self.moment(end, &[]).await?;

        let late = self.reckoning.people().iter().find(|person| person.address.ends_with(FULL));
        let late = late.map(|person| person.address.clone()).unwrap_or_default();
        for (what, arguments) in [
            ("Why did somebody hear so late? An operator asks", &["explain", &late, "pc-pcda"][..]),
            ("What did we promise, and what became of it?", &["ledger"]),
        ] {
            let with_clock = [arguments, &["--now", end]].concat();
            account::printed(what, &with_clock, &self.scene.program.run(&with_clock).await?);
        }
        Ok(())
    }

    fn mail_server_is_full(&mut self) {
        self.outage.begin(FULL);
        self.reckoning.outage(Some(FULL));
    }

    fn mail_server_recovers(&mut self) {
        self.outage.end();
        self.reckoning.outage(None);
    }
}

/// How the story is told.
impl Story<'_> {
    async fn publish_made(&self, name: &str, events: &[String]) -> anyhow::Result<()> {
        let mut files = Vec::new();
        for (index, event) in events.iter().enumerate() {
            files.push(self.scene.write(&format!("{name}-{}.json", index + 1), event)?);
        }
        self.scene.publish(&[], &files).await
    }

    /// Lets the program do what it can at this moment, and holds mails and ledger against what must be.
    async fn moment(&mut self, at: &str, words: &[Word]) -> anyhow::Result<()> {
        let now: DateTime<Utc> = at.parse()?;
        paragraph(4, &self.scene.drain(now).await?);
        let letters = self.scene.letters(self.seen).await?;
        self.seen += letters.len();
        self.reckoning.hold_against(words, &letters);
        tell_letters(&letters, self.reckoning.discreet());
        let ledger = self.scene.program.run(&["ledger", "--json", "--now", &instant(now)]).await?;
        let ledger = promises::read(&serde_json::from_str(&ledger)?);
        tell_ledger(&self.ledger, &ledger);
        self.reckoning.hold_ledger(&ledger);
        self.ledger = ledger;
        let due: i64 = sqlx::query_scalar("select count(*) from alerts where due_at <= $1")
            .bind(now)
            .fetch_one(&self.scene.pool)
            .await?;
        ensure!(due == 0, "{due} alerts are still due after the mails of {at}");
        Ok(())
    }
}
