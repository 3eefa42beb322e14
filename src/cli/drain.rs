//! `drain`: the road once, as far as it goes now.

use crate::cli::check::counted;
use crate::cli::say;
use crate::daemon::Program;
use crate::matching::{self, Step};
use crate::stage::{Bell, Stage};

/// Takes in what is on the queue, matches it, sends what is due, and looks
/// again until there is nothing left to do at this moment.
///
/// # Errors
///
/// When PostgreSQL or RabbitMQ is away. A mail server that is away is only
/// told: what is due stays due.
pub(super) async fn drain(program: Program) -> anyhow::Result<()> {
    program.prepare().await?;
    let mut intake = program.intake();
    let mut delivery = program.delivery(Bell::default())?;
    let rules = program.matching_rules();
    let (mut events, mut repeated, mut rejected, mut made, mut ended) = (0, 0, 0, 0, 0);
    loop {
        let taken = intake.drain().await?;
        events += taken.new;
        repeated += taken.repeated;
        rejected += taken.rejected.len();
        while let Step::Page { alerts } =
            matching::step(program.pool(), &rules, program.clock().now()).await?
        {
            made += alerts;
        }
        match delivery.drain().await {
            Ok(step) => ended += step.ended,
            Err(error) => {
                eprintln!("jobalerts: {error:#}; what is due stays due");
                break;
            }
        }
        if taken == crate::intake::step::Taken::default() {
            break;
        }
    }
    delivery.finish().await;
    let (accepted, deferred, failed) = delivery.tally();
    say(format_args!(
        "{} taken in, {repeated} known already, {rejected} set aside; {} made, {ended} ended without a word; \
         {} sent, {deferred} deferred, {failed} refused or held",
        counted(events, "event"),
        counted(usize::try_from(made)?, "alert"),
        counted(usize::try_from(accepted)?, "mail"),
    ));
    Ok(())
}
