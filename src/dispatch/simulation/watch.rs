//! What must hold after every step of a day, told from the outside: from the leases and requests of the simulation and from what
//! the fleet shows of each account, without the fleet's own way to choose.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::accounts::breaker::BreakerState;
use crate::accounts::fleet::{Fleet, WaitNumber};
use crate::accounts::lacking::TRIAL_PAUSE;
use crate::accounts::seat::{SeatNumber, SeatView};
use crate::dispatch::simulation::world::{Request, World};

/// The longest that a 404 counts.
const LONGEST_LACK: Duration = Duration::from_secs(3600);

#[derive(Default)]
pub(super) struct Watch {
    /// The only account that can start, if there is just one.
    alone: Option<SeatNumber>,
    /// Half-open, and whether somebody is its trial is not known: a fleet of one does not care, and it was one.
    unsure: HashSet<SeatNumber>,
    alone_changed: bool,
    /// What an account may have in flight: its limit, or what it had when that was lowered.
    ceilings: HashMap<SeatNumber, u32>,
    /// Attempts that each account has been given.
    given: HashMap<SeatNumber, u64>,
    /// From when on an account may be tried for a model that it does not have, as was shown last.
    trials_from: HashMap<(SeatNumber, Arc<str>), Instant>,
}

/// What the fleet shows, and who is a trial.
struct Scene<'a> {
    seats: &'a [SeatView],
    alone: Option<SeatNumber>,
    trials: HashMap<SeatNumber, usize>,
    now: Instant,
}

impl Watch {
    pub(super) fn reloaded(&mut self, alone: Option<SeatNumber>) {
        self.alone_changed = self.alone != alone;
        self.alone = alone;
    }

    /// After a step in which these leases, of these requests that waited or did not, were given, and these requests refused.
    pub(super) fn look(
        &mut self,
        world: &mut World,
        is_settled: bool,
        granted: &[(u64, usize, Option<WaitNumber>)],
        denied: &[(usize, bool)],
    ) {
        let now = world.now;
        let view = world.fleet.view(now);
        self.mark_trials(world, &view.seats, granted);
        self.check_limits(world, &view.seats, granted);
        self.check_lacking(world, &view.seats, granted);
        assert_eq!(view.in_flight as usize, world.leases.len());
        assert!(world.leases.len() <= world.workers);
        assert_eq!(world.fleet.waiting(), world.waiting.len());
        assert!(world.drawn <= world.most_drawn(), "the budget is overdrawn");
        let is_due = world.fleet.next_change().is_some_and(|at| at <= now);
        let is_due = is_due && !world.waiting.is_empty();
        assert!(!(is_due && is_settled), "the next change is in the past");
        if !self.unsure.is_empty() {
            return;
        }
        let mut trials = HashMap::new();
        for lease in world.leases.values().filter(|lease| lease.is_trial) {
            *trials.entry(lease.grant.seat).or_insert(0) += 1;
        }
        assert!(
            trials.values().all(|count| *count == 1),
            "two trials at once"
        );
        let mut scene = Scene {
            seats: &view.seats,
            alone: self.alone,
            trials,
            now,
        };
        for (request, is_missing) in denied {
            scene.check_denied(&world.requests[*request], *is_missing);
        }
        if !is_due {
            for request in world.waiting.values() {
                scene.check_waiting(&world.requests[*request]);
            }
        }
        for (lease, request, number) in granted {
            scene.check_grant(world, *lease, *request, *number);
        }
    }

    /// At the end of the day: each account's counters agree with what it was given.
    pub(super) fn at_the_end(&self, fleet: &Fleet, now: Instant) {
        let view = fleet.view(now);
        assert_eq!(view.in_flight, 0);
        for seat in view.seats {
            let given = self.given.get(&seat.number).copied().unwrap_or_default();
            assert_eq!((seat.in_flight, seat.counts.requests), (0, given));
            assert!(seat.counts.successes + seat.counts.failures() <= given);
        }
    }

    fn mark_trials(
        &mut self,
        world: &mut World,
        seats: &[SeatView],
        granted: &[(u64, usize, Option<WaitNumber>)],
    ) {
        let half_open: HashSet<_> = seats
            .iter()
            .filter(|seat| seat.breaker.state == BreakerState::HalfOpen)
            .map(|seat| seat.number)
            .collect();
        if std::mem::take(&mut self.alone_changed) {
            self.unsure.extend(&half_open);
        }
        self.unsure.retain(|seat| half_open.contains(seat));
        for lease in world.leases.values_mut() {
            lease.is_trial &= half_open.contains(&lease.grant.seat);
        }
        for (lease, ..) in granted {
            let lease = world.leases.get_mut(lease).unwrap();
            let seat = lease.grant.seat;
            lease.is_trial = self.alone != Some(seat) && half_open.contains(&seat);
        }
    }

    /// An account gets a request for a model that it does not have only as a trial, and only one in a while.
    fn check_lacking(
        &mut self,
        world: &mut World,
        seats: &[SeatView],
        granted: &[(u64, usize, Option<WaitNumber>)],
    ) {
        let now = world.now;
        let before = std::mem::take(&mut self.trials_from);
        for seat in seats {
            for lack in &seat.lacking {
                assert!(lack.until <= now + LONGEST_LACK, "never forgotten");
                assert!(lack.trial_from <= now + TRIAL_PAUSE, "never doubted");
                let pair = (seat.number, Arc::clone(&lack.model));
                self.trials_from.insert(pair, lack.trial_from);
            }
        }
        let mut tried = HashSet::new();
        for (lease, request, _) in granted {
            let lease = world.leases.get_mut(lease).unwrap();
            let pair = (
                lease.grant.seat,
                Arc::clone(&world.requests[*request].model),
            );
            let shown = self.trials_from.get(&pair);
            lease.is_trial_of_lacking = shown.is_some() && self.alone != Some(pair.0);
            if lease.is_trial_of_lacking {
                world.tally.trials_of_lacking += 1;
                assert!(before[&pair] <= now, "it was tried just before");
                assert_eq!(shown, Some(&(now + TRIAL_PAUSE)));
                assert!(tried.insert(pair), "two at once");
            }
        }
    }

    fn check_limits(
        &mut self,
        world: &World,
        seats: &[SeatView],
        granted: &[(u64, usize, Option<WaitNumber>)],
    ) {
        let mut held: HashMap<SeatNumber, u32> = HashMap::new();
        for lease in world.leases.values() {
            *held.entry(lease.grant.seat).or_default() += 1;
        }
        let mut new = HashSet::new();
        for (lease, ..) in granted {
            let seat = world.leases[lease].grant.seat;
            new.insert(seat);
            *self.given.entry(seat).or_default() += 1;
        }
        for seat in seats {
            let held = held.get(&seat.number).copied().unwrap_or_default();
            assert_eq!(seat.in_flight, held, "not what the leases say");
            let limit = world.limits[&seat.number];
            let ceiling = self.ceilings.get(&seat.number).copied().unwrap_or(limit);
            assert!(held <= ceiling.max(limit), "{held} in flight of {limit}");
            assert!(held <= limit || !new.contains(&seat.number));
            self.ceilings.insert(seat.number, held.max(limit));
        }
    }
}

impl Scene<'_> {
    /// Whether the account admits such a request, had it a slot. `trials`: attempts that have just begun there as its trial and
    /// are not to be counted.
    fn admits(&self, seat: &SeatView, model: &Arc<str>, trials: usize) -> bool {
        if self.alone == Some(seat.number) {
            return true;
        }
        let under_way = self.trials.get(&seat.number).copied().unwrap_or_default();
        let breaker = match seat.breaker.state {
            BreakerState::Closed => true,
            BreakerState::Open => false,
            BreakerState::HalfOpen => under_way <= trials,
        };
        let cools = seat.cooldowns.iter().any(|(cooling, _)| cooling == model);
        seat.is_usable && seat.trouble.is_none() && !cools && breaker
    }

    /// Whether it is known not to have the model.
    fn lacks(&self, seat: &SeatView, model: &Arc<str>) -> bool {
        let learned = seat.lacking.iter().any(|lack| lack.model == *model);
        self.alone != Some(seat.number) && (learned || seat.unlisted.contains(model))
    }

    /// Accounts that do not have the model, of which one may be asked to see whether that is still so.
    fn lacking(&self, request: &Request, except: Option<SeatNumber>) -> Vec<&SeatView> {
        let may = |seat: &&SeatView| {
            let trials = usize::from(except == Some(seat.number));
            let learned = seat.lacking.iter();
            let mut learned = learned.filter(|lack| lack.model == request.model);
            let is_due = learned.any(|lack| lack.trial_from <= self.now);
            is_due
                && !seat.unlisted.contains(&request.model)
                && seat.in_flight < seat.settings.max_concurrency.get()
                && self.admits(seat, &request.model, trials)
        };
        let none_tried = request.tried.is_empty();
        let seats = self.seats.iter().filter(|_| none_tried);
        seats.filter(may).collect()
    }

    /// The accounts that this request may go to now, were they idle; `None`: it has to pause.
    fn candidates(&self, request: &Request, except: Option<SeatNumber>) -> Option<Vec<&SeatView>> {
        let admitted = self.seats.iter().filter(|seat| {
            let trials = usize::from(except == Some(seat.number));
            self.admits(seat, &request.model, trials) && !self.lacks(seat, &request.model)
        });
        let admitted: Vec<_> = admitted.collect();
        let fresh = |seat: &&&SeatView| !request.tried.contains_key(&seat.number);
        let untried: Vec<_> = admitted.iter().filter(fresh).copied().collect();
        if !untried.is_empty() {
            return Some(untried);
        }
        let times = |seat: &SeatView| match request.tried.get(&seat.number) {
            Some((times, true)) => Some(*times),
            Some((_, false)) | None => None,
        };
        let least = admitted.iter().filter_map(|seat| times(seat)).min();
        let (Some(from), Some(least)) = (request.repeat_from, least) else {
            return Some(self.lacking(request, except));
        };
        (self.now >= from).then(|| {
            let again = admitted.into_iter();
            again.filter(|seat| times(seat) == Some(least)).collect()
        })
    }

    fn check_denied(&self, request: &Request, is_missing: bool) {
        let candidates = self.candidates(request, None);
        let is_empty = candidates.is_some_and(|candidates| candidates.is_empty());
        assert!(is_empty, "refused, although there is an account");
        let asked = self.seats.iter().filter(|seat| {
            seat.is_usable && seat.trouble.is_none() && !seat.unlisted.contains(&request.model)
        });
        let learned = |seat: &&SeatView| {
            let mut learned = seat.lacking.iter();
            learned.any(|lack| lack.model == request.model)
        };
        let (count, lack) = (asked.clone().count(), asked.filter(learned).count());
        assert_eq!(is_missing, count > 0 && count == lack, "404 or 503");
    }

    fn check_waiting(&self, request: &Request) {
        let Some(candidates) = self.candidates(request, None) else {
            return;
        };
        assert!(
            !candidates.is_empty(),
            "it waits, and nobody can ever serve it"
        );
        let has_room = |seat: &&SeatView| seat.in_flight < seat.settings.max_concurrency.get();
        assert!(
            !candidates.iter().any(has_room),
            "it waits, and could be served"
        );
    }

    fn check_grant(
        &mut self,
        world: &World,
        lease: u64,
        request: usize,
        number: Option<WaitNumber>,
    ) {
        let lease = &world.leases[&lease];
        let seat = lease.grant.seat;
        // If it is a trial, whoever asks at this very moment finds the account taken; those who came before did not.
        let except = lease.is_trial.then_some(seat);
        let takes = |request: &Request| {
            let candidates = self.candidates(request, except);
            candidates.is_some_and(|candidates| candidates.iter().any(|other| other.number == seat))
        };
        let asked = &world.requests[request];
        if lease.is_trial_of_lacking {
            let others = self.candidates(asked, except).unwrap_or_default();
            let lacks = |seat: &&SeatView| self.lacks(seat, &asked.model);
            assert!(others.iter().all(lacks), "another account has the model");
            assert!(asked.tried.is_empty(), "another account was asked already");
        } else {
            assert!(takes(asked), "an account that it may not have");
        }
        for (other, waiting) in &world.waiting {
            let was_first = number.is_none_or(|number| *other < number);
            let overtaken = was_first && takes(&world.requests[*waiting]);
            assert!(!overtaken, "somebody who came later was served first");
        }
        if asked.jumped {
            return;
        }
        let timeout = asked.settings.request_timeout;
        match asked.started {
            None => assert!(self.now - asked.arrived <= asked.settings.queue_timeout),
            Some(started) => {
                assert!(self.now <= started + timeout * 3 / 2, "it starts too late");
                let is_repeated = asked.tried.contains_key(&seat);
                assert!(!is_repeated || self.now <= started + timeout);
            }
        }
    }
}
