//! One mail of a session: MAIL, RCPT, DATA (RFC 5321, section 3.3).

use std::sync::Arc;

use super::{End, Session};
use crate::clock;
use crate::smtp::mail::ReceivedMail;
use crate::smtp::options::{Extension, Options};
use crate::smtp::reply::Reply;
use crate::smtp::rule::Stage;
use crate::smtp::wire::Body;

/// A mail on its way: from MAIL to the final dot.
pub(super) struct Transaction {
    mail_from: String,
    mail_parameters: Vec<String>,
    rcpt_to: Vec<String>,
    refused_any: bool,
}

impl Session<'_> {
    pub(super) async fn mail(&mut self, from: String, parameters: Vec<String>) -> Result<(), End> {
        let options = self.options();
        if self.mails >= options.max_mails_per_connection {
            return self.say(Reply::new(421, "4.7.0 Enough for one connection")).await;
        }
        if self.helo.is_none() {
            return self.say(Reply::new(503, "5.5.1 EHLO first")).await;
        }
        if self.transaction.is_some() {
            return self.say(Reply::new(503, "5.5.1 One mail at a time")).await;
        }
        if options.tls_required && !self.wire.is_tls() {
            return self.say(Reply::new(530, "5.7.0 STARTTLS first")).await;
        }
        if options.auth_required && self.user.is_none() {
            return self.say(Reply::new(530, "5.7.0 Authentication required")).await;
        }
        if let Err(reply) = check_mail_parameters(options, &from, &parameters) {
            return self.say(reply).await;
        }
        if self.answer(Stage::Mail, &[], Reply::new(250, "2.1.0 Sender noted")).await? {
            self.shared.ledger.count(|tally| tally.transactions += 1);
            self.transaction = Some(Transaction {
                mail_from: from,
                mail_parameters: parameters,
                rcpt_to: Vec::new(),
                refused_any: false,
            });
        }
        Ok(())
    }

    pub(super) async fn rcpt(&mut self, to: String, parameters: &[String]) -> Result<(), End> {
        let Some(transaction) = &self.transaction else {
            return self.say(Reply::new(503, "5.5.1 MAIL first")).await;
        };
        if !parameters.is_empty() {
            return self.say(Reply::new(555, "5.5.4 Unknown parameter")).await;
        }
        if !to.is_ascii() && !transaction.declares("SMTPUTF8") {
            return self.say(Reply::new(553, "5.6.7 The address needs SMTPUTF8")).await;
        }
        if transaction.rcpt_to.len() >= self.options().max_recipients {
            return self.say(Reply::new(452, "4.5.3 Too many recipients")).await;
        }
        let mut recipient = [to];
        let accepted = self.answer(Stage::Rcpt, &recipient, Reply::new(250, "2.1.5 Recipient noted")).await?;
        if let Some(transaction) = &mut self.transaction {
            if accepted {
                transaction.rcpt_to.push(std::mem::take(&mut recipient[0]));
            } else {
                transaction.refused_any = true;
            }
        }
        Ok(())
    }

    pub(super) async fn data(&mut self) -> Result<(), End> {
        let Some(transaction) = self.transaction.take() else {
            return self.say(Reply::new(503, "5.5.1 MAIL first")).await;
        };
        if transaction.rcpt_to.is_empty() {
            let reply = if transaction.refused_any {
                Reply::new(554, "5.5.1 No valid recipients")
            } else {
                Reply::new(503, "5.5.1 RCPT first")
            };
            self.transaction = Some(transaction);
            return self.say(reply).await;
        }
        if !self
            .answer(Stage::Data, &transaction.rcpt_to, Reply::new(354, "End with a dot on a line"))
            .await?
        {
            self.transaction = Some(transaction);
            return Ok(());
        }
        if let Some(rule) = self.shared.rule(Stage::Body, &transaction.rcpt_to) {
            self.wire.readable().await?;
            if rule.ends_silently() {
                self.perform(&rule, Reply::new(250, "")).await?;
            }
        }
        let body = self.wire.body(self.options().max_size).await?;
        if let Err(reply) = check_body(self.options(), &transaction, &body) {
            return self.say(reply).await;
        }
        self.end_of_data(transaction, body.data).await
    }

    /// Takes responsibility for a mail, or does what the script has in its stead.
    async fn end_of_data(&mut self, transaction: Transaction, data: Vec<u8>) -> Result<(), End> {
        let recipients = transaction.rcpt_to.clone();
        let rule = self.shared.rule(Stage::EndOfData, &recipients);
        let mut reply = Reply::new(250, "2.0.0 Taken");
        let confirmed = rule.as_ref().is_none_or(|rule| rule.carries_out(&reply));
        if confirmed || rule.as_ref().is_some_and(|rule| rule.storing) {
            let mail = Arc::new(ReceivedMail {
                number: self.shared.next_mail(),
                mail_from: transaction.mail_from,
                mail_parameters: transaction.mail_parameters,
                rcpt_to: transaction.rcpt_to,
                data,
                received: clock::now(),
                connection: self.number,
                helo: self.helo.clone().unwrap_or_default(),
                tls: self.wire.is_tls(),
                user: self.user.clone(),
                confirmed,
            });
            let stored = self.options().sink.as_ref().map_or(Ok(()), |sink| sink.store(&mail));
            match stored {
                Ok(()) => self.shared.ledger.arrived(&mail, self.options().keeps_mails),
                Err(error) => reply = Reply::new(451, format!("4.3.0 Cannot store it: {error}")),
            }
        }
        self.mails += 1;
        match rule {
            Some(rule) => self.perform(&rule, reply).await.map(drop),
            None => self.say(reply).await,
        }
    }
}

impl Transaction {
    /// Whether the MAIL command had this parameter.
    fn declares(&self, parameter: &str) -> bool {
        self.mail_parameters.iter().any(|declared| declared.eq_ignore_ascii_case(parameter))
    }
}

/// Whether the parameters of a MAIL command are known, offered and acceptable.
fn check_mail_parameters(options: &Options, from: &str, parameters: &[String]) -> Result<(), Reply> {
    for parameter in parameters {
        let (name, value) =
            parameter.split_once('=').map_or((parameter.as_str(), None), |(name, value)| (name, Some(value)));
        let known = match (name.to_ascii_uppercase().as_str(), value) {
            ("BODY", Some(value)) => {
                let known = value.eq_ignore_ascii_case("7BIT") || value.eq_ignore_ascii_case("8BITMIME");
                known && options.offers(Extension::EightBitMime)
            }
            ("SMTPUTF8", None) => options.offers(Extension::SmtpUtf8),
            ("SIZE", Some(value)) => {
                let size: usize = value.parse().map_err(|_| Reply::new(501, "5.5.4 SIZE takes a number"))?;
                if size > options.max_size {
                    return Err(Reply::new(552, "5.3.4 Too large"));
                }
                options.offers(Extension::Size)
            }
            ("AUTH", Some(_)) => !options.users.is_empty(),
            _ => false,
        };
        if !known {
            return Err(Reply::new(555, "5.5.4 Unknown parameter"));
        }
    }
    let declared = parameters.iter().any(|parameter| parameter.eq_ignore_ascii_case("SMTPUTF8"));
    if from.is_ascii() || declared {
        Ok(())
    } else {
        Err(Reply::new(553, "5.6.7 The address needs SMTPUTF8"))
    }
}

/// Whether the content is what SMTP allows.
fn check_body(options: &Options, transaction: &Transaction, body: &Body) -> Result<(), Reply> {
    let eight_bit = transaction.declares("BODY=8BITMIME") || transaction.declares("SMTPUTF8");
    if body.too_large {
        Err(Reply::new(552, format!("5.3.4 Larger than {} octets", options.max_size)))
    } else if body.long_line {
        Err(Reply::new(554, "5.6.0 A line is longer than 998 octets"))
    } else if body.bare_line_end {
        Err(Reply::new(554, "5.6.0 A CR or an LF stands alone"))
    } else if !eight_bit && !body.data.is_ascii() {
        Err(Reply::new(554, "5.6.1 Eight-bit content without BODY=8BITMIME"))
    } else {
        Ok(())
    }
}
