//! The wall clock.

use std::time::SystemTime;

/// The time of day.
#[expect(
    clippy::disallowed_methods,
    reason = "the time of arrival is nobody's argument: the server is where it becomes known"
)]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}
