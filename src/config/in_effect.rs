//! Where everybody finds the configuration that is in effect, which may be another at the next step.

use std::sync::{Arc, PoisonError, RwLock};

use super::Config;

/// The configuration in effect, exchanged as a whole. Whoever has taken it goes by what they took.
#[derive(Debug, Clone)]
pub struct InEffect(Arc<RwLock<Arc<Config>>>);

impl InEffect {
    /// This one, until it is exchanged.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(config))))
    }

    /// The one at this moment.
    #[must_use]
    pub fn now(&self) -> Arc<Config> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The one at this moment, if it is not the one that is known.
    #[must_use]
    pub fn instead_of(&self, known: &Arc<Config>) -> Option<Arc<Config>> {
        Some(self.now()).filter(|now| !Arc::ptr_eq(now, known))
    }

    /// Another one, from now on.
    pub fn exchange(&self, config: Config) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }
}
