//! `drain`: the road once, as far as it goes now.

use anyhow::Context;

use crate::cli::check::counted;
use crate::cli::say;
use crate::daemon::Program;
use crate::delivery::Tally;
use crate::delivery::smtp::RelayError;
use crate::housekeeping;
use crate::intake::step::Taken;
use crate::matching::{self, Step};
use crate::stage::{Bell, Stage};

/// Takes in what is on the queue, matches it, does what housekeeping is due,
/// sends what is due, and looks again until there is nothing left to do at this moment. Then publishes what
/// came of it.
///
/// # Errors
///
/// When PostgreSQL or RabbitMQ is away; if RabbitMQ goes away after the mails,
/// they have left and are told first. A mail server that is away is only told:
/// what is due stays due.
pub(super) async fn drain(program: Program) -> anyhow::Result<()> {
    program.prepare().await?;
    let mut intake = program.intake();
    let mut delivery = program.delivery(Bell::default())?;
    let rules = program.matching_rules();
    let housekeeping = program.housekeeping_rules();
    let mut total = Taken::default();
    let (mut made, mut ended) = (0, 0);
    loop {
        let taken = intake.drain().await?;
        let nothing_came = taken == Taken::default();
        total += taken;
        while let Step::Page { alerts } =
            matching::step(program.pool(), &rules, program.clock().now()).await?
        {
            made += alerts;
        }
        while housekeeping::step(program.pool(), &housekeeping, program.clock().now()).await?
            != housekeeping::Step::Idle
        {}
        match delivery.drain().await {
            Ok(step) => ended += step.ended,
            Err(error) if error.is::<RelayError>() => {
                eprintln!("jobalerts: {error:#}; what is due stays due");
                break;
            }
            Err(error) => return Err(error),
        }
        if nothing_came {
            break;
        }
    }
    delivery.finish().await;
    let Tally { accepted, deferred, unknown, failed, withheld } = delivery.tally();
    if delivery.is_paused() {
        eprintln!(
            "jobalerts: an operator has stopped all mails; what is due stays due until `jobalerts resume`"
        );
    }
    say(format_args!(
        "{} taken in, {} known already, {} set aside; {} made, {ended} ended without a word; \
         {} sent, {deferred} deferred, {failed} refused or held{}{}",
        counted(total.new, "event"),
        total.repeated,
        total.rejected.len(),
        counted(usize::try_from(made)?, "alert"),
        counted(usize::try_from(accepted)?, "mail"),
        some(unknown, "of which nobody knows whether they arrived"),
        some(withheld, "withheld, because their addresses are not in smtp.only_to"),
    ));
    let published = program
        .outcomes()
        .drain()
        .await
        .context("what came of it is not published, and waits for the next drain or the daemon")?;
    if published > 0 {
        let exchange = &program.config().amqp.outcomes_exchange;
        say(format_args!("{} published to {exchange}", counted(published, "outcome")));
    }
    Ok(())
}

/// A further number, if there is any to tell of.
fn some(number: u64, what: &str) -> String {
    if number == 0 { String::new() } else { format!(", {number} {what}") }
}
