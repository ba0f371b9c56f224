//! Tables of what a request does after each attempt.

use std::num::NonZeroU32;

use Next::{Answer, Anywhere, Elsewhere};

use super::*;
use crate::accounts::fleet::{Enlisted, Fleet};
use crate::accounts::{BreakerSettings, FleetSettings, SeatSettings, Strategy};
use crate::names::AccountId;

const SETTINGS: DispatchSettings = DispatchSettings {
    request_timeout: Duration::from_secs(60),
    stream_idle_timeout: Duration::from_secs(120),
    queue_timeout: Duration::from_secs(30),
    retry_attempts: 3,
};

/// One request, of which the test tells when what happens, in milliseconds since its arrival.
struct Trip {
    journey: Journey,
    arrived: Instant,
    seats: Vec<SeatNumber>,
    /// What was taken out of the budget, and what is left in it.
    drawn: u32,
    left: u32,
}

impl Trip {
    fn new(settings: DispatchSettings) -> Self {
        let arrived = Instant::now();
        Self {
            journey: Journey::new(settings, Arc::from("m"), Paths::Native, 0, arrived),
            arrived,
            seats: seats(),
            drawn: 0,
            left: 100,
        }
    }

    fn at(&self, millis: u64) -> Instant {
        self.arrived + Duration::from_millis(millis)
    }

    /// An attempt starts; by when it must have answered.
    fn starts(&mut self, at: u64) -> u64 {
        let now = self.at(at);
        let by = self.journey.starts(now);
        self.millis(by)
    }

    /// The attempt on that seat has failed: does another one follow?
    fn fails(&mut self, at: u64, seat: usize, next: Next) -> bool {
        let now = self.at(at);
        let (drawn, left) = (&mut self.drawn, self.left);
        self.journey.failed(self.seats[seat], next, now, || {
            let allowed = *drawn < left;
            *drawn += u32::from(allowed);
            allowed
        })
    }

    fn mended(&mut self, at: u64) {
        let now = self.at(at);
        self.journey.mended(now);
    }

    fn waits_until(&self) -> u64 {
        self.millis(self.journey.wait_until())
    }

    fn repeats_from(&self) -> Option<u64> {
        self.journey.ask().repeat_from.map(|at| self.millis(at))
    }

    fn millis(&self, at: Instant) -> u64 {
        u64::try_from((at - self.arrived).as_millis()).unwrap()
    }
}

/// Numbers of four seats.
fn seats() -> Vec<SeatNumber> {
    let breaker = BreakerSettings {
        max_failures: 5,
        reset_timeout: Duration::from_secs(60),
        failure_rate: 0.6,
        min_requests: 10,
    };
    let settings = FleetSettings {
        strategy: Strategy::RoundRobin,
        health_check_interval: None,
        breaker,
    };
    let enlisted = |id: &str| Enlisted {
        settings: SeatSettings {
            id: AccountId::new(id),
            weight: NonZeroU32::MIN,
            max_concurrency: NonZeroU32::MIN,
            paths: Paths::Either,
        },
        unusable: None,
        is_new: false,
    };
    let now = Instant::now();
    let accounts = ["a", "b", "c", "d"].map(enlisted).into();
    Fleet::new(&settings, now).reconfigure(&settings, accounts, now)
}

#[test]
fn the_first_further_attempt_is_free_and_the_others_are_drawn() {
    let mut trip = Trip::new(SETTINGS);
    trip.left = 1;
    trip.starts(0);
    assert!(trip.fails(10, 0, Elsewhere));
    assert_eq!(trip.drawn, 0);
    trip.starts(10);
    assert!(trip.fails(20, 1, Anywhere));
    assert_eq!(trip.drawn, 1);
    trip.starts(20);
    assert!(!trip.fails(30, 2, Elsewhere));
    let ask = trip.journey.ask();
    assert_eq!(&*ask.model, "m");
    assert!((0..3).all(|seat| ask.tried.contains(trip.seats[seat])));
    assert!(!ask.tried.contains(trip.seats[3]));
    let repeatable = |seat: usize| ask.tried.repeatable(trip.seats[seat]);
    assert_eq!([repeatable(0), repeatable(1)], [None, Some(1)]);
}

#[test]
fn attempts_are_counted_and_what_is_not_made_draws_nothing() {
    for retry_attempts in 0..5 {
        let mut trip = Trip::new(DispatchSettings {
            retry_attempts,
            ..SETTINGS
        });
        let mut attempts = 1;
        trip.starts(0);
        while trip.fails(attempts, 0, Anywhere) {
            attempts += 1;
            trip.starts(attempts);
        }
        assert_eq!(attempts, u64::from(retry_attempts) + 1);
        assert_eq!(trip.drawn, retry_attempts.saturating_sub(1));
    }
}

#[test]
fn an_answer_ends_it() {
    let mut trip = Trip::new(SETTINGS);
    trip.starts(0);
    assert!(!trip.fails(1, 0, Answer));
    assert_eq!((trip.drawn, trip.repeats_from()), (0, None));
}

#[test]
fn pauses_grow_with_the_tries_of_one_account() {
    let mut trip = Trip::new(DispatchSettings {
        retry_attempts: 9,
        ..SETTINGS
    });
    trip.starts(0);
    for (failed, seat, pause) in [
        (1_000, 0, 250),
        (2_000, 0, 500),
        (4_000, 1, 250),
        (5_000, 0, 1_000),
        (8_000, 0, 2_000),
    ] {
        assert!(trip.fails(failed, seat, Anywhere));
        assert_eq!(trip.repeats_from(), Some(failed + pause));
        trip.starts(failed + pause);
    }
}

#[test]
fn an_attempt_that_took_all_the_time_fails_over_and_is_not_repeated() {
    let mut trip = Trip::new(SETTINGS);
    assert_eq!(trip.starts(5_000), 65_000);
    assert!(trip.journey.is_in_time(trip.at(64_999)));
    assert!(!trip.journey.is_in_time(trip.at(65_000)));
    assert!(trip.fails(65_000, 0, Anywhere));
    // To another account, as long as the whole stays within twice the time.
    assert_eq!(trip.repeats_from(), None);
    assert_eq!(trip.waits_until(), 90_000);
    assert_eq!(trip.starts(80_000), 125_000);
    assert!(!trip.fails(125_000, 1, Elsewhere));
    assert_eq!(trip.drawn, 0);
}

#[test]
fn nothing_starts_after_one_and_a_half_times_the_time() {
    let settings = DispatchSettings {
        queue_timeout: Duration::from_secs(600),
        ..SETTINGS
    };
    for (failed, latest) in [
        (1, Some(60_000)),
        (59_999, Some(60_000)),
        (60_000, Some(90_000)),
        (89_999, Some(90_000)),
        (90_000, None),
    ] {
        let mut trip = Trip::new(settings);
        trip.starts(0);
        assert_eq!(trip.fails(failed, 0, Elsewhere), latest.is_some());
        if let Some(latest) = latest {
            assert_eq!(trip.waits_until(), latest, "failed at {failed}");
            assert!(trip.starts(latest) <= 120_000);
        }
    }
}

#[test]
fn a_pause_that_would_end_too_late_is_none() {
    let mut trip = Trip::new(SETTINGS);
    trip.starts(0);
    assert!(trip.fails(59_749, 0, Anywhere));
    assert_eq!(trip.repeats_from(), Some(59_999));
    trip.starts(59_749);
    assert!(trip.fails(59_750, 1, Anywhere));
    assert_eq!(trip.repeats_from(), None);
}

#[test]
fn all_waits_together_are_bounded() {
    let mut trip = Trip::new(SETTINGS);
    assert_eq!(trip.waits_until(), 30_000);
    trip.starts(20_000);
    assert!(trip.fails(40_000, 0, Elsewhere));
    assert_eq!(trip.waits_until(), 50_000);
    trip.starts(48_000);
    assert!(trip.fails(50_000, 1, Elsewhere));
    assert_eq!(trip.waits_until(), 52_000);
}

#[test]
fn pauses_are_no_waits() {
    let mut trip = Trip::new(DispatchSettings {
        queue_timeout: Duration::from_secs(1),
        retry_attempts: 9,
        ..SETTINGS
    });
    trip.starts(400);
    // What is left is counted from the end of the pause.
    let mut now = 400;
    for pause in [250, 500, 1_000, 2_000, 4_000] {
        assert!(trip.fails(now, 0, Anywhere));
        assert_eq!(trip.waits_until(), now + pause + 600);
        now += pause;
        trip.starts(now);
    }
    assert!(trip.fails(now, 1, Anywhere));
    // A slot that came later than that was waited for.
    trip.starts(now + 250 + 500);
    assert!(trip.fails(now + 1_000, 2, Anywhere));
    assert_eq!(trip.waits_until(), now + 1_000 + 250 + 100);
}

#[test]
fn a_mended_request_starts_anew_within_the_same_time() {
    let mut trip = Trip::new(DispatchSettings {
        queue_timeout: Duration::from_secs(600),
        retry_attempts: 1,
        ..SETTINGS
    });
    trip.starts(0);
    trip.mended(50_000);
    assert_eq!(trip.waits_until(), 60_000);
    assert_eq!(trip.starts(59_999), 119_999);
    // It was no further attempt.
    assert!(trip.fails(60_000, 0, Elsewhere));
    assert_eq!((trip.drawn, trip.waits_until()), (0, 90_000));
}
