//! Catches mails on this machine and shows them: an SMTP server whose mails go into a folder and a web inbox.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use clap::Parser;
use jobalerts_dev::inbox::{Inbox, router};
use jobalerts_dev::smtp::{Folder, Rule, SmtpServer, Stage, Storage};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Catches every mail sent to it and keeps it as files, and in memory for the web inbox.
///
/// Prints its addresses when it is ready. Only loopback addresses are listened on. Ends on SIGTERM and Ctrl-C.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Where to listen for SMTP; port 0 is a free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:1025")]
    listen: SocketAddr,
    /// Where to show the inbox; port 0 is a free port [default: nowhere]
    #[arg(long, value_name = "ADDRESS")]
    web: Option<SocketAddr>,
    /// The directory for the mails, made if there is none
    #[arg(long)]
    dir: PathBuf,
    /// A file to write the addresses to when everything is ready
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// Puts off (450) recipients whose local part begins with this
    #[arg(long, value_name = "PREFIX")]
    defer: Vec<String>,
    /// Refuses (550) recipients whose local part begins with this
    #[arg(long, value_name = "PREFIX")]
    refuse: Vec<String>,
    /// Keeps mails to recipients whose local part begins with this, and closes the connection in place of saying so
    #[arg(long, value_name = "PREFIX")]
    drop_after_data: Vec<String>,
}

impl Arguments {
    fn script(&self) -> Vec<Rule> {
        let defer = |prefix| Rule::at(Stage::Rcpt).to_local_prefix(prefix).reply(450, "4.2.0 Later, please");
        let refuse = |prefix| Rule::at(Stage::Rcpt).to_local_prefix(prefix).reply(550, "5.1.1 No such user");
        let drop_after_data = |prefix| Rule::at(Stage::EndOfData).to_local_prefix(prefix).storing().close();
        let deferring = self.defer.iter().map(defer);
        let refusing = self.refuse.iter().map(refuse);
        deferring.chain(refusing).chain(self.drop_after_data.iter().map(drop_after_data)).collect()
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let mut terminated = signal(SignalKind::terminate())?;
    if let Some(file) = &arguments.ready_file
        && file.exists()
    {
        fs::remove_file(file).with_context(|| format!("cannot remove {}", file.display()))?;
    }
    let folder =
        Folder::open(&arguments.dir).with_context(|| format!("cannot use {}", arguments.dir.display()))?;
    let inbox = Arc::new(Inbox::new(folder));
    let server = SmtpServer::builder()
        .listen(arguments.listen)
        .storage(Storage::Sink(inbox.clone()))
        .script(arguments.script())
        .start()
        .await?;
    let mut addresses = vec![server.url()];
    let web = match arguments.web {
        None => None,
        Some(address) => {
            ensure!(address.ip().is_loopback(), "{address} is not a loopback address");
            let listener =
                TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
            addresses.push(format!("http://{}", listener.local_addr()?));
            Some(listener)
        }
    };
    let pages = async {
        match web {
            None => std::future::pending().await,
            Some(listener) => axum::serve(listener, router(inbox)).await,
        }
    };
    let addresses: String = addresses.iter().flat_map(|address| [address, "\n"]).collect();
    print!("{addresses}");
    if let Some(file) = &arguments.ready_file {
        announce(file, &addresses).with_context(|| format!("cannot write {}", file.display()))?;
    }
    tokio::select! {
        _ = terminated.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        ended = pages => ended?,
    }
    Ok(())
}

/// Writes the file in one step, so whoever waits for it finds it whole.
fn announce(file: &Path, addresses: &str) -> std::io::Result<()> {
    let unfinished = file.with_added_extension("unfinished");
    fs::write(&unfinished, addresses)?;
    fs::rename(&unfinished, file)
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::Arguments;

    #[test]
    fn the_arguments_are_well_defined() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_prefix_becomes_a_rule() {
        let line = "catcher --dir mails --defer later --defer slow --refuse gone --drop-after-data unknown";
        let arguments = Arguments::try_parse_from(line.split(' ')).expect("is well-formed");
        assert_eq!(arguments.listen.to_string(), "127.0.0.1:1025");
        assert_eq!(arguments.script().len(), 4);
    }
}
