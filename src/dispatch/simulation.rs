//! Thousands of random days of a fleet: accounts that fail in every way, clients in bursts that leave, reloads, resets, checks
//! and jumps of time. Pretended workers drive `Fleet`, `Journey` and `verdict` as `serve` and `slots` do, with a clock of their
//! own, and after every step `watch` compares what the fleet did with what the specification's §6 and §7 say. A day is made
//! from a seed; a failure prints it, and `SEED=… cargo test --lib simulation` runs that one.

mod day;
mod random;
mod tally;
mod watch;
mod worker;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::accounts::fleet::{Acquired, Ask, Fleet};
use crate::accounts::seat::{Ending, Grant, SeatNumber};
use crate::accounts::tried::Tried;
use crate::accounts::{FleetSettings, Strategy};
use crate::dispatch::simulation::day::{breaker, enlisted};
use crate::dispatch::simulation::random::Random;
use crate::dispatch::simulation::tally::Tally;
use crate::dispatch::simulation::world::World;

/// Days of the usual run, some seconds in a debug build.
const DAYS: u64 = 2000;
/// Days of the long run.
const MANY_DAYS: u64 = 100_000;

fn run(seed: u64) -> Tally {
    match catch_unwind(AssertUnwindSafe(|| World::new(seed).run())) {
        Ok(tally) => tally,
        Err(panic) => {
            eprintln!("this day went wrong: SEED={seed}");
            resume_unwind(panic)
        }
    }
}

/// Runs the days of these seeds on all cores.
fn run_all(seeds: std::ops::Range<u64>) -> Tally {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicU64::new(seeds.start);
    let work = || {
        let mut sum = Tally::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return sum;
            }
            sum.add(&run(seed));
        }
    };
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        running.into_iter().fold(Tally::default(), |mut sum, part| {
            match part.join() {
                Ok(part) => sum.add(&part),
                Err(panic) => resume_unwind(panic),
            }
            sum
        })
    })
}

#[test]
fn random_days_keep_every_promise() {
    if let Ok(seed) = std::env::var("SEED") {
        eprintln!("{:?}", run(seed.parse().unwrap()));
        return;
    }
    let tally = run_all(0..DAYS);
    eprintln!("{DAYS} days: {tally:?}");
    // What is never met is not tested.
    tally.met_everything();
}

#[test]
#[ignore = "runs for a minute or more: many more days, and how many of them a second"]
fn many_random_days() {
    let started = Instant::now();
    let tally = run_all(DAYS..DAYS + MANY_DAYS);
    let rate = MANY_DAYS as f64 / started.elapsed().as_secs_f64();
    eprintln!("{MANY_DAYS} days, {rate:.0} a second: {tally:?}");
}

/// A fleet with these weights and as many slots each.
fn fleet(strategy: Strategy, weights: &[u32], slots: u32, now: Instant) -> Fleet {
    let settings = FleetSettings {
        strategy,
        health_check_interval: None,
        breaker: breaker(5, Duration::from_secs(60)),
    };
    let mut fleet = Fleet::new(&settings, now);
    let accounts = weights.iter().zip(day::IDS);
    let accounts = accounts.map(|(weight, id)| enlisted(id, *weight, slots));
    fleet.reconfigure(&settings, accounts.collect(), now);
    fleet
}

/// The numbers of so many seats.
pub(super) fn seats(count: usize, now: Instant) -> Vec<SeatNumber> {
    let fleet = fleet(Strategy::RoundRobin, &vec![1; count], 1, now);
    let seats = fleet.view(now).seats.into_iter();
    seats.map(|seat| seat.number).collect()
}

fn ask(model: &str) -> Ask {
    Ask {
        model: Arc::from(model),
        paths: crate::accounts::paths::Paths::Either,
        tried: Tried::default(),
        repeat_from: None,
    }
}

/// One request after the other: the place of the account that served it.
fn serve(fleet: &mut Fleet, ending: Ending, now: Instant) -> usize {
    let Acquired::Granted(grant) = fleet.acquire(ask("m"), now) else {
        panic!("an idle fleet has a slot")
    };
    fleet.settle(&grant, ending, None, now);
    place(fleet, &grant, now)
}

fn place(fleet: &Fleet, grant: &Grant, now: Instant) -> usize {
    let seats = fleet.view(now).seats;
    let mut numbers = seats.iter().map(|seat| seat.number);
    numbers.position(|number| number == grant.seat).unwrap()
}

const SUCCESS: Ending = Ending::Success {
    latency: Duration::from_millis(10),
};

#[test]
fn weights_are_exact_in_every_window_and_proportional_among_those_left() {
    let now = Instant::now();
    for seed in 0..40 {
        let mut random = Random::new(seed);
        let weights: Vec<u32> = (0..random.between(2, 6))
            .map(|_| u32::try_from(random.between(1, 9)).unwrap())
            .collect();
        let sum = usize::try_from(weights.iter().sum::<u32>()).unwrap();
        let mut fleet = fleet(Strategy::Weighted, &weights, 3, now);
        let mut served = |count: usize, ending, now| -> Vec<usize> {
            (0..count).map(|_| serve(&mut fleet, ending, now)).collect()
        };
        let exact = |served: &[usize], why: &str| {
            for window in served.windows(sum) {
                for (at, weight) in weights.iter().enumerate() {
                    let got = window.iter().filter(|served| **served == at).count();
                    assert_eq!(got, *weight as usize, "{why}: SEED={seed} {weights:?}");
                }
            }
        };
        exact(&served(sum * 6, SUCCESS, now), "from the start");
        // One is out for a minute.
        let ending = Ending::Throttled {
            retry_after: Some(Duration::from_secs(60)),
        };
        let out = served(1, ending, now)[0];
        let left = u32::try_from(sum).unwrap() - weights[out];
        let rounds = 50;
        let without = served(left as usize * rounds, SUCCESS, now);
        for (at, weight) in weights.iter().enumerate() {
            let got = without.iter().filter(|served| **served == at).count();
            let expected = if at == out {
                0
            } else {
                *weight as usize * rounds
            };
            let off = got.abs_diff(expected);
            assert!(
                off <= 2 && (at != out || off == 0),
                "{got} of {expected}: SEED={seed} {weights:?}"
            );
        }
        // It is back: nobody catches up, and soon every window is exact again.
        let later = now + Duration::from_secs(60);
        let settling = served(sum * 2, SUCCESS, later);
        for (at, weight) in weights.iter().enumerate() {
            let got = settling.iter().filter(|served| **served == at).count();
            let off = got.abs_diff(2 * *weight as usize);
            assert!(off <= 2, "{off} too many or few: SEED={seed} {weights:?}");
        }
        exact(&served(sum * 6, SUCCESS, later), "after one was out");
    }
}

#[test]
fn nobody_starves_before_a_fleet_that_is_always_busy() {
    let mut now = Instant::now();
    for strategy in Strategy::ALL {
        let mut fleet = fleet(strategy, &[3, 1], 2, now);
        let mut busy: Vec<Grant> = Vec::new();
        while let Acquired::Granted(grant) = fleet.acquire(ask("m"), now) {
            busy.push(grant);
        }
        // The one that found it full waits, and for each slot that is freed two more come.
        let mut expected: Vec<_> = Vec::new();
        for round in 0..500 {
            for _ in 0..2 {
                match fleet.acquire(ask(["m", "n"][round % 2]), now) {
                    Acquired::Waiting(number) => expected.push(number),
                    other => panic!("{other:?} from a full fleet"),
                }
            }
            now += Duration::from_millis(10);
            let grant = busy.remove(0);
            fleet.settle(&grant, SUCCESS, None, now);
            for (number, answer) in fleet.take_woken() {
                busy.push(answer.unwrap());
                if round > 0 {
                    assert_eq!(number, expected.remove(0), "{strategy:?}");
                }
            }
            assert_eq!(busy.len(), 4, "{strategy:?}: a slot was left empty");
        }
    }
}
