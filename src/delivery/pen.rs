//! What writes the mails, and can be exchanged while they are written.

use std::sync::{Arc, PoisonError, RwLock};

use crate::compose::{Composer, Sender};
use crate::config::Config;
use crate::domain::taxonomy::Taxonomy;

/// The composer in use. A mail that is being written keeps the one that it was begun with.
#[derive(Debug, Clone)]
pub struct Pen(Arc<RwLock<Arc<Composer>>>);

impl Pen {
    /// With the templates as they are now.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the templates.
    pub fn new(config: &Config, taxonomy: &Arc<Taxonomy>) -> anyhow::Result<Self> {
        Ok(Self(Arc::new(RwLock::new(Arc::new(composer(config, taxonomy)?)))))
    }

    /// What the next mail is written with.
    #[must_use]
    pub fn composer(&self) -> Arc<Composer> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Another one, from the next mail on.
    pub fn exchange(&self, composer: Composer) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(composer);
    }
}

/// What writes mails by this configuration.
///
/// # Errors
///
/// Everything that is wrong with the templates, and that there is no key for tokens.
pub fn composer(config: &Config, taxonomy: &Arc<Taxonomy>) -> anyhow::Result<Composer> {
    let folder = config.templates.folder.as_deref();
    let sender = Sender::new(config, config.secrets.keys_of_tokens()?.clone());
    Composer::new(sender, Arc::clone(taxonomy), folder).map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("templates: {}", problems.join("; "))
    })
}
