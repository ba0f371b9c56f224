//! The fleet: which account takes the next attempt, who waits for one, and what an attempt's end means for all. Pure: the
//! clock is passed in, and whoever was waiting and is served is listed for the caller to wake. Follows the specification's §6 and §7.
//!
//! Invariants: no account has more in flight than it allows; waiters are served in the order of arrival, as far as the freed
//! account fits them; after each call nobody waits who could be served or never will be; a fleet of one is never refused.

pub(crate) mod lacking;
mod line;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::accounts::budget::Budget;
use crate::accounts::health::Check;
use crate::accounts::paths::{Alone, Paths};
use crate::accounts::seat::{Ending, Grant, Seat, SeatNumber, SeatView};
use crate::accounts::strategy::choose;
use crate::accounts::tried::Tried;
use crate::accounts::{BreakerSettings, FleetSettings, SeatSettings, Strategy};
use crate::names::AccountId;

/// What a request asks for.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    /// The model's id at OCI.
    pub(crate) model: Arc<str>,
    /// The kinds of call that would do.
    pub(crate) paths: Paths,
    /// The seats that it has tried.
    pub(crate) tried: Tried,
    /// From when on it may go to a seat that it has tried, should no other one do; `None`: never.
    pub(crate) repeat_from: Option<Instant>,
}

/// A place in the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct WaitNumber(u64);

/// What a request gets at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Acquired {
    Granted(Grant),
    /// All that would do are busy: the answer comes through [`Fleet::take_woken`].
    Waiting(WaitNumber),
    Denied(NoAccount),
}

/// No account could serve the request now, were it idle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoAccount {
    /// The soonest return of one, if that is known.
    pub(crate) returns_at: Option<Instant>,
    /// No account of the fleet can make such a call at all, whatever its health.
    pub(crate) is_impossible: bool,
    /// All that could be asked are known not to have the model.
    pub(crate) is_missing: bool,
}

impl NoAccount {
    /// How long that is from now.
    pub(crate) fn returns_in(self, now: Instant) -> Option<Duration> {
        let at = self.returns_at?;
        Some(at.saturating_duration_since(now))
    }
}

/// Who waited, and what it gets.
pub(crate) type Woken = (WaitNumber, Result<Grant, NoAccount>);

/// An account as it is configured.
#[derive(Debug, Clone)]
pub(crate) struct Enlisted {
    pub(crate) settings: SeatSettings,
    /// Why it cannot serve, if its key does not load.
    pub(crate) unusable: Option<String>,
    /// Its credentials or its place differ from those that an account of this id had before.
    pub(crate) is_new: bool,
}

#[derive(Debug)]
pub(crate) struct Fleet {
    strategy: Strategy,
    breaker: BreakerSettings,
    seats: Vec<Seat>,
    alone: Alone,
    /// Where the strategy's next round begins.
    turn: usize,
    next_seat: u64,
    waiting: VecDeque<(WaitNumber, Ask)>,
    next_wait: u64,
    woken: Vec<Woken>,
    /// When time alone may change what somebody waits for.
    next_change: Option<Instant>,
    budget: Budget,
    in_flight: u32,
    peak: u32,
    peak_waiting: usize,
}

/// The fleet at one moment.
#[derive(Debug, Clone)]
pub(crate) struct FleetView {
    pub(crate) strategy: Strategy,
    pub(crate) breaker: BreakerSettings,
    pub(crate) seats: Vec<SeatView>,
    pub(crate) in_flight: u32,
    pub(crate) peak: u32,
}

/// What the strategy says to one request.
enum Pick {
    Seat(usize),
    Wait,
    Never(NoAccount),
}

impl Fleet {
    pub(crate) fn new(settings: &FleetSettings, now: Instant) -> Self {
        Self {
            strategy: settings.strategy,
            breaker: settings.breaker,
            seats: Vec::new(),
            alone: Alone::default(),
            turn: 0,
            next_seat: 0,
            waiting: VecDeque::new(),
            next_wait: 0,
            woken: Vec::new(),
            next_change: None,
            budget: Budget::new(now),
            in_flight: 0,
            peak: 0,
            peak_waiting: 0,
        }
    }

    /// The accounts from now on, at the start and at a reload. One that stays, by its id, keeps its counters, its attempts and,
    /// unless it `is_new`, its breaker. Returns the seats' numbers in the order of `accounts`.
    pub(crate) fn reconfigure(
        &mut self,
        settings: &FleetSettings,
        accounts: Vec<Enlisted>,
        now: Instant,
    ) -> Vec<SeatNumber> {
        self.strategy = settings.strategy;
        self.breaker = settings.breaker;
        let mut before = std::mem::take(&mut self.seats);
        for account in accounts {
            let stays = before
                .iter()
                .position(|seat| *seat.id() == account.settings.id);
            let seat = match stays.map(|at| before.swap_remove(at)) {
                Some(mut seat) => {
                    seat.reconfigure(account.settings, account.unusable, account.is_new, now);
                    seat
                }
                None => {
                    self.next_seat += 1;
                    Seat::new(
                        SeatNumber(self.next_seat),
                        account.settings,
                        account.unusable,
                        now,
                    )
                }
            };
            self.seats.push(seat);
        }
        self.turn = 0;
        self.alone = Alone::among(&self.seats);
        self.serve_waiting(now);
        self.seats.iter().map(Seat::number).collect()
    }

    /// A request has come that will ask: it adds to the retry budget.
    pub(crate) fn arrived(&mut self) {
        self.budget.request();
    }

    /// Whether one more attempt may be made that is not a request's first or second.
    pub(crate) fn draw_retry(&mut self, now: Instant) -> bool {
        self.budget.draw(now)
    }

    /// An attempt that was drawn is not made: nobody could serve it.
    pub(crate) fn refund_retry(&mut self) {
        self.budget.refund();
    }

    /// A slot, a place in the line, or the news that there is nobody.
    pub(crate) fn acquire(&mut self, ask: Ask, now: Instant) -> Acquired {
        self.advance(now);
        match self.pick(&ask, now) {
            Pick::Seat(at) => match self.grant(at, &ask.model, now) {
                Some(grant) => {
                    if self.is_trial(&grant, now) {
                        self.serve_waiting(now);
                    }
                    Acquired::Granted(grant)
                }
                None => Acquired::Denied(self.nobody(&ask.model, ask.paths, now)),
            },
            Pick::Never(denied) => Acquired::Denied(denied),
            Pick::Wait => {
                self.next_wait += 1;
                let number = WaitNumber(self.next_wait);
                self.waiting.push_back((number, ask));
                let waiting = self.waiting.len() - self.pausing(now);
                self.peak_waiting = self.peak_waiting.max(waiting);
                self.note_next_change(now);
                Acquired::Waiting(number)
            }
        }
    }

    /// Who waits no longer gets nothing.
    pub(crate) fn leave(&mut self, number: WaitNumber) {
        self.waiting.retain(|(waiting, _)| *waiting != number);
    }

    /// Time has passed: serves those who waited for a cooldown, a breaker or a pause to end.
    pub(crate) fn advance(&mut self, now: Instant) {
        if self.is_change_due(now) {
            self.serve_waiting(now);
        }
    }

    /// When [`Fleet::advance`] has something to do, if somebody waits for that.
    pub(crate) fn next_change(&self) -> Option<Instant> {
        self.next_change
    }

    /// Those who were served or refused since the last call.
    pub(crate) fn take_woken(&mut self) -> Vec<Woken> {
        std::mem::take(&mut self.woken)
    }

    /// The account of this attempt has begun to answer; `settle` tells how that ended.
    pub(crate) fn answered(&mut self, grant: &mut Grant, now: Instant) {
        let Some(seat) = self.seat(grant.seat) else {
            return;
        };
        let lacked = seat.lacks(&grant.model, now);
        if seat.answered(grant, now) {
            if lacked {
                self.found_again(&grant.model, now);
            }
            self.serve_waiting(now);
        }
    }

    /// An attempt has ended. `why`: what went wrong, for people.
    pub(crate) fn settle(
        &mut self,
        grant: &Grant,
        ending: Ending,
        why: Option<String>,
        now: Instant,
    ) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let breaker = self.breaker;
        // A seat that a reload has removed is gone, and its attempts end without it.
        let Some(seat) = self.seat(grant.seat) else {
            return;
        };
        let (lacked, succeeded) = (
            seat.lacks(&grant.model, now),
            matches!(ending, Ending::Success { .. }),
        );
        let changed = seat.settle(grant, ending, why, &breaker, now);
        if changed && lacked && succeeded {
            self.found_again(&grant.model, now);
        }
        if changed || self.is_change_due(now) {
            self.serve_waiting(now);
        } else {
            self.serve_one(now);
        }
    }

    /// Whether the account has what it signs with now, or why not; `is_new`: it is another than before.
    pub(crate) fn credential(
        &mut self,
        number: SeatNumber,
        lacks: Option<String>,
        is_new: bool,
        now: Instant,
    ) {
        if let Some(seat) = self.seat(number) {
            seat.credential(lacks, is_new);
            self.serve_waiting(now);
        }
    }

    /// A health check has ended.
    pub(crate) fn checked(&mut self, number: SeatNumber, check: Check, now: Instant) {
        if let Some(seat) = self.seat(number) {
            seat.checked(check, now);
            self.serve_waiting(now);
        }
    }

    /// Forgets breaker, cooldowns and health of one account or of all; the ids of those.
    pub(crate) fn reset(&mut self, only: Option<&AccountId>, now: Instant) -> Vec<AccountId> {
        let mut reset = Vec::new();
        for seat in &mut self.seats {
            if only.is_none_or(|id| id == seat.id()) {
                seat.reset(now);
                reset.push(seat.id().clone());
            }
        }
        self.serve_waiting(now);
        reset
    }

    /// Whether some account takes requests, and if not, when one will, if that is known.
    pub(crate) fn ready(&self, now: Instant) -> Result<(), NoAccount> {
        let alone = self.alone.of(Paths::Either);
        if alone.is_some() || self.seats.iter().any(|seat| seat.takes_requests(now)) {
            return Ok(());
        }
        // Of no model in particular.
        Err(self.nobody("", Paths::Either, now))
    }

    pub(crate) fn view(&self, now: Instant) -> FleetView {
        FleetView {
            strategy: self.strategy,
            breaker: self.breaker,
            seats: self.seats.iter().map(|seat| seat.view(now)).collect(),
            in_flight: self.in_flight,
            peak: self.peak,
        }
    }

    /// Requests that wait for a slot or pause.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Those among them that only let time pass before they ask again where they have been: no slot would help them, and
    /// they are in nobody's way.
    pub(crate) fn pausing(&self, now: Instant) -> usize {
        let pauses =
            |ask: &Ask| ask.repeat_from.is_some_and(|from| now < from) && !self.has_fresh(ask, now);
        self.waiting.iter().filter(|(_, ask)| pauses(ask)).count()
    }

    /// The most that ever waited for one at once.
    pub(crate) fn peak_waiting(&self) -> usize {
        self.peak_waiting
    }

    /// A fleet of one has tried the only account there is: what that has said is all there is to say.
    fn nobody(&self, model: &str, paths: Paths, now: Instant) -> NoAccount {
        let can = |seat: &&Seat| seat.serves(paths);
        let returns = self.seats.iter().filter(can);
        let returns = returns.filter_map(|seat| seat.returns_at(model, now));
        NoAccount {
            returns_at: returns.min().filter(|_| self.alone.of(paths).is_none()),
            is_impossible: !self.seats.iter().any(|seat| can(&seat)),
            is_missing: self.is_missing(model, paths, now),
        }
    }

    fn seat(&mut self, number: SeatNumber) -> Option<&mut Seat> {
        self.seats.iter_mut().find(|seat| seat.number() == number)
    }

    fn is_change_due(&self, now: Instant) -> bool {
        self.next_change.is_some_and(|change| change <= now)
    }

    /// Whether a seat that it has not tried admits it, be it that it is busy.
    fn has_fresh(&self, ask: &Ask, now: Instant) -> bool {
        let mut seats = self.seats.iter();
        let alone = self.alone.of(ask.paths);
        seats.any(|seat| is_fresh(seat, alone, ask, now))
    }

    fn pick(&mut self, ask: &Ask, now: Instant) -> Pick {
        let alone = self.alone.of(ask.paths);
        // Seats that it has not tried come first, be it that they are busy.
        if self.has_fresh(ask, now) {
            let fresh = |seat: &Seat| is_fresh(seat, alone, ask, now);
            let free = |seat: &Seat| fresh(seat) && seat.has_room();
            return choose(self.strategy, &mut self.turn, &mut self.seats, free)
                .map_or(Pick::Wait, Pick::Seat);
        }
        // Then those that it has tried least often.
        let tries = |seat: &Seat| {
            let times = ask.tried.repeatable(seat.number());
            times.filter(|_| admits(seat, alone, ask, now))
        };
        let least = self.seats.iter().filter_map(tries).min();
        let (Some(from), Some(least)) = (ask.repeat_from, least) else {
            let denied = |fleet: &Self| Pick::Never(fleet.nobody(&ask.model, ask.paths, now));
            let trial = self.pick_lacking(ask, now);
            return trial.unwrap_or_else(|| denied(self));
        };
        if now < from {
            return Pick::Wait;
        }
        let free = |seat: &Seat| tries(seat) == Some(least) && seat.has_room();
        choose(self.strategy, &mut self.turn, &mut self.seats, free).map_or(Pick::Wait, Pick::Seat)
    }

    fn grant(&mut self, at: usize, model: &Arc<str>, now: Instant) -> Option<Grant> {
        let seat = self.seats.get_mut(at)?;
        let epoch = seat.enter(now);
        seat.tries(model, now);
        let grant = Grant {
            seat: seat.number(),
            model: Arc::clone(model),
            epoch,
            began: now,
        };
        self.in_flight += 1;
        self.peak = self.peak.max(self.in_flight);
        Some(grant)
    }

    /// Whether the attempt that has just begun is a breaker's trial: nobody else is admitted there any more.
    fn is_trial(&mut self, grant: &Grant, now: Instant) -> bool {
        self.alone.of(Paths::Either) != Some(grant.seat)
            && self
                .seat(grant.seat)
                .is_some_and(|seat| !seat.takes_requests(now))
    }
}

/// An account that cannot make such a call is as if it were not there; a fleet of one admits whatever speaks against it.
fn admits(seat: &Seat, alone: Option<SeatNumber>, ask: &Ask, now: Instant) -> bool {
    seat.serves(ask.paths) && (alone == Some(seat.number()) || seat.admits(&ask.model, now))
}

fn is_fresh(seat: &Seat, alone: Option<SeatNumber>, ask: &Ask, now: Instant) -> bool {
    !ask.tried.contains(seat.number()) && admits(seat, alone, ask, now)
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may fail"
)]
mod tests;
