//! How far OCI's clock is from this machine's, as the `Date` of its answers shows it, and what follows: by which time requests
//! are dated, and what the operator is told. A pure core: all times come in as arguments. Knows hosts by their names only.
//! Source: Oracle, *Request Signatures*: a date more than five minutes off is answered 401.
//!
//! Gateways and caches on the way may answer with dates of their own. So a measured date alone changes nothing: it is tried when
//! OCI refuses a request, and kept when OCI takes the request that was dated by it. What works is never changed.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

/// Seconds between two clocks from which on the operator is told: NTP keeps clocks within one, and OCI refuses at 300.
const TOLD_FROM: u64 = 30;

/// Seconds from which on a refusal may be the date's fault. Well below OCI's 300: a measurement can be short by as long as the
/// call took, and another try harms nobody.
const CORRECTED_FROM: u64 = 120;

/// Seconds up to which dates are corrected, a day: a clock that was set by the wrong time zone or date line is within it. What is
/// further off is no clock but a broken one, with which certificates do not work either, and a signature that is valid on another
/// day must not be had by sending a false date.
const CORRECTED_UP_TO: u64 = 24 * 60 * 60;

/// Between two lines of the log about clocks: servers behind one name may disagree.
const TELLING_PAUSE: Duration = Duration::from_secs(60);

/// Seconds that a clock of OCI is ahead of this machine's, negative: behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Skew(i64);

/// What is known of the clocks of the hosts that a client calls.
#[derive(Debug, Default)]
pub(super) struct Clocks(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// As many as there are endpoints in the configuration.
    hosts: HashMap<String, Host>,
    told_at: Option<Instant>,
}

#[derive(Debug, Default)]
struct Host {
    /// The latest measurement.
    measured: Option<Skew>,
    /// What requests are dated by: proven by an answer, or none.
    correction: Skew,
    /// What the operator knows; `None`: that the clocks agree.
    told: Option<Skew>,
}

/// What the operator should know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    Off(Skew),
    RightAgain,
}

impl Skew {
    /// What an answer's `Date` shows, which was made between `sent` and `received`. Of all that is possible the nearest to zero, so
    /// that an answer that takes its time shows no skew that is not there. `None`: the local clock was set back meanwhile.
    pub(super) fn measure(
        date: SystemTime,
        sent: SystemTime,
        received: SystemTime,
    ) -> Option<Self> {
        let (date, sent, received) = (seconds(date)?, seconds(sent)?, seconds(received)?);
        // A date names the second that it lies in: `date` is anything up to one more, and so are the others.
        let (least, most) = (date - received, date - sent);
        (least <= most).then(|| Self(0.clamp(least, most)))
    }

    /// Whether the operator should know.
    pub(crate) fn is_notable(self) -> bool {
        self.0.unsigned_abs() > TOLD_FROM
    }

    /// Whether requests can be dated by it.
    pub(crate) fn is_correctable(self) -> bool {
        self.0.unsigned_abs() <= CORRECTED_UP_TO
    }

    /// OCI's time when it is `here` on this machine.
    pub(super) fn there(self, here: SystemTime) -> SystemTime {
        let offset = Duration::from_secs(self.0.unsigned_abs());
        let there = if self.0 < 0 {
            here.checked_sub(offset)
        } else {
            here.checked_add(offset)
        };
        there.unwrap_or(here)
    }

    fn is_far_from(self, other: Self, seconds: u64) -> bool {
        self.0.abs_diff(other.0) > seconds
    }
}

/// As this machine's clock has it: `20 min 1 s behind OCI's`.
impl fmt::Display for Skew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.unsigned_abs();
        match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
            (0, 0, s) => write!(f, "{s} s")?,
            (0, m, s) => write!(f, "{m} min {s} s")?,
            (h, m, _) if h < 48 => write!(f, "{h} h {m} min")?,
            (h, _, _) => write!(f, "{} days", h / 24)?,
        }
        f.write_str(if self.0 < 0 {
            " ahead of OCI's"
        } else {
            " behind OCI's"
        })
    }
}

impl Clocks {
    /// Takes a measurement; what to tell of it.
    pub(super) fn measured(&self, host: &str, skew: Skew, now: Instant) -> Option<News> {
        let mut known = self.0.lock();
        let told_lately = known
            .told_at
            .is_some_and(|at| now.saturating_duration_since(at) < TELLING_PAUSE);
        let entry = known.hosts.entry(host.to_owned()).or_default();
        entry.measured = Some(skew);
        let news = match entry.told {
            None if skew.is_notable() => News::Off(skew),
            Some(told) if skew.is_notable() && skew.is_far_from(told, TOLD_FROM) => News::Off(skew),
            Some(_) if !skew.is_far_from(Skew::default(), TOLD_FROM / 2) => News::RightAgain,
            Some(_) | None => return None,
        };
        // The clock of one machine: what was told of one host goes for all that show the same.
        let mut others = known.hosts.iter().filter(|(name, _)| *name != host);
        let is_new = match news {
            News::Off(skew) => !others.any(|(_, other)| {
                other
                    .told
                    .is_some_and(|told| !told.is_far_from(skew, TOLD_FROM))
            }),
            News::RightAgain => !others.any(|(_, other)| other.told.is_some()),
        };
        if is_new && told_lately {
            // A later measurement tells it, if it is still so.
            return None;
        }
        if let Some(entry) = known.hosts.get_mut(host) {
            entry.told = match news {
                News::Off(skew) => Some(skew),
                News::RightAgain => None,
            };
        }
        if is_new {
            known.told_at = Some(now);
        }
        is_new.then_some(news)
    }

    /// What the latest answer of this host showed.
    pub(super) fn skew(&self, host: &str) -> Option<Skew> {
        self.0.lock().hosts.get(host)?.measured
    }

    /// By what requests to this host are dated.
    pub(super) fn correction(&self, host: &str) -> Skew {
        let known = self.0.lock();
        known
            .hosts
            .get(host)
            .map(|host| host.correction)
            .unwrap_or_default()
    }

    /// A correction that some host has taken; none, if nobody needed one.
    pub(super) fn proven(&self) -> Skew {
        let known = self.0.lock();
        let mut corrections = known.hosts.values().map(|host| host.correction);
        corrections
            .find(|skew| *skew != Skew::default())
            .unwrap_or_default()
    }

    /// A request that was dated by it was taken.
    pub(super) fn prove(&self, host: &str, correction: Skew) {
        let mut known = self.0.lock();
        known.hosts.entry(host.to_owned()).or_default().correction = correction;
    }
}

/// Another date to try when OCI refused a request that was dated by `used`; `None`: the date is not why. `measured` is what the
/// refusal showed; without it an old correction may have become wrong.
pub(super) fn another_try(used: Skew, measured: Option<Skew>) -> Option<Skew> {
    let right = measured
        .filter(|skew| skew.is_far_from(Skew::default(), CORRECTED_FROM))
        .unwrap_or_default();
    (right.is_correctable() && right.is_far_from(used, CORRECTED_FROM)).then_some(right)
}

/// Since 1970. `None` for what no clock shows.
fn seconds(time: SystemTime) -> Option<i64> {
    let (since, is_before) = match time.duration_since(UNIX_EPOCH) {
        Ok(since) => (since, false),
        Err(error) => (error.duration(), true),
    };
    let seconds = i64::try_from(since.as_secs()).ok()?;
    // Far from where the differences of two would overflow.
    let seconds = (seconds < i64::MAX / 4).then_some(seconds)?;
    Some(if is_before { -seconds } else { seconds })
}

#[cfg(test)]
mod tests;
