//! One seat of the fleet: an account as the balancer sees it, with everything that decides whether it is asked. Pure. Knows no
//! other seat.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::accounts::breaker::{Breaker, BreakerView, Epoch, Signal};
use crate::accounts::cooldown::Cooldowns;
use crate::accounts::health::{Check, Health};
use crate::accounts::lacking::{LackView, Lacking};
use crate::accounts::paths::Paths;
use crate::accounts::{BreakerSettings, SeatSettings};
use crate::names::AccountId;
use crate::recent::Recent;

/// A seat for as long as the process runs: it keeps its number over a reload, and none is given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SeatNumber(pub(super) u64);

/// How an attempt ended, as far as the account is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// To a whole answer, or of a stream to its first event, it took this long.
    Success { latency: Duration },
    /// No connection, a time-out, 5xx, an answer that broke off.
    Outage,
    /// 429.
    Throttled { retry_after: Option<Duration> },
    /// 401 (`signature`) or 403.
    Refused { signature: bool },
    /// The account has nothing to sign with for now: no call was made.
    LockedOut,
    /// 404: the model is not there for this account.
    Missing,
    /// The request was wrong, or its client left: nothing about the account.
    Unknown,
}

/// An attempt that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) seat: SeatNumber,
    pub(super) model: Arc<str>,
    pub(super) epoch: Epoch,
    pub(super) began: Instant,
}

#[derive(Debug)]
pub(crate) struct Seat {
    number: SeatNumber,
    settings: SeatSettings,
    /// Why it can never serve before a reload: its key does not load.
    unusable: Option<String>,
    /// Why it has nothing to sign with for now: its token has expired, and there is no new one yet.
    locked_out: Option<String>,
    in_flight: u32,
    peak: u32,
    counts: Counts,
    /// Milliseconds.
    latencies: Recent,
    last_error: Option<(Instant, String)>,
    /// What `Strategy::Weighted` owes it.
    pub(super) credit: i64,
    breaker: Breaker,
    /// Attempts of an older epoch were made with other credentials or elsewhere, and say nothing about these.
    known_from: Epoch,
    health: Health,
    cooldowns: Cooldowns,
    lacking: Lacking,
}

/// What has happened since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Attempts, those under way included.
    pub(crate) requests: u64,
    pub(crate) successes: u64,
    // Attempts that failed through OCI or the account, by reason. What the request or its client did is neither.
    pub(crate) outages: u64,
    pub(crate) throttled: u64,
    pub(crate) refused: u64,
    pub(crate) missing: u64,
}

impl Counts {
    /// Attempts that failed, with the word for each reason.
    pub(crate) fn by_reason(&self) -> [(&'static str, u64); 4] {
        [
            ("outage", self.outages),
            ("throttled", self.throttled),
            ("refused", self.refused),
            ("missing", self.missing),
        ]
    }

    /// For whichever reason.
    pub(crate) fn failures(&self) -> u64 {
        self.outages + self.throttled + self.refused + self.missing
    }
}

/// A seat at one moment.
#[derive(Debug, Clone)]
pub(crate) struct SeatView {
    pub(crate) number: SeatNumber,
    pub(crate) settings: SeatSettings,
    /// Why no request goes there at all, whatever the breaker says.
    pub(crate) trouble: Option<String>,
    /// Why it has nothing to sign with for now.
    pub(crate) locked_out: Option<String>,
    pub(crate) is_usable: bool,
    pub(crate) in_flight: u32,
    pub(crate) peak: u32,
    pub(crate) counts: Counts,
    /// Of successful attempts, milliseconds.
    pub(crate) latencies: Recent,
    pub(crate) last_error: Option<(Instant, String)>,
    pub(crate) breaker: BreakerView,
    /// When all requests may go there again, where that is known.
    pub(crate) unavailable_until: Option<Instant>,
    /// Models that cool, and until when.
    pub(crate) cooldowns: Vec<(Arc<str>, Instant)>,
    /// Models that OCI has answered 404 for.
    pub(crate) lacking: Vec<LackView>,
    /// Models that others list and it does not.
    pub(crate) unlisted: Arc<BTreeSet<Arc<str>>>,
}

impl Seat {
    pub(super) fn new(
        number: SeatNumber,
        settings: SeatSettings,
        unusable: Option<String>,
        now: Instant,
    ) -> Self {
        let breaker = Breaker::new(now);
        Self {
            number,
            settings,
            unusable,
            locked_out: None,
            in_flight: 0,
            peak: 0,
            counts: Counts::default(),
            latencies: Recent::default(),
            last_error: None,
            credit: 0,
            known_from: breaker.epoch(),
            breaker,
            health: Health::new(),
            cooldowns: Cooldowns::default(),
            lacking: Lacking::default(),
        }
    }

    pub(crate) fn id(&self) -> &AccountId {
        &self.settings.id
    }

    pub(super) fn number(&self) -> SeatNumber {
        self.number
    }

    pub(crate) fn weight(&self) -> u32 {
        self.settings.weight.get()
    }

    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight
    }

    pub(super) fn is_usable(&self) -> bool {
        self.unusable.is_none()
    }

    /// Whether it can make such a call, whatever its health.
    pub(super) fn serves(&self, paths: Paths) -> bool {
        self.settings.paths.meet(paths)
    }

    pub(super) fn has_room(&self) -> bool {
        self.in_flight < self.settings.max_concurrency.get()
    }

    /// Whether a request may go there at all, be it that it has to wait for a slot.
    pub(super) fn takes_requests(&self, now: Instant) -> bool {
        self.is_usable() && self.is_well(now) && self.breaker.admits(now)
    }

    /// Whether a request for this model may.
    pub(super) fn admits(&self, model: &str, now: Instant) -> bool {
        self.takes_requests(now) && self.is_open_for(model, now) && !self.lacks(model, now)
    }

    /// Whether one for this model may although the model is not there.
    pub(super) fn is_trial_of_lacking(&self, model: &str, now: Instant) -> bool {
        let is_due = self.lacking.is_trial_due(model, now);
        is_due && self.takes_requests(now) && self.is_open_for(model, now)
    }

    /// Whether nothing but time or a slot is in its way.
    pub(super) fn is_healthy(&self, now: Instant) -> bool {
        self.is_usable() && self.is_well(now)
    }

    /// Whether it is known not to have this model.
    pub(super) fn lacks(&self, model: &str, now: Instant) -> bool {
        self.lacking.has(model, now)
    }

    /// Whether others list this model and it does not.
    pub(super) fn is_unlisted(&self, model: &str) -> bool {
        self.lacking.is_unlisted(model)
    }

    pub(super) fn set_unlisted(&mut self, models: BTreeSet<Arc<str>>) {
        self.lacking.set_unlisted(models);
    }

    /// It may have this model after all.
    pub(super) fn doubt_lacking(&mut self, model: &str, now: Instant) {
        self.lacking.doubt(model, now);
    }

    /// When it may take this model again, as far as that is known.
    pub(super) fn returns_at(&self, model: &str, now: Instant) -> Option<Instant> {
        if !self.is_usable() || self.locked_out.is_some() || self.lacks(model, now) {
            return None;
        }
        if self.health.trouble(now).is_some() {
            return self.health.retry_at(now);
        }
        let breaker = self.breaker.retry_at().filter(|until| now < *until);
        self.cooldowns.until(model, now).max(breaker)
    }

    /// When time alone changes what it admits.
    pub(super) fn next_change(&self, now: Instant) -> Option<Instant> {
        let breaker = self.breaker.retry_at().filter(|until| now < *until);
        [
            breaker,
            self.health.retry_at(now),
            self.cooldowns.next_end(now),
            self.lacking.next_end(now),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Takes a slot. The caller has looked whether there is one.
    pub(super) fn enter(&mut self, now: Instant) -> Epoch {
        debug_assert!(self.has_room(), "more in flight than the account allows");
        self.in_flight += 1;
        self.peak = self.peak.max(self.in_flight);
        self.counts.requests += 1;
        self.breaker.enter(now)
    }

    /// An attempt with this model begins.
    pub(super) fn tries(&mut self, model: &str, now: Instant) {
        self.lacking.tried(model, now);
    }

    /// A stream has begun to answer. `true`: what the seat admits may have changed.
    pub(super) fn answered(&mut self, grant: &mut Grant, now: Instant) -> bool {
        let before = grant.epoch;
        if before < self.known_from {
            return false;
        }
        grant.epoch = self.breaker.answered(before, now);
        let was_well = self.is_well_for(&grant.model, now);
        self.health.answered(grant.began);
        self.cooldowns.answered(&grant.model, grant.began);
        self.lacking.answered(&grant.model, grant.began);
        grant.epoch != before || !was_well
    }

    /// Gives the slot back. `true`: what the seat admits may have changed.
    pub(super) fn settle(
        &mut self,
        grant: &Grant,
        ending: Ending,
        why: Option<String>,
        settings: &BreakerSettings,
        now: Instant,
    ) -> bool {
        debug_assert!(self.in_flight > 0, "a slot was given back twice");
        self.in_flight = self.in_flight.saturating_sub(1);
        self.count(ending);
        if grant.epoch < self.known_from {
            return false;
        }
        if let Some(why) = why {
            self.last_error = Some((now, why));
        }
        let (signal, changed) = match ending {
            Ending::Success { .. } => {
                let was_well = self.is_well_for(&grant.model, now);
                self.health.answered(grant.began);
                self.cooldowns.answered(&grant.model, grant.began);
                self.lacking.answered(&grant.model, grant.began);
                (Signal::Success, !was_well)
            }
            Ending::Outage => (Signal::Failure, false),
            Ending::Throttled { retry_after } => {
                self.cooldowns
                    .throttled(&grant.model, retry_after, grant.began, now);
                (Signal::Unknown, true)
            }
            Ending::Refused { signature } => {
                let why = self.last_error.as_ref().map(|(_, why)| why.as_str());
                self.health
                    .refused(why.unwrap_or("refused"), signature, now);
                (Signal::Unknown, true)
            }
            Ending::LockedOut => {
                let why = self.last_error.as_ref().map(|(_, why)| why.clone());
                self.credential(Some(why.unwrap_or_default()), false);
                (Signal::Unknown, true)
            }
            Ending::Missing => {
                self.lacking.missing(&grant.model, grant.began, now);
                (Signal::Unknown, true)
            }
            Ending::Unknown => (Signal::Unknown, false),
        };
        self.breaker.record(grant.epoch, signal, settings, now) || changed
    }

    fn count(&mut self, ending: Ending) {
        match ending {
            Ending::Success { latency } => {
                self.counts.successes += 1;
                let millis = u32::try_from(latency.as_millis()).unwrap_or(u32::MAX);
                self.latencies.add(millis);
            }
            Ending::Outage => self.counts.outages += 1,
            Ending::Throttled { .. } => self.counts.throttled += 1,
            Ending::Refused { .. } | Ending::LockedOut => self.counts.refused += 1,
            Ending::Missing => self.counts.missing += 1,
            Ending::Unknown => {}
        }
    }

    pub(super) fn checked(&mut self, check: Check, now: Instant) {
        if let Check::Bad(why) = &check {
            self.last_error = Some((now, why.clone()));
        }
        self.health.checked(check);
    }

    /// Whether it has what it signs with now, or why not; `is_new`: it is another than before.
    pub(super) fn credential(&mut self, lacks: Option<String>, is_new: bool) {
        self.locked_out = lacks;
        if is_new {
            self.health.renewed();
        }
    }

    /// Forgets what speaks against it, but for a credential that is not there.
    pub(super) fn reset(&mut self, now: Instant) {
        self.breaker.reset(now);
        self.health.reset();
        self.cooldowns.clear();
        self.lacking.clear();
    }

    /// New settings for the same account. `is_new`: other credentials or another endpoint, about which nothing is known yet.
    pub(super) fn reconfigure(
        &mut self,
        settings: SeatSettings,
        unusable: Option<String>,
        is_new: bool,
        now: Instant,
    ) {
        self.settings = settings;
        self.unusable = unusable;
        // Earned with other weights.
        self.credit = 0;
        if is_new {
            self.reset(now);
            self.locked_out = None;
            self.lacking = Lacking::default();
            self.known_from = self.breaker.epoch();
        }
    }

    pub(super) fn view(&self, now: Instant) -> SeatView {
        let trouble = self.unusable.as_deref().or(self.locked_out.as_deref());
        let trouble = trouble.or(self.health.trouble(now));
        let breaker = self.breaker.view(now);
        let unavailable_until = match trouble {
            Some(_) => {
                let returns = self.is_usable() && self.locked_out.is_none();
                self.health.retry_at(now).filter(|_| returns)
            }
            None => breaker.retry_at.or_else(|| self.cooldowns.last_end(now)),
        };
        SeatView {
            number: self.number,
            settings: self.settings.clone(),
            trouble: trouble.map(str::to_owned),
            locked_out: self.locked_out.clone(),
            is_usable: self.is_usable(),
            in_flight: self.in_flight,
            peak: self.peak,
            counts: self.counts,
            latencies: self.latencies.clone(),
            last_error: self.last_error.clone(),
            breaker,
            unavailable_until,
            cooldowns: self.cooldowns.list(now),
            lacking: self.lacking.list(now),
            unlisted: self.lacking.unlisted(),
        }
    }

    fn is_well(&self, now: Instant) -> bool {
        self.locked_out.is_none() && self.health.trouble(now).is_none()
    }

    fn is_well_for(&self, model: &str, now: Instant) -> bool {
        self.is_well(now) && self.is_open_for(model, now) && !self.lacks(model, now)
    }

    fn is_open_for(&self, model: &str, now: Instant) -> bool {
        self.cooldowns.until(model, now).is_none()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail")]
pub(super) mod tests {
    use std::num::NonZeroU32;

    use super::*;

    /// A seat without a past.
    pub(in crate::accounts) fn seat(
        id: &str,
        weight: u32,
        max_concurrency: u32,
        now: Instant,
    ) -> Seat {
        let settings = settings(id, weight, max_concurrency);
        Seat::new(SeatNumber(0), settings, None, now)
    }

    pub(in crate::accounts) fn settings(
        id: &str,
        weight: u32,
        max_concurrency: u32,
    ) -> SeatSettings {
        SeatSettings {
            id: AccountId::new(id),
            weight: NonZeroU32::new(weight).unwrap(),
            max_concurrency: NonZeroU32::new(max_concurrency).unwrap(),
            paths: Paths::Either,
        }
    }
}
