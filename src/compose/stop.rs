//! How a person stops the mails, from one of them: a link for people and for the button of their mail
//! program (RFC 8058), and an address for programs that write a mail instead (RFC 2369).

use url::Url;
use uuid::Uuid;

use crate::compose::Sender;
use crate::domain::token::StopToken;

/// Where one person stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// The page; the same link takes the POST of a mail program.
    pub page: Url,
    /// The address to write to.
    pub address: String,
}

impl Stop {
    /// For this person, from a mail whose subject can be stopped alone, or from one without.
    pub(super) fn new(sender: &Sender, person: Uuid, mail: Option<i64>) -> Self {
        let token = |mail| StopToken { person, mail }.sign(&sender.token_keys);
        Self {
            page: page(&sender.public_url, &token(mail)),
            // A token that names the mail does not fit into the local part of an address.
            address: sender.return_path.stop(&token(None)),
        }
    }

    /// For nobody, as long as a real one.
    pub(super) fn sample(sender: &Sender) -> Self {
        Self::new(sender, Uuid::nil(), Some(0))
    }
}

/// The page of a token, below the pages of the force.
fn page(public_url: &Url, token: &str) -> Url {
    let mut page = public_url.clone();
    if let Ok(mut path) = page.path_segments_mut() {
        path.pop_if_empty().extend(["stop", token]);
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_below_the_public_pages() {
        for (public, expected) in [
            ("https://careers.midshire.example", "https://careers.midshire.example/stop/abc"),
            ("https://www.midshire.example/alerts", "https://www.midshire.example/alerts/stop/abc"),
            ("https://www.midshire.example/alerts/", "https://www.midshire.example/alerts/stop/abc"),
        ] {
            assert_eq!(page(&public.parse().unwrap(), "abc").as_str(), expected);
        }
    }
}
