//! One session: the order of commands (RFC 5321, section 4.1.4) and the replies to them.

use std::io;

use tokio::net::TcpStream;

use super::command::{self, Command};
use super::ledger::Speaker;
use super::options::{Extension, Options, TlsMode};
use super::reply::Reply;
use super::rule::{Action, Rule, Stage};
use super::server::Shared;
use super::wire::{Line, Wire};

mod auth;
mod transaction;

use transaction::Transaction;

/// The session is over: by QUIT, by a rule, or because the client has gone.
struct End;

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self
    }
}

struct Session<'a> {
    shared: &'a Shared,
    wire: Wire,
    number: usize,
    helo: Option<String>,
    user: Option<String>,
    transaction: Option<Transaction>,
    mails: usize,
}

/// Serves one connection to its end.
pub(super) async fn run(shared: &Shared, stream: TcpStream, number: usize) {
    // Without it only the packets' timing changes.
    let _ = stream.set_nodelay(true);
    let wire = Wire::new(stream);
    let session = Session { shared, wire, number, helo: None, user: None, transaction: None, mails: 0 };
    // How a session ends is the client's business, or was the script's.
    let _ = session.serve().await;
}

impl Session<'_> {
    async fn serve(mut self) -> Result<(), End> {
        if let Some(rule) = self.shared.rule(Stage::Connect, &[])
            && !matches!(rule.action, Action::Normal)
        {
            self.perform(&rule, Reply::new(220, "")).await?;
            self.wire.shutdown().await?;
            return Err(End);
        }
        if let Some((TlsMode::Implicit, _)) = self.options().tls {
            self = self.start_tls().await?;
        }
        if self.shared.ledger.tally().open > self.options().max_connections {
            return self.say(Reply::new(421, "4.3.2 Too many connections")).await;
        }
        let greeting = Reply::new(220, format!("{} ESMTP", self.options().host));
        self.answer(Stage::Greeting, &[], greeting).await?;
        loop {
            let line = match self.wire.line().await? {
                Line::Text(line) => line,
                Line::TooLong => {
                    self.say(Reply::new(500, "5.5.2 Line too long")).await?;
                    continue;
                }
                Line::BareLineFeed => {
                    self.say(Reply::new(500, "5.5.2 A line ends with CR LF")).await?;
                    continue;
                }
            };
            self.heard(&line);
            match command::parse(&line) {
                Err(reply) => self.say(reply).await?,
                Ok(command) => self = self.obey(command).await?,
            }
        }
    }

    async fn obey(mut self, command: Command) -> Result<Self, End> {
        match command {
            Command::StartTls => return self.upgrade().await,
            Command::Helo(name) => self.hello(name, false).await?,
            Command::Ehlo(name) => self.hello(name, true).await?,
            Command::Auth { mechanism, initial } => self.authenticate(&mechanism, initial).await?,
            Command::Mail { from, parameters } => self.mail(from, parameters).await?,
            Command::Rcpt { to, parameters } => self.rcpt(to, &parameters).await?,
            Command::Data => self.data().await?,
            Command::Rset => {
                if self.answer(Stage::Rset, &[], Reply::new(250, "2.0.0 Forgotten")).await? {
                    self.transaction = None;
                }
            }
            Command::Noop => drop(self.answer(Stage::Noop, &[], Reply::new(250, "2.0.0 Still here")).await?),
            Command::Vrfy => self.say(Reply::new(252, "2.5.2 Cannot say, will take mail for it")).await?,
            Command::Help => self.say(Reply::new(214, "2.0.0 See RFC 5321")).await?,
            Command::Quit => {
                self.answer(Stage::Quit, &[], Reply::new(221, "2.0.0 Goodbye")).await?;
                self.wire.shutdown().await?;
                return Err(End);
            }
        }
        Ok(self)
    }

    async fn hello(&mut self, name: String, extended: bool) -> Result<(), End> {
        let text = if extended { self.capabilities(&name) } else { self.options().host.clone() };
        if self.answer(Stage::Ehlo, &[], Reply::new(250, text)).await? {
            self.helo = Some(name);
            self.transaction = None;
        }
        Ok(())
    }

    /// The text of the EHLO reply (section 4.1.1.1).
    fn capabilities(&self, name: &str) -> String {
        let options = self.options();
        let mut lines = vec![format!("{} greets {name}", options.host)];
        for (extension, keyword) in [
            (Extension::Pipelining, "PIPELINING".to_owned()),
            (Extension::EightBitMime, "8BITMIME".to_owned()),
            (Extension::SmtpUtf8, "SMTPUTF8".to_owned()),
            (Extension::EnhancedStatusCodes, "ENHANCEDSTATUSCODES".to_owned()),
            (Extension::Size, format!("SIZE {}", options.max_size)),
        ] {
            if options.offers(extension) {
                lines.push(keyword);
            }
        }
        if self.may_start_tls() {
            lines.push("STARTTLS".to_owned());
        }
        if self.offers_auth() {
            lines.push("AUTH PLAIN LOGIN".to_owned());
        }
        lines.join("\n")
    }

    async fn upgrade(mut self) -> Result<Self, End> {
        if !self.may_start_tls() || self.helo.is_none() || self.transaction.is_some() {
            self.say(Reply::new(503, "5.5.1 Not now")).await?;
            return Ok(self);
        }
        if !self.answer(Stage::StartTls, &[], Reply::new(220, "2.0.0 Go ahead")).await? {
            return Ok(self);
        }
        self.wire.flush().await?;
        // All that was said before is forgotten (RFC 3207, section 4.2).
        self.helo = None;
        self.user = None;
        self.start_tls().await
    }

    async fn start_tls(self) -> Result<Self, End> {
        let Some((_, acceptor)) = &self.options().tls else { return Ok(self) };
        let acceptor = acceptor.clone();
        let wire = self.wire.start_tls(&acceptor).await?;
        self.shared.ledger.note(self.number, |connection| connection.tls = true);
        Ok(Self { wire, ..self })
    }

    /// Gives the normal reply, or does what the script has in its stead; whether the command is carried out.
    async fn answer(&mut self, stage: Stage, recipients: &[String], normal: Reply) -> Result<bool, End> {
        if let Some(rule) = self.shared.rule(stage, recipients) {
            return self.perform(&rule, normal).await;
        }
        let done = normal.is_positive();
        self.say(normal).await.map(|()| done)
    }

    /// Does what a rule says; whether the command is carried out.
    async fn perform(&mut self, rule: &Rule, normal: Reply) -> Result<bool, End> {
        let done = rule.carries_out(&normal);
        match &rule.action {
            Action::Normal => self.send(normal, rule.dripping, rule.closing).await?,
            Action::Reply(reply) => self.send(reply.clone(), rule.dripping, rule.closing).await?,
            Action::Raw(octets) => {
                self.said(&String::from_utf8_lossy(octets));
                self.transmit(octets, rule.dripping, rule.closing).await?;
            }
            Action::Close => {
                self.wire.flush().await?;
                return Err(End);
            }
            Action::Reset => {
                self.wire.flush().await?;
                self.wire.reset_on_close()?;
                return Err(End);
            }
            Action::HalfClose => {
                self.wire.shutdown().await?;
                return Err(self.wire.drain().await.into());
            }
            Action::Hang => return Err(self.wire.drain().await.into()),
        }
        Ok(done)
    }

    /// Gives a reply no rule applies to; ends the session after a 421.
    async fn say(&mut self, reply: Reply) -> Result<(), End> {
        self.send(reply, false, false).await
    }

    async fn send(&mut self, reply: Reply, dripping: bool, closing: bool) -> Result<(), End> {
        let enhanced = self.options().offers(Extension::EnhancedStatusCodes);
        let reply = if enhanced { reply } else { reply.without_enhanced_code() };
        let lines = reply.lines();
        for line in &lines {
            self.said(line);
        }
        let octets = lines.iter().flat_map(|line| [line.as_str(), "\r\n"]).collect::<String>();
        self.transmit(octets.as_bytes(), dripping, closing || reply.code == 421).await
    }

    async fn transmit(&mut self, octets: &[u8], dripping: bool, closing: bool) -> Result<(), End> {
        if dripping {
            self.wire.drip(octets).await?;
        } else {
            self.wire.queue(octets);
        }
        if closing {
            self.wire.shutdown().await?;
            return Err(End);
        }
        Ok(())
    }

    fn options(&self) -> &Options {
        &self.shared.options
    }

    fn heard(&self, line: &[u8]) {
        self.shared.ledger.said(self.number, Speaker::Client, &String::from_utf8_lossy(line));
    }

    fn said(&self, line: &str) {
        self.shared.ledger.said(self.number, Speaker::Server, line);
    }

    fn may_start_tls(&self) -> bool {
        matches!(self.options().tls, Some((TlsMode::StartTls, _))) && !self.wire.is_tls()
    }
}
