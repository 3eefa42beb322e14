//! A mail server that throws mails away, and another program to send to it:
//! Postfix's `smtp-sink` and `smtp-source` where they are installed.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jobalerts_dev::smtp::{SmtpServer, Storage};

use crate::daemon::until;
use crate::report::rate;

/// Where Debian puts them, where no user's PATH leads.
const USUAL: &str = "/usr/sbin:/usr/local/sbin:/usr/lib/postfix/sbin";

/// The server.
pub(crate) enum Sink {
    /// Postfix's, and the program beside it.
    Postfix { sink: Child, source: PathBuf, address: SocketAddr },
    /// That of our tests.
    Own(SmtpServer),
}

impl Sink {
    /// Starts one.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let (Some(sink), Some(source)) = (program("smtp-sink"), program("smtp-source")) else {
            eprintln!("Postfix is not installed: its smtp-sink and smtp-source cannot be compared with");
            return Ok(Self::Own(SmtpServer::builder().storage(Storage::Count).start().await?));
        };
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = Command::new(sink);
        if std::fs::metadata("/proc/self")?.uid() == 0 {
            command.args(["-u", "nobody"]);
        }
        let sink = command.arg("-c").arg(address.to_string()).arg("1024").stdout(Stdio::null()).spawn()?;
        until(Duration::from_millis(10), async || Ok(TcpStream::connect(address).is_ok())).await?;
        Ok(Self::Postfix { sink, source, address })
    }

    /// Where it is, as the configuration has it.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Postfix { address, .. } => format!("smtp://{address}"),
            Self::Own(server) => server.url(),
        }
    }

    /// Its process, if it is one of its own.
    pub(crate) fn process(&self) -> Option<u32> {
        match self {
            Self::Postfix { sink, .. } => Some(sink.id()),
            Self::Own(_) => None,
        }
    }

    /// How many mails a second `smtp-source` sends: this one, over so many
    /// sessions; over each of them one mail only, or one after the other.
    pub(crate) fn source_rate(
        &self,
        mail: &str,
        sessions: u16,
        mails: usize,
        keep_lines: bool,
    ) -> anyhow::Result<Option<f64>> {
        let Self::Postfix { source, address, .. } = self else { return Ok(None) };
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("road-mail.txt");
        std::fs::write(&file, mail.replace("\r\n", "\n"))?;
        let mut command = Command::new(source);
        if keep_lines {
            command.arg("-d");
        }
        let begun = Instant::now();
        let status = command
            .args(["-s", &sessions.to_string(), "-m", &mails.to_string()])
            .args(["-f", "alerts@midshire.example", "-t", "person.123456@mail7.example", "-F"])
            .arg(&file)
            .arg(address.to_string())
            .status()?;
        anyhow::ensure!(status.success(), "smtp-source ended with {status}");
        Ok(Some(rate(mails as u64, begun.elapsed())))
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        if let Self::Postfix { sink, .. } = self {
            // It may have ended already.
            let _ = sink.kill();
            let _ = sink.wait();
        }
    }
}

fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':')
        .chain(USUAL.split(':'))
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.is_file())
}
