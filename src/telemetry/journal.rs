//! The log as the journal takes it, by its native protocol: a line is an entry of which each field can be
//! asked for. <https://systemd.io/JOURNAL_NATIVE_PROTOCOL>
//!
//! The crate `tracing-journald` leaves everything but the message out of `MESSAGE`, which is all that
//! `journalctl` shows: no reason would be seen of what failed. It also loses what it cannot send, and knows
//! one socket only.

use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Where the journal listens.
pub(super) const SOCKET: &str = "/run/systemd/journal/socket";

/// What the names of our own fields begin with.
const PREFIX: &str = "JOBALERTS_";

/// The longest value, in octets: with some of them an entry still goes in one datagram.
const LONGEST: usize = 16 * 1024;

/// Whether what the service manager says of its journal (`JOURNAL_STREAM`: device and inode) is this.
pub(super) fn is(stream: &str, output: BorrowedFd<'_>) -> io::Result<bool> {
    let is = std::fs::File::from(output.try_clone_to_owned()?).metadata()?;
    Ok(stream == format!("{}:{}", is.dev(), is.ino()))
}

/// Writes each line of the log into the journal.
pub(super) struct Journal {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Journal {
    /// The journal that listens there.
    ///
    /// # Errors
    ///
    /// When nobody does.
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        let journal = Self { socket: UnixDatagram::unbound()?, path: path.to_owned() };
        // Nothing is written by it.
        journal.send(&[])?;
        Ok(journal)
    }

    /// By the path each time: the journal may have been started anew.
    fn send(&self, entry: &[u8]) -> io::Result<()> {
        self.socket.send_to(entry, &self.path).map(drop)
    }
}

impl<S: Subscriber> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let priority = priority(*metadata.level());
        let mut line = Line::default();
        event.record(&mut line);
        let Line { mut entry, message, rest } = line;
        let message = message + &rest;
        entry.put("MESSAGE", &message);
        entry.put("PRIORITY", priority);
        entry.put("SYSLOG_IDENTIFIER", env!("CARGO_PKG_NAME"));
        entry.put("TARGET", metadata.target());
        if let Some((file, line)) = metadata.file().zip(metadata.line()) {
            entry.put("CODE_FILE", file);
            entry.put("CODE_LINE", &line.to_string());
        }
        if self.send(&entry.0).is_err() {
            // The service manager reads standard error, too; there is nobody else to be told.
            let _ = writeln!(io::stderr(), "<{priority}>{message}");
        }
    }
}

/// As syslog has them.
const fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "3",
        Level::WARN => "4",
        Level::INFO => "6",
        Level::DEBUG | Level::TRACE => "7",
    }
}

/// The fields of an entry, in the form in which they are sent.
#[derive(Default)]
struct Entry(Vec<u8>);

impl Entry {
    /// With its length, so that it may hold anything.
    fn put(&mut self, name: &str, value: &str) {
        let value = &value.as_bytes()[..value.floor_char_boundary(LONGEST)];
        self.0.extend_from_slice(name.as_bytes());
        self.0.push(b'\n');
        self.0.extend_from_slice(&u64::try_from(value.len()).unwrap_or_default().to_le_bytes());
        self.0.extend_from_slice(value);
        self.0.push(b'\n');
    }
}

/// One line of the log.
#[derive(Default)]
struct Line {
    entry: Entry,
    message: String,
    /// What follows the message where people read it.
    rest: String,
}

impl Line {
    fn field(&mut self, field: &Field, value: &str, shown: fmt::Arguments<'_>) {
        match field.name() {
            "message" => value.clone_into(&mut self.message),
            // From where a library that logs by other means has logged.
            name if name.starts_with("log.") => {}
            name => {
                // Writing to a text cannot fail.
                let _ = write!(self.rest, " {name}={shown}");
                self.entry.put(&format!("{PREFIX}{}", name.replace('.', "_").to_uppercase()), value);
            }
        }
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.field(field, value, format_args!("{value:?}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.field(field, &format!("{value:?}"), format_args!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::fd::AsFd;

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// A journal, as far as a program sees one.
    struct Stand {
        socket: UnixDatagram,
        path: PathBuf,
    }

    impl Stand {
        fn new() -> Self {
            let path = std::env::temp_dir().join(format!("jobalerts-{}.journal", uuid::Uuid::new_v4()));
            Self { socket: UnixDatagram::bind(&path).unwrap(), path }
        }

        /// The next entry.
        fn next(&self) -> BTreeMap<String, String> {
            let mut buffer = vec![0; 1 << 20];
            let length = self.socket.recv(&mut buffer).unwrap();
            let mut entry = &buffer[..length];
            let mut fields = BTreeMap::new();
            while !entry.is_empty() {
                let end = entry.iter().position(|octet| *octet == b'\n').unwrap();
                let (name, rest) = (&entry[..end], &entry[end + 1..]);
                let (length, rest) = rest.split_at(8);
                let length = usize::try_from(u64::from_le_bytes(length.try_into().unwrap())).unwrap();
                assert_eq!(rest[length], b'\n');
                let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
                assert_eq!(fields.insert(text(name), text(&rest[..length])), None, "each field once");
                entry = &rest[length + 1..];
            }
            fields
        }
    }

    impl Drop for Stand {
        fn drop(&mut self) {
            // Left behind it harms nobody.
            let _ = std::fs::remove_file(&self.path);
        }
    }

    #[test]
    fn a_line_is_an_entry_whose_fields_can_be_asked_for() {
        let stand = Stand::new();
        let journal = Journal::at(&stand.path).unwrap();
        assert_eq!(stand.next(), BTreeMap::new(), "it looks whether anybody listens");
        let subscriber = tracing_subscriber::registry().with(journal);
        tracing::subscriber::with_default(subscriber, || {
            let error = "line one\nline two";
            tracing::warn!(mail = 7, %error, cause = "a \"b\"", "a mail waits");
            tracing::info!(wait_ms = 5_u64, "goes on");
            tracing::error!(long = "ä".repeat(LONGEST), "cut");
            tracing::debug!("quiet");
        });
        let entry = stand.next();
        let shown: Vec<(&str, &str)> =
            entry.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            shown,
            [
                ("CODE_FILE", file!()),
                ("CODE_LINE", &*entry["CODE_LINE"]),
                ("JOBALERTS_CAUSE", "a \"b\""),
                ("JOBALERTS_ERROR", "line one\nline two"),
                ("JOBALERTS_MAIL", "7"),
                ("MESSAGE", "a mail waits mail=7 error=line one\nline two cause=\"a \\\"b\\\"\""),
                ("PRIORITY", "4"),
                ("SYSLOG_IDENTIFIER", "jobalerts"),
                ("TARGET", module_path!()),
            ]
        );
        assert!(entry["CODE_LINE"].parse::<u32>().unwrap() > 0);
        let entry = stand.next();
        assert_eq!((&*entry["PRIORITY"], &*entry["JOBALERTS_WAIT_MS"]), ("6", "5"));
        let entry = stand.next();
        assert_eq!((&*entry["PRIORITY"], entry["JOBALERTS_LONG"].len()), ("3", LONGEST));
        assert_eq!(stand.next()["PRIORITY"], "7");
    }

    #[test]
    fn the_journal_is_known_by_its_device_and_inode() {
        let stand = Stand::new();
        let (output, _other_end) = UnixDatagram::pair().unwrap();
        let file = std::fs::File::from(output.as_fd().try_clone_to_owned().unwrap()).metadata().unwrap();
        assert!(is(&format!("{}:{}", file.dev(), file.ino()), output.as_fd()).unwrap());
        assert!(!is(&format!("{}:{}", file.dev(), file.ino() + 1), output.as_fd()).unwrap());
        assert!(!is("", output.as_fd()).unwrap());
        drop(stand);
        assert!(Journal::at(Path::new("/nowhere/socket")).is_err());
    }
}
