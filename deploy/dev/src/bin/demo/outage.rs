//! Mail servers that take nothing for a while.

use std::sync::{Arc, Mutex, PoisonError};

use jobalerts_dev::smtp::{Rule, Stage};

/// For which domain the catcher takes no mails, if for any.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outage(Arc<Mutex<Option<&'static str>>>);

impl Outage {
    /// The mail server of a domain is full.
    pub(crate) fn begin(&self, domain: &'static str) {
        self.set(Some(domain));
    }

    /// It takes mails again.
    pub(crate) fn end(&self) {
        self.set(None);
    }

    /// What the catcher goes by.
    pub(crate) fn rule(&self) -> Rule {
        let outage = self.clone();
        Rule::at(Stage::Rcpt)
            .matching(move |recipient| outage.concerns(recipient))
            .reply(452, "4.2.2 The mailbox is full")
    }

    fn concerns(&self, recipient: &str) -> bool {
        let domain = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        domain.is_some_and(|domain| recipient.ends_with(domain))
    }

    fn set(&self, domain: Option<&'static str>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = domain;
    }
}

#[cfg(test)]
mod tests {
    use super::Outage;

    #[test]
    fn it_concerns_one_domain_while_it_lasts() {
        let outage = Outage::default();
        assert!(!outage.concerns("ann@fen.example.org"));
        outage.begin("@fen.example.org");
        assert!(outage.concerns("ann@fen.example.org") && !outage.concerns("ann@example.org"));
        outage.end();
        assert!(!outage.concerns("ann@fen.example.org"));
    }
}
