//! AUTH PLAIN and LOGIN (RFC 4954).

use data_encoding::BASE64;

use super::{End, Session};
use crate::smtp::reply::Reply;
use crate::smtp::rule::Stage;
use crate::smtp::wire::Line;

impl Session<'_> {
    /// Whether the EHLO reply has AUTH in it.
    pub(super) fn offers_auth(&self) -> bool {
        !self.options().users.is_empty() && (self.wire.is_tls() || !self.options().tls_required)
    }

    pub(super) async fn authenticate(&mut self, mechanism: &str, initial: Option<String>) -> Result<(), End> {
        if self.options().users.is_empty() {
            return self.say(Reply::new(502, "5.5.1 Not implemented")).await;
        }
        if !self.offers_auth() {
            return self.say(Reply::new(538, "5.7.11 STARTTLS first")).await;
        }
        if self.helo.is_none() || self.transaction.is_some() || self.user.is_some() {
            return self.say(Reply::new(503, "5.5.1 Not now")).await;
        }
        let credentials = match mechanism {
            "PLAIN" => self.plain(initial).await?,
            "LOGIN" => self.login(initial).await?,
            _ => Err(Reply::new(504, "5.5.4 Mechanism not offered")),
        };
        let (user, password) = match credentials {
            Ok(credentials) => credentials,
            Err(reply) => return self.say(reply).await,
        };
        let known = self.options().users.iter().any(|(name, secret)| *name == user && *secret == password);
        let reply = if known {
            Reply::new(235, "2.7.0 Authenticated")
        } else {
            Reply::new(535, "5.7.8 Wrong user or password")
        };
        if self.answer(Stage::Auth, &[], reply).await? {
            self.user = Some(user.clone());
            self.shared.ledger.note(self.number, |connection| connection.user = Some(user));
        }
        Ok(())
    }

    /// User and password of PLAIN (RFC 4616).
    async fn plain(&mut self, initial: Option<String>) -> Result<Result<(String, String), Reply>, End> {
        let response = match initial {
            Some(initial) => decode(&initial),
            None => self.challenge("").await?,
        };
        Ok(response.and_then(|response| {
            let parts: Vec<&str> = response.split('\0').collect();
            match parts[..] {
                [_, user, password] => Ok((user.to_owned(), password.to_owned())),
                _ => Err(Reply::new(501, "5.5.2 Expected authorization, user and password")),
            }
        }))
    }

    /// User and password of LOGIN, which two challenges ask for.
    async fn login(&mut self, initial: Option<String>) -> Result<Result<(String, String), Reply>, End> {
        let user = match initial {
            Some(initial) => decode(&initial),
            None => self.challenge("Username:").await?,
        };
        let user = match user {
            Ok(user) => user,
            Err(reply) => return Ok(Err(reply)),
        };
        Ok(self.challenge("Password:").await?.map(|password| (user, password)))
    }

    /// The client's answer to a challenge.
    async fn challenge(&mut self, text: &str) -> Result<Result<String, Reply>, End> {
        self.say(Reply::new(334, BASE64.encode(text.as_bytes()))).await?;
        let Line::Text(line) = self.wire.line().await? else {
            return Ok(Err(Reply::new(500, "5.5.6 Not a line of base64")));
        };
        self.heard(&line);
        if line == b"*" {
            return Ok(Err(Reply::new(501, "5.7.0 Cancelled")));
        }
        Ok(decode(&String::from_utf8_lossy(&line)))
    }
}

/// A response; a lone `=` is an empty one (section 4).
fn decode(response: &str) -> Result<String, Reply> {
    let encoded = if response == "=" { "" } else { response };
    BASE64
        .decode(encoded.as_bytes())
        .ok()
        .and_then(|octets| String::from_utf8(octets).ok())
        .ok_or_else(|| Reply::new(501, "5.5.2 Not base64 of UTF-8"))
}
