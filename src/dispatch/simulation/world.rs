//! One random day: the clock, the events in their order, and the clients. What the workers do stands in `worker`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::accounts::fleet::{Fleet, WaitNumber};
use crate::accounts::paths::Paths;
use crate::accounts::seat::{Grant, SeatNumber};
use crate::dispatch::DispatchSettings;
use crate::dispatch::journey::Journey;
use crate::dispatch::simulation::day::{self, IDS, MODELS, Outage};
use crate::dispatch::simulation::random::Random;
use crate::dispatch::simulation::tally::{End, Tally};
use crate::dispatch::simulation::watch::Watch;
use crate::names::AccountId;
use crate::oci::error::OciError;

/// The longest time from the moment at which a waiter should wake up until its thread runs.
const WAKE_MICROS: u64 = 5_000;
/// The clocks of a day end here; whoever is not answered by then is lost.
const LONGEST: Duration = Duration::from_secs(30 * 86_400);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    Arrives,
    Leaves(usize),
    /// It has stood in the queue for too long.
    QueueTimeout(usize),
    /// It has waited for a slot for too long, in that wait of it.
    Deadline(usize, WaitNumber),
    /// A waiting thread wakes up because of `Fleet::next_change`.
    Tick,
    Begins(u64),
    Ends(u64),
    Reload,
    Reset,
    Check(usize),
    Jump,
    /// The accounts' lists of models have come.
    Lists,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Queued,
    /// A worker has it, and asks or has asked.
    Asking,
    Waiting(WaitNumber),
    Calling(u64),
    Over(End),
}

pub(super) struct Request {
    pub(super) settings: DispatchSettings,
    pub(super) arrived: Instant,
    pub(super) model: Arc<str>,
    pub(super) place: Place,
    pub(super) journey: Journey,
    /// What it has tried, how often, and whether it may be repeated: kept apart from what the journey keeps.
    pub(super) tried: BTreeMap<SeatNumber, (u32, bool)>,
    pub(super) repeat_from: Option<Instant>,
    pub(super) started: Option<Instant>,
    pub(super) attempts: u32,
    /// Attempts of which the request was at fault, and which do not count.
    pub(super) mended: u32,
    pub(super) drawn: u32,
    /// The clock has jumped since it came: its limits of time were missed through no fault of anybody.
    pub(super) jumped: bool,
}

pub(super) struct Lease {
    pub(super) grant: Grant,
    pub(super) request: usize,
    pub(super) answered: bool,
    /// It is the one attempt that a half-open breaker admits.
    pub(super) is_trial: bool,
    /// The account is known not to have the model, and is tried all the same.
    pub(super) is_trial_of_lacking: bool,
    pub(super) result: Option<Result<(), Option<OciError>>>,
    pub(super) began: Instant,
    pub(super) first_event: Option<Instant>,
}

pub(super) struct World {
    pub(super) random: Random,
    pub(super) now: Instant,
    pub(super) t0: Instant,
    pub(super) events: BinaryHeap<Reverse<(Instant, u64, Event)>>,
    pub(super) event_number: u64,
    pub(super) tick_at: Option<Instant>,
    pub(super) fleet: Fleet,
    pub(super) settings: DispatchSettings,
    /// Those in service, and whether they can start.
    pub(super) accounts: Vec<(AccountId, SeatNumber, bool)>,
    /// As configured last.
    pub(super) limits: HashMap<SeatNumber, u32>,
    pub(super) places: HashMap<SeatNumber, usize>,
    pub(super) outages: Vec<Outage>,
    pub(super) workers: usize,
    pub(super) idle: usize,
    pub(super) queue: VecDeque<usize>,
    pub(super) queue_size: usize,
    pub(super) requests: Vec<Request>,
    pub(super) waiting: BTreeMap<WaitNumber, usize>,
    pub(super) leases: BTreeMap<u64, Lease>,
    pub(super) next_lease: u64,
    pub(super) drawn: u64,
    pub(super) tally: Tally,
    pub(super) watch: Watch,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let t0 = Instant::now();
        // On a long day what a 404 has taught is put to the test, again and again.
        let longest = random.pick(&[60_000, 60_000, 60_000, 300_000]);
        let length = random.millis(2_000, longest);
        let fleet = day::fleet_settings(&mut random);
        let workers = usize::try_from(random.between(1, 16)).unwrap();
        let queue_size = random.between(1, 20) * random.pick(&[1, 1, 20]);
        let mut world = Self {
            now: t0,
            t0,
            events: BinaryHeap::new(),
            event_number: 0,
            tick_at: None,
            fleet: Fleet::new(&fleet, t0),
            settings: day::dispatch_settings(&mut random),
            accounts: Vec::new(),
            limits: HashMap::new(),
            places: HashMap::new(),
            outages: day::outages(&mut random, t0, length),
            workers,
            idle: workers,
            queue: VecDeque::new(),
            queue_size: usize::try_from(queue_size).unwrap(),
            requests: Vec::new(),
            waiting: BTreeMap::new(),
            leases: BTreeMap::new(),
            next_lease: 0,
            drawn: 0,
            tally: Tally::default(),
            watch: Watch::default(),
            random,
        };
        world.enlist(false);
        world.plan(length);
        world
    }

    /// Puts everything that comes from outside into the day.
    fn plan(&mut self, length: Duration) {
        let millis = u64::try_from(length.as_millis()).unwrap();
        let crowded = if day::is_stormy(&self.outages) { 50 } else { 2 };
        for _ in 0..self.random.between(1, 8) {
            let burst = self.random.millis(0, millis);
            let wide = self.random.pick(&[1, 100, 5_000]);
            let most = if self.random.chance(crowded) { 400 } else { 25 };
            for _ in 0..self.random.between(1, most) {
                let at = self.t0 + burst + self.random.millis(0, wide);
                self.at(at, Event::Arrives);
            }
        }
        let checks = self.random.chance(50);
        let interval = self.random.between(500, 10_000);
        for account in 0..IDS.len() {
            let mut at = self.random.between(0, 100);
            while checks && at < millis {
                self.at(self.t0 + Duration::from_millis(at), Event::Check(account));
                at += interval;
            }
        }
        for (event, percent) in [
            (Event::Reload, 40),
            (Event::Reset, 20),
            (Event::Jump, 15),
            (Event::Lists, 30),
        ] {
            while self.random.chance(percent) {
                let at = self.t0 + self.random.millis(0, millis);
                self.at(at, event);
            }
        }
    }

    pub(super) fn run(mut self) -> Tally {
        while let Some(Reverse((at, _, event))) = self.events.pop() {
            self.now = self.now.max(at);
            assert!(self.now - self.t0 < LONGEST, "a day without end");
            self.tally.steps += 1;
            self.happens(event);
            self.work();
            self.plan_tick();
        }
        assert_eq!(self.idle, self.workers, "a worker was lost");
        assert_eq!((self.queue.len(), self.waiting.len()), (0, 0));
        assert!(self.leases.is_empty(), "a slot was never given back");
        for request in &self.requests {
            let Place::Over(end) = request.place else {
                panic!("a request was lost: {:?}", request.place)
            };
            *self.tally.ends.entry(end).or_default() += 1;
        }
        self.watch.at_the_end(&self.fleet, self.now);
        self.tally
    }

    pub(super) fn at(&mut self, at: Instant, event: Event) {
        self.event_number += 1;
        self.events.push(Reverse((at, self.event_number, event)));
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Arrives => self.arrives(),
            Event::Leaves(request) => self.gives_up(request, End::Left),
            Event::QueueTimeout(request) => {
                if self.requests[request].place == Place::Queued {
                    self.gives_up(request, End::QueueTimeout);
                }
            }
            Event::Deadline(request, number) => {
                if self.requests[request].place == Place::Waiting(number) {
                    self.gives_up(request, End::QueueTimeout);
                }
            }
            Event::Tick => {
                self.tick_at = None;
                let now = self.now;
                self.fleet.advance(now);
                self.look(true, None);
            }
            Event::Begins(lease) => self.begins(lease),
            Event::Ends(lease) => self.ends(lease),
            Event::Reload => self.enlist(true),
            Event::Reset => {
                let all = self.random.chance(50);
                let id = AccountId::new(self.random.pick(&IDS));
                self.fleet.reset((!all).then_some(&id), self.now);
                self.look(true, None);
            }
            Event::Check(account) => {
                let trouble = day::trouble(&self.outages, account, self.now);
                let check = day::check(trouble, &mut self.random);
                let id = AccountId::new(IDS[account]);
                let found = self.accounts.iter().find(|(other, ..)| *other == id);
                // One whose key does not load needs no check.
                if let Some((_, number, true)) = found {
                    self.fleet.checked(*number, check, self.now);
                    self.look(true, None);
                }
            }
            Event::Lists => self.lists(),
            Event::Jump => {
                self.now += self.random.millis(100, 3_600_000);
                for request in &mut self.requests {
                    request.jumped = true;
                }
            }
        }
    }

    fn enlist(&mut self, is_reload: bool) {
        let settings = if is_reload {
            self.settings = day::dispatch_settings(&mut self.random);
            day::fleet_settings(&mut self.random)
        } else {
            let view = self.fleet.view(self.now);
            crate::accounts::FleetSettings {
                strategy: view.strategy,
                health_check_interval: None,
                breaker: view.breaker,
            }
        };
        let accounts = day::accounts(&mut self.random, is_reload);
        let numbers = self
            .fleet
            .reconfigure(&settings, accounts.clone(), self.now);
        let before = std::mem::take(&mut self.accounts);
        for (account, number) in accounts.iter().zip(numbers) {
            let id = account.settings.id.clone();
            let place = IDS.iter().position(|other| *other == id.as_str()).unwrap();
            self.places.insert(number, place);
            let limit = account.settings.max_concurrency.get();
            self.limits.insert(number, limit);
            if let Some((_, old, _)) = before.iter().find(|(other, ..)| *other == id) {
                assert_eq!(*old, number, "an account that stays has another number");
            }
            self.accounts.push((id, number, account.unusable.is_none()));
        }
        let mut usable = self.accounts.iter().filter(|(.., usable)| *usable);
        let alone = usable.next().map(|(_, number, _)| *number);
        let alone = alone.filter(|_| usable.next().is_none());
        self.watch.reloaded(alone);
        self.look(true, None);
    }

    /// Some accounts do not list what others do.
    fn lists(&mut self) {
        let mut unlisted = Vec::new();
        for (_, number, _) in &self.accounts {
            if self.random.chance(50) {
                let model = Arc::from(self.random.pick(&MODELS));
                unlisted.push((*number, BTreeSet::from([model])));
            }
        }
        self.fleet.set_unlisted(unlisted, self.now);
        self.look(true, None);
    }

    fn arrives(&mut self) {
        let model: Arc<str> = Arc::from(self.random.pick(&MODELS));
        let request = self.requests.len();
        let random = self.random.small(0, u32::MAX - 1);
        let journey = Journey::new(
            self.settings,
            Arc::clone(&model),
            Paths::Native,
            random,
            self.now,
        );
        let is_full = self.idle == 0 && self.queue.len() >= self.queue_size;
        self.tally.requests += 1;
        self.requests.push(Request {
            settings: self.settings,
            arrived: self.now,
            model,
            place: if is_full {
                Place::Over(End::QueueFull)
            } else {
                Place::Queued
            },
            journey,
            tried: BTreeMap::new(),
            repeat_from: None,
            started: None,
            attempts: 0,
            mended: 0,
            drawn: 0,
            jumped: false,
        });
        if is_full {
            return;
        }
        self.queue.push_back(request);
        let at = self.now + self.settings.queue_timeout;
        self.at(at, Event::QueueTimeout(request));
        if self.random.chance(15) {
            let at = self.now + self.random.millis(0, 6_000);
            self.at(at, Event::Leaves(request));
        }
    }

    /// A waiting thread sleeps until the next change, and wakes up a little later.
    fn plan_tick(&mut self) {
        let next = self.fleet.next_change();
        let Some(change) = next.filter(|_| !self.waiting.is_empty()) else {
            return;
        };
        if self.tick_at.is_none_or(|planned| change < planned) {
            let late = Duration::from_micros(self.random.between(0, WAKE_MICROS));
            let at = change.max(self.now) + late;
            self.tick_at = Some(at);
            self.at(at, Event::Tick);
        }
    }

    /// The bound of §6 on attempts that are not a request's first or second.
    pub(super) fn most_drawn(&self) -> u64 {
        let millis = u64::try_from((self.now - self.t0).as_millis()).unwrap();
        (100_000 + 200 * self.tally.requests + 10 * millis) / 1000
    }
}
