//! A playground: the daemon, invented people and a web inbox, until it is stopped.

use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use jobalerts_dev::inbox::router;
use jobalerts_dev::program::Log;
use tokio::net::TcpListener;

use crate::account;
use crate::people;
use crate::scene::Scene;

const VACANCY: &str = "tests/golden/events/03-vacancy-opened-230000IR.json";
/// What it is about...
const SUBJECT: &str = "vacancy/230000IR";
/// ...and somebody who hears of it.
const PERSON: &str = "alder@example.org";

/// Runs until `stopped`.
pub(crate) async fn stay(scene: &Scene, stopped: impl Future<Output = ()>) -> anyhow::Result<()> {
    let program = &scene.program;
    program.run(&["migrate"]).await?;
    let imported = program.run(&["import", people::FILE]).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let page = listener.local_addr()?;
    let pages = axum::serve(listener, router(Arc::clone(&scene.inbox)));
    let mut daemon = program.start_daemon(&[], Log::Here)?;
    account::title("jobalerts, to play with");
    account::say(&format!("People: {}", imported.trim()));
    let shell = format!("{} --config {}", program.binary().display(), scene.config.display());
    println!("\nTheir mails:  http://{page}\n");
    println!("In another shell, in this directory:\n");
    println!("  {shell} publish {VACANCY}");
    println!("  {shell} explain {PERSON} {SUBJECT}");
    println!("  {shell} status\n");
    println!("Ctrl-C ends it all. The daemon's log follows.\n");
    tokio::select! {
        () = stopped => {}
        ended = daemon.ended() => bail!("the daemon has ended by itself: {}", ended?),
        ended = pages => ended.context("the inbox has ended")?,
    }
    let status = daemon.stop().await?;
    ensure!(status.success(), "the daemon ended with {status}");
    Ok(())
}
