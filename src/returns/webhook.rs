//! What a mail provider that does not send us mails back tells us by a signed call, in a shape that
//! is nobody's own: `{"kind": "bounce", "token": "...", "status": "5.1.1", "at": "2024-03-05T10:00:00Z"}`.
//! The token is that of the mail's return path.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::PgPool;

use crate::config::Secrets;
use crate::domain::bounce::Status;
use crate::domain::signature::{NotSigned, SigningKeys};
use crate::returns::{Rules, Taken, bounce, complaint, finish};
use crate::store;
use crate::store::returns::{Source, Whom};

/// A call that was believed. What else is in it is not looked at.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Call {
    kind: Kind,
    token: String,
    status: Option<String>,
    at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Bounce,
    Complaint,
}

/// Who may call us, and what is needed to know who is meant.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// What our tokens are signed with, and what suppressed addresses are known by.
    pub rules: Rules,
    /// What calls are signed with.
    pub keys: SigningKeys,
}

impl Webhook {
    /// The webhook of a configuration, if it has one.
    ///
    /// # Errors
    ///
    /// When another key is missing that it needs.
    pub fn new(secrets: &Secrets) -> anyhow::Result<Option<Self>> {
        let Some(file) = &secrets.webhook_keys else { return Ok(None) };
        Ok(Some(Self { rules: Rules::new(secrets)?, keys: file.secret.expose().clone() }))
    }
}

/// Why a call was not taken in.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It is not from who may call us.
    #[error(transparent)]
    NotSigned(#[from] NotSigned),
    /// It cannot be read.
    #[error(
        "expected kind (bounce or complaint), token, for a bounce a status such as 5.1.1, and if there is an at, a \
         time such as 2024-03-05T10:00:00Z"
    )]
    NotACall,
    /// Postgres is away: the same call can be made again.
    #[error(transparent)]
    Store(#[from] store::StoreError),
}

/// Takes in one call, and does all that follows from it in one transaction.
///
/// # Errors
///
/// When it is not signed or cannot be read, or Postgres is away; nothing is done then.
pub async fn take(
    pool: &PgPool,
    webhook: &Webhook,
    signature: &str,
    body: &[u8],
    now: DateTime<Utc>,
) -> Result<Taken, Refused> {
    let Webhook { rules, keys } = webhook;
    keys.verify(signature, body, now)?;
    let call: Call = serde_json::from_slice(body).map_err(|_| Refused::NotACall)?;
    let status: Option<Status> =
        call.status.map(|status| status.parse()).transpose().map_err(|_| Refused::NotACall)?;
    let source = Source::Webhook(call.at);
    let mut transaction = pool.begin().await.map_err(store::StoreError::from)?;
    let taken = match (call.kind, status, rules.tokens.bounced(&call.token, now)) {
        (Kind::Bounce, None, _) => return Err(Refused::NotACall),
        (_, _, Err(_)) => Taken::Forged,
        (Kind::Bounce, Some(status), Ok(mail)) => {
            bounce(&mut transaction, rules, mail, status, source, now).await?
        }
        (Kind::Complaint, _, Ok(mail)) => {
            complaint(&mut transaction, rules, Whom::Mail(mail), source, now).await?
        }
    };
    finish(&mut transaction, taken, now).await?;
    transaction.commit().await.map_err(store::StoreError::from)?;
    Ok(taken)
}
