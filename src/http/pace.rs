//! How fast a client takes its answer, and when it is too slow. A client that reads nothing, or next to nothing, holds a
//! worker and a call to OCI for as long as it likes: the sockets on the way are full, and everybody waits for it. Only
//! waiting counts, so that an answer that is slow by itself is never taken for a slow client. Pure.

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

/// Longest wait of one write, after which it is looked how long the client has taken nothing. A write that waits in vain after
/// it could place a part of its bytes tells of the part, and not of the wait: the limit itself as its time-out would count
/// twice.
const WRITE_TICK: Duration = Duration::from_secs(1);
/// Longest wait for a client to take anything at all.
const STALL: Duration = Duration::from_secs(30);
/// After this much waiting, in all, a client must have taken [`MIN_BYTES`].
const WINDOW: Duration = Duration::from_secs(60);
/// 512 bytes a second: what Apache asks of who sends a body. A model writes faster, and so does the slowest telephone read.
const MIN_BYTES: usize = 30 * 1024;
/// Longest answer, from its first byte to its last. Longer than a worker lets a stream be, which ends it with a word.
const MAX_AGE: Duration = Duration::from_secs(65 * 60);

/// What a client must keep to while it reads. The same for all; tests are less patient.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PaceLimits {
    pub(crate) stall: Duration,
    pub(crate) window: Duration,
    pub(crate) min_bytes: usize,
    pub(crate) max_age: Duration,
}

impl Default for PaceLimits {
    fn default() -> Self {
        Self {
            stall: STALL,
            window: WINDOW,
            min_bytes: MIN_BYTES,
            max_age: MAX_AGE,
        }
    }
}

impl PaceLimits {
    /// How long one write may wait.
    pub(crate) fn write_timeout(&self) -> Duration {
        self.stall.min(WRITE_TICK)
    }
}

/// The pace of one client in one answer.
#[derive(Debug)]
pub(crate) struct Pace {
    limits: PaceLimits,
    /// When the first byte was offered.
    begun: Option<Instant>,
    /// Since when it has taken nothing of what it was offered.
    stalled: Option<Instant>,
    /// Of the current window.
    waited: Duration,
    taken: usize,
}

/// Why a client is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TooSlow {
    /// It took nothing for so long.
    Stalled(Duration),
    /// It took so few bytes while so much time was waited for it.
    Trickle { taken: usize, waited: Duration },
    /// The answer takes longer than any may.
    Old(Duration),
}

impl Pace {
    pub(crate) fn new(limits: PaceLimits) -> Self {
        Self {
            limits,
            begun: None,
            stalled: None,
            waited: Duration::ZERO,
            taken: 0,
        }
    }

    /// Another answer begins.
    pub(crate) fn restart(&mut self) {
        *self = Self::new(self.limits);
    }

    /// The client took `bytes`, perhaps none, of what it was offered at `offered`.
    ///
    /// # Errors
    /// It is too slow.
    pub(crate) fn took(
        &mut self,
        bytes: usize,
        offered: Instant,
        now: Instant,
    ) -> Result<(), TooSlow> {
        let begun = *self.begun.get_or_insert(offered);
        if now.saturating_duration_since(begun) >= self.limits.max_age {
            return Err(TooSlow::Old(self.limits.max_age));
        }
        if bytes > 0 {
            self.stalled = None;
        } else if now.saturating_duration_since(*self.stalled.get_or_insert(offered))
            >= self.limits.stall
        {
            return Err(TooSlow::Stalled(self.limits.stall));
        }
        self.waited += now.saturating_duration_since(offered);
        self.taken = self.taken.saturating_add(bytes);
        if self.waited < self.limits.window {
            return Ok(());
        }
        let (taken, waited) = (self.taken, self.waited);
        (self.taken, self.waited) = (0, Duration::ZERO);
        if taken < self.limits.min_bytes {
            Err(TooSlow::Trickle { taken, waited })
        } else {
            Ok(())
        }
    }
}

impl fmt::Display for TooSlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stalled(wait) => write!(f, "the client read nothing for {} s", wait.as_secs()),
            Self::Trickle { taken, waited } => write!(
                f,
                "the client read only {taken} bytes while {} s were waited for it",
                waited.as_secs()
            ),
            Self::Old(age) => write!(f, "the answer took longer than {} s", age.as_secs()),
        }
    }
}

impl From<TooSlow> for io::Error {
    fn from(why: TooSlow) -> Self {
        Self::new(io::ErrorKind::TimedOut, why.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// What becomes of a client that takes `bytes` after each wait of `wait`, offered every `every`.
    fn follow(bytes: usize, wait: Duration, every: Duration, times: u32) -> Result<(), TooSlow> {
        let (t0, mut pace) = (Instant::now(), Pace::new(PaceLimits::default()));
        for time in 0..times {
            let offered = t0 + every * time;
            pace.took(bytes, offered, offered + wait)?;
        }
        Ok(())
    }

    #[test]
    fn a_client_that_trickles_is_cut_off_after_a_window_of_waiting() {
        let trickle = follow(1000, 10 * SECOND, 10 * SECOND, 6);
        let expected = TooSlow::Trickle {
            taken: 6000,
            waited: WINDOW,
        };
        assert_eq!(trickle, Err(expected));
        assert_eq!(follow(1000, 10 * SECOND, 10 * SECOND, 5), Ok(()));
        assert_eq!(follow(MIN_BYTES / 6, 10 * SECOND, 10 * SECOND, 300), Ok(()));
        assert!(follow(MIN_BYTES / 6 - 1, 10 * SECOND, 10 * SECOND, 6).is_err());
    }

    #[test]
    fn a_client_that_takes_nothing_is_cut_off_sooner() {
        let (t0, mut pace) = (Instant::now(), Pace::new(PaceLimits::default()));
        // A part of the first piece, then nothing, a second at a time.
        assert_eq!(pace.took(1 << 20, t0, t0 + SECOND), Ok(()));
        for second in 1..30 {
            let offered = t0 + SECOND * second;
            assert_eq!(pace.took(0, offered, offered + SECOND), Ok(()), "{second}");
        }
        // One byte would be enough for now.
        let mut other = Pace::new(PaceLimits::default());
        assert_eq!(other.took(0, t0, t0 + 29 * SECOND), Ok(()));
        let later = t0 + 29 * SECOND;
        assert_eq!(other.took(1, later, later), Ok(()));
        assert_eq!(other.took(0, later, later + 29 * SECOND), Ok(()));

        let offered = t0 + 30 * SECOND;
        let expected = TooSlow::Stalled(STALL);
        assert_eq!(pace.took(0, offered, offered + SECOND), Err(expected));
    }

    #[test]
    fn an_answer_that_is_slow_by_itself_is_no_slow_client() {
        // An event of a few bytes a minute, taken at once.
        let millisecond = Duration::from_millis(1);
        assert_eq!(follow(20, millisecond, 60 * SECOND, 60), Ok(()));
    }

    #[test]
    fn no_answer_is_endless_and_the_next_one_begins_anew() {
        let old = follow(1 << 20, SECOND, 60 * SECOND, 66);
        assert_eq!(old, Err(TooSlow::Old(MAX_AGE)));
        let (t0, mut pace) = (Instant::now(), Pace::new(PaceLimits::default()));
        assert_eq!(pace.took(1, t0, t0 + 50 * SECOND), Ok(()));
        pace.restart();
        let later = t0 + 2 * MAX_AGE;
        assert_eq!(pace.took(1, later, later + 50 * SECOND), Ok(()));
    }
}
