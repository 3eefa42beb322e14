//! Programmes: schema.org `WorkBasedProgram` in `data.program`.

use crate::domain::facts::{Change, Closing, ProgrammeChange, When};
use crate::domain::history::{Door, Happening};
use crate::domain::truth::CloseReason;
use crate::intake::wire::values::{Page, Read};
use crate::intake::wire::{Reading, common};

pub(super) fn read(kind: &str, data: &Page<'_>, reading: &Reading) -> Read<Option<Happening>> {
    let (door, changes) = match kind {
        "programme.announced" => (Some(Door::Announce), announced(data, reading)?),
        "programme.scheduled" => (Some(Door::Schedule), scheduled(data, reading)?),
        "programme.dates_changed" => (Some(Door::Reschedule), dates_changed(data, reading)?),
        "programme.opened" => {
            let mut changes = facts(data)?;
            changes.extend(opens(data)?.map(|when| Change::Opens(Some(when))));
            changes.extend(closes(data, reading)?);
            (Some(Door::Open), changes)
        }
        "programme.capacity_reported" => (None, vec![percent_full(data)?]),
        "programme.closed" => {
            let mut changes = common::parting(data, "replacedBy")?;
            changes.extend(data.when("nextExpected")?.map(Change::NextExpected));
            let stays = data.flag("registrationStaysOpen")?.flatten();
            changes.extend(stays.map(Change::RegistrationStaysOpen));
            (Some(Door::Shut(data.close_reason(CloseReason::Early)?)), changes)
        }
        "programme.paused" => {
            let mut changes = common::parting(data, "replacedBy")?;
            changes.push(Change::Earliest(data.when("earliest")?.flatten()));
            (Some(Door::Pause), changes)
        }
        "programme.withdrawn" => {
            let reason = data.close_reason(CloseReason::Withdrawn)?;
            (Some(Door::Withdraw(reason)), common::parting(data, "successor")?)
        }
        _ => return Ok(None),
    };
    let cycle = data.name("cycleId")?.flatten();
    Ok(Some(Happening { door, cycle, changes }))
}

fn announced(data: &Page<'_>, reading: &Reading) -> Read<Vec<Change>> {
    if data.given("opensAt").is_some() {
        return Err(data.wrong(
            "opensAt",
            "nothing; with a date, send programme.scheduled for each programme that it is about",
        ));
    }
    let mut changes = facts(data)?;
    changes.push(Change::Opens(None));
    changes.extend(closes(data, reading)?);
    Ok(changes)
}

fn scheduled(data: &Page<'_>, reading: &Reading) -> Read<Vec<Change>> {
    let mut changes = facts(data)?;
    let opens = opens(data)?.ok_or_else(|| data.wrong("opensAt", "a date or a time as in RFC 3339"))?;
    changes.push(Change::Opens(Some(opens)));
    changes.extend(closes(data, reading)?);
    Ok(changes)
}

/// What counts is what the dates are now; what they were is not believed.
fn dates_changed(data: &Page<'_>, reading: &Reading) -> Read<Vec<Change>> {
    let to = data.page("to", "an object with opensAt or closing")?;
    let pages = [&to, data];
    if !pages.iter().any(|page| page.names("opensAt") || page.names("closing")) {
        return Err(data.wrong("to", "an object with opensAt or closing, as they are now"));
    }
    let mut changes = facts(data)?;
    let opening = pages.into_iter().find(|page| page.names("opensAt"));
    if let Some(page) = opening {
        changes.extend(page.when("opensAt")?.map(Change::Opens));
    }
    if let Some(page) = pages.into_iter().find(|page| page.names("closing")) {
        changes.extend(closing_or_none(page, reading)?);
    }
    Ok(changes)
}

/// When it opens, as said beforehand.
fn opens(data: &Page<'_>) -> Read<Option<When>> {
    match data.when("opensAt")?.flatten() {
        Some(when) => Ok(Some(when)),
        None => Ok(program(data)?.when("applicationStartDate")?.flatten()),
    }
}

fn closes(data: &Page<'_>, reading: &Reading) -> Read<Vec<Change>> {
    if data.given("closing").is_none()
        && let Some(closing) = common::closing(&program(data)?, "applicationDeadline", reading)?
    {
        return Ok(closing);
    }
    if data.names("closing") { closing_or_none(data, reading) } else { Ok(vec![]) }
}

/// A closing of null says that none is known.
fn closing_or_none(page: &Page<'_>, reading: &Reading) -> Read<Vec<Change>> {
    let closing = common::closing(page, "closing", reading)?;
    Ok(closing.unwrap_or_else(|| vec![Change::Closing(Closing::OpenUntilFilled)]))
}

fn program<'a>(data: &Page<'a>) -> Read<Page<'a>> {
    data.page("program", "an object (schema.org WorkBasedProgram)")
}

/// What is said of the programme and of this intake, apart from the dates.
fn facts(data: &Page<'_>) -> Read<Vec<Change>> {
    let mut changes = Vec::new();
    let program = program(data)?;
    let intake = data.page("intake", "an object")?;
    changes.extend(program.line("name")?.flatten().map(Change::Title));
    let description = program.text("description")?;
    changes.extend(description.map(|text| Change::Description(text.map(ToOwned::to_owned))));
    changes.extend(program.url("url")?.map(Change::Url));
    changes.extend(common::plain_facts(data)?);
    changes.extend(common::eligibility(data, &program, &["programPrerequisites"])?);
    let own = ProgrammeChange {
        length: program.line("timeToComplete")?,
        award: program.label("educationalCredentialAwarded")?,
        provider: program.label("provider")?,
        cap: intake.count("applicationCap")?,
        first_come: intake.flag("firstCome")?,
        may_close_early: intake.flag("mayCloseEarly")?.flatten(),
        members: data.values("members")?,
        public_text: data.line("publicText")?,
        notify_registered: data.flag("notifyRegistered")?.flatten(),
    };
    if own != ProgrammeChange::default() {
        changes.push(Change::Programme(Box::new(own)));
    }
    Ok(changes)
}

fn percent_full(data: &Page<'_>) -> Read<Change> {
    if let Some(percent) = data.figure("percentFull")?.flatten() {
        return Ok(Change::PercentFull(Some(percent)));
    }
    let received = data.count("applicationsReceived")?.flatten();
    let cap = match data.count("applicationCap")?.flatten() {
        Some(cap) => Some(cap),
        None => data.count("cap")?.flatten(),
    };
    match (received, cap) {
        (Some(received), Some(cap @ 1..)) => {
            Ok(Change::PercentFull(Some(f64::from(received) / f64::from(cap) * 100.0)))
        }
        _ => Err(data.wrong("percentFull", "a number, or applicationsReceived and an applicationCap over 0")),
    }
}
