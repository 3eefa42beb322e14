//! The program's stages in this process, by a clock that stands until it is moved.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use jobalerts::clock::Clock;
use jobalerts::config::Config;
use jobalerts::daemon::Program;
use jobalerts::matching;

use crate::scene::Scene;

/// The program of a scene.
pub(crate) fn program(scene: &Scene, clock: &Clock) -> anyhow::Result<Program> {
    Program::new(Config::load(Some(&scene.config), &BTreeMap::new())?, clock.clone())
}

/// The programme opens, and who is to hear of it is found.
pub(crate) async fn release(scene: &Scene, program: &Program) -> anyhow::Result<()> {
    scene.release().await?;
    program.prepare().await?;
    program.intake().drain().await?;
    let rules = program.matching_rules();
    while let matching::Step::Page { .. } =
        matching::step(program.pool(), &rules, program.clock().now()).await?
    {}
    Ok(())
}

/// The next moment at which the program has something to do, after this one.
pub(crate) async fn next(program: &Program, now: DateTime<Utc>) -> anyhow::Result<Option<DateTime<Utc>>> {
    let next = "select min(at) from (
        select due_at from alerts union all select until from breakers) as waits (at) where at > $1";
    Ok(sqlx::query_scalar(next).bind(now).fetch_one(program.pool()).await?)
}
