//! How many mails may be in hand: a few for each line, and where they leave
//! quickly as many as leave in a moment. A claim costs nearly the same for two
//! people as for sixty; but what is in hand long was read long ago.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, TryAcquireError};
use tokio::time::Instant;

/// Claimed mails for each line, at least: one being sent, and the next ones at hand.
const FOR_EACH_LINE: u32 = 4;
/// No more than this, unless there are so many lines.
const MOST: u32 = 512;
/// What is in hand leaves within this time, if it goes on as it did.
const AHEAD: Duration = Duration::from_millis(250);
/// For how long is counted how many leave.
const WINDOW: Duration = Duration::from_millis(100);

/// The places.
pub(super) struct Places {
    /// Those that may be taken.
    free: Arc<Semaphore>,
    /// Those that may not be taken now.
    kept_back: OwnedSemaphorePermit,
    least: u32,
    most: u32,
    pace: Pace,
}

impl Places {
    /// The places for so many lines.
    pub(super) fn new(lines: u32) -> Result<Self, TryAcquireError> {
        let least = lines * FOR_EACH_LINE;
        let most = least.max(MOST);
        let free = Arc::new(Semaphore::new(most as usize));
        let kept_back = Arc::clone(&free).try_acquire_many_owned(most - least)?;
        Ok(Self { free, kept_back, least, most, pace: Pace::default() })
    }

    /// Those that may be taken now, taken or not.
    pub(super) fn allowed(&self) -> u32 {
        self.most - u32::try_from(self.kept_back.num_permits()).unwrap_or(self.most)
    }

    /// Gives as many as leave in a moment, after so many mails have left by now.
    pub(super) fn adapt(&mut self, left: u64, now: Instant) {
        let wanted = self.pace.in_hand(left, now).clamp(self.least, self.most);
        let allowed = self.allowed();
        if wanted > allowed {
            drop(self.kept_back.split((wanted - allowed) as usize));
        } else {
            let fewer =
                u32::try_from(self.free.available_permits()).unwrap_or(u32::MAX).min(allowed - wanted);
            if let Ok(unused) = Arc::clone(&self.free).try_acquire_many_owned(fewer) {
                self.kept_back.merge(unused);
            }
        }
    }

    /// Waits for so many.
    pub(super) async fn take(&self, many: u32) -> Result<OwnedSemaphorePermit, AcquireError> {
        Arc::clone(&self.free).acquire_many_owned(many).await
    }

    /// Takes one, if one is free.
    pub(super) fn try_take(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.free).try_acquire_owned().ok()
    }
}

/// How fast mails leave.
#[derive(Debug, Default)]
struct Pace {
    /// In a second, of late.
    rate: f64,
    /// How many had left when it was last counted.
    counted: Option<(u64, Instant)>,
}

impl Pace {
    /// How many leave in a moment, after so many have left by now.
    fn in_hand(&mut self, left: u64, now: Instant) -> u32 {
        let (before, since) = *self.counted.get_or_insert((left, now));
        let within = now.saturating_duration_since(since);
        if within >= WINDOW {
            let more = u32::try_from(left.saturating_sub(before)).unwrap_or(u32::MAX);
            self.rate = f64::midpoint(self.rate, f64::from(more) / within.as_secs_f64());
            self.counted = Some((left, now));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
        let in_hand = (self.rate * AHEAD.as_secs_f64()) as u32;
        in_hand
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many leave in each tenth of a second; what is allowed after each.
    fn allowed(places: &mut Places, each: u64, tenths: u32, begin: Instant, left: &mut u64) -> Vec<u32> {
        let step = |tenth| {
            *left += each;
            places.adapt(*left, begin + tenth * WINDOW);
            places.allowed()
        };
        (1..=tenths).map(step).collect()
    }

    #[test]
    fn what_leaves_quickly_is_claimed_in_greater_numbers() {
        let mut places = Places::new(4).unwrap();
        assert_eq!(places.allowed(), 16);
        let (begin, mut left) = (Instant::now(), 0);
        places.adapt(0, begin);
        // 1,000 a second: 250 in a quarter of it.
        let faster = allowed(&mut places, 100, 8, begin, &mut left);
        assert!(faster.is_sorted() && faster[0] == 125 && faster[7] > 248, "{faster:?}");
        // 20 a second would be 5.
        let slower = allowed(&mut places, 2, 12, begin + 8 * WINDOW, &mut left);
        assert!(slower.is_sorted_by(|a, b| a >= b) && slower[11] == 16, "{slower:?}");
        let fastest = allowed(&mut places, 1_000_000, 3, begin + 20 * WINDOW, &mut left);
        assert_eq!(fastest.last(), Some(&MOST));
    }

    #[test]
    fn nothing_is_taken_from_who_has_it() {
        let mut places = Places::new(1).unwrap();
        let begin = Instant::now();
        places.adapt(0, begin);
        places.adapt(1_000, begin + WINDOW);
        let taken: Vec<_> = std::iter::from_fn(|| places.try_take()).collect();
        assert_eq!(taken.len(), 512);
        for tenth in 2..40 {
            places.adapt(1_000, begin + tenth * WINDOW);
            assert_eq!(places.allowed(), 512);
        }
        drop(taken);
        places.adapt(1_000, begin + 40 * WINDOW);
        assert_eq!(places.allowed(), 4);
        let taken: Vec<_> = std::iter::from_fn(|| places.try_take()).collect();
        assert_eq!(taken.len(), 4);
    }

    #[test]
    fn many_lines_have_places_for_each() {
        let places = Places::new(200).unwrap();
        assert_eq!(places.allowed(), 800);
    }
}
