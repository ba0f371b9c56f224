//! Tables of what happens to a breaker, step by step.

use std::collections::HashMap;

use BreakerState::{Closed, HalfOpen, Open};
use Event::{Answers, Begins, End, Fails, IsRefused, NoNews, PassesAnyway, Reset, Succeeds, Wait};
use Signal::{Failure, Success, Unknown};

use super::*;

/// What happens to the breaker. Attempts that overlap have names.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// An attempt that is admitted and ends at once.
    Succeeds,
    Fails,
    NoNews,
    /// An attempt is not admitted, and not made.
    IsRefused,
    /// One that is admitted, and goes on.
    Begins(char),
    /// One that is not admitted, and is made all the same: a fleet of one.
    PassesAnyway(char),
    /// Its stream has begun.
    Answers(char),
    End(char, Signal),
    Reset,
    /// Nothing happens.
    Wait,
}

const SETTINGS: BreakerSettings = BreakerSettings {
    max_failures: 3,
    reset_timeout: Duration::from_secs(30),
    failure_rate: 0.5,
    min_requests: 10,
};

fn check(settings: &BreakerSettings, table: &[(u64, Event, BreakerState)]) -> BreakerView {
    let t0 = Instant::now();
    let mut breaker = Breaker::new(t0);
    let mut under_way = HashMap::new();
    let mut now = t0;
    for (row, (seconds, event, expected)) in table.iter().enumerate() {
        now = t0 + Duration::from_secs(*seconds);
        let admits = breaker.admits(now);
        let expects_admission = match event {
            Succeeds | Fails | NoNews | Begins(_) => Some(true),
            IsRefused | PassesAnyway(_) => Some(false),
            Answers(_) | End(..) | Reset | Wait => None,
        };
        if let Some(expected) = expects_admission {
            assert_eq!(admits, expected, "row {row}: {event:?} at {seconds} s");
        }
        match *event {
            Succeeds => pass(&mut breaker, Success, settings, now),
            Fails => pass(&mut breaker, Failure, settings, now),
            NoNews => pass(&mut breaker, Unknown, settings, now),
            Begins(name) | PassesAnyway(name) => {
                under_way.insert(name, breaker.enter(now));
            }
            Answers(name) => {
                let epoch = breaker.answered(under_way[&name], now);
                under_way.insert(name, epoch);
            }
            End(name, signal) => {
                let epoch = under_way.remove(&name).unwrap();
                let before = (breaker.state, breaker.epoch);
                let changed = breaker.record(epoch, signal, settings, now);
                let after = (breaker.state, breaker.epoch);
                assert_eq!(
                    changed,
                    before != after,
                    "row {row}: what it says of change"
                );
            }
            Reset => breaker.reset(now),
            IsRefused | Wait => {}
        }
        let found = breaker.view(now).state;
        assert_eq!(found, *expected, "row {row}: {event:?} at {seconds} s");
    }
    breaker.view(now)
}

fn pass(breaker: &mut Breaker, signal: Signal, settings: &BreakerSettings, now: Instant) {
    let epoch = breaker.enter(now);
    breaker.record(epoch, signal, settings, now);
}

#[test]
fn it_opens_at_max_failures_in_a_row_and_no_news_breaks_no_row() {
    let view = check(
        &SETTINGS,
        &[
            (0, Fails, Closed),
            (1, Fails, Closed),
            (2, Succeeds, Closed),
            (3, Fails, Closed),
            (4, Fails, Closed),
            (5, NoNews, Closed),
            (6, Fails, Open),
            (6, IsRefused, Open),
            (35, IsRefused, Open),
            (36, Wait, HalfOpen),
        ],
    );
    assert_eq!(view.trips, 1);
    assert_eq!(view.retry_at, None);
    assert_eq!((view.consecutive_failures, view.failures), (3, 5));
    assert_eq!(view.requests, 6);
}

#[test]
fn one_failure_may_be_enough() {
    let settings = BreakerSettings {
        max_failures: 1,
        ..SETTINGS
    };
    check(&settings, &[(0, Succeeds, Closed), (0, Fails, Open)]);
    let settings = BreakerSettings {
        failure_rate: 0.01,
        min_requests: 1,
        ..SETTINGS
    };
    check(&settings, &[(0, Succeeds, Closed), (0, Fails, Open)]);
}

#[test]
fn it_opens_by_the_rate_once_there_are_enough_requests() {
    check(
        &SETTINGS,
        &[
            (0, Fails, Closed),
            (1, Fails, Closed),
            (2, Succeeds, Closed),
            (3, Fails, Closed),
            (4, Succeeds, Closed),
            // No news is no request.
            (5, NoNews, Closed),
            (5, Fails, Closed),
            (6, Succeeds, Closed),
            (7, Succeeds, Closed),
            // Nine so far, five of them failures.
            (8, Fails, Closed),
            (9, Fails, Open),
        ],
    );
    // One failure fewer in ten is not enough.
    check(
        &SETTINGS,
        &[
            (0, Fails, Closed),
            (1, Succeeds, Closed),
            (2, Fails, Closed),
            (2, Succeeds, Closed),
            (3, Fails, Closed),
            (4, Succeeds, Closed),
            (5, Succeeds, Closed),
            (6, Succeeds, Closed),
            (7, Succeeds, Closed),
            (8, Fails, Closed),
            (9, Fails, Closed),
            (10, Succeeds, Closed),
            (11, Fails, Closed),
            (12, Fails, Open),
        ],
    );
}

#[test]
fn the_window_slides() {
    let settings = BreakerSettings {
        max_failures: 100,
        min_requests: 4,
        ..SETTINGS
    };
    let view = check(
        &settings,
        &[
            (0, Fails, Closed),
            (0, Fails, Closed),
            (30, Succeeds, Closed),
            // Of the four, two no longer count.
            (60, Fails, Closed),
            (61, Succeeds, Closed),
            (62, Fails, Open),
        ],
    );
    assert_eq!((view.requests, view.failures), (4, 2));
}

#[test]
fn half_open_it_admits_one_trial_whose_success_closes_it() {
    let view = check(
        &SETTINGS,
        &[
            (0, Fails, Closed),
            (0, Fails, Closed),
            (0, Fails, Open),
            (30, Begins('a'), HalfOpen),
            (31, IsRefused, HalfOpen),
            (500, IsRefused, HalfOpen),
            (501, End('a', Success), Closed),
            // Neither the row nor the window remembers what was before.
            (501, Fails, Closed),
            (501, Fails, Closed),
            (501, Fails, Open),
            (530, IsRefused, Open),
            (531, Succeeds, Closed),
        ],
    );
    assert_eq!((view.trips, view.opened_at, view.requests), (2, None, 0));
}

#[test]
fn from_the_second_failed_trial_on_it_stays_open_twice_as_long_each_time_up_to_ten_minutes() {
    let mut table = vec![(0, Fails, Closed), (0, Fails, Closed), (0, Fails, Open)];
    let mut at = 0;
    for length in [30, 30, 60, 120, 240, 480, 600, 600] {
        table.push((at + length - 1, IsRefused, Open));
        at += length;
        table.push((at, Fails, Open));
    }
    // A success ends the growth.
    table.extend([
        (at + 600, Succeeds, Closed),
        (at + 600, Fails, Closed),
        (at + 600, Fails, Closed),
        (at + 600, Fails, Open),
        (at + 629, IsRefused, Open),
        (at + 630, Fails, Open),
        (at + 659, IsRefused, Open),
        (at + 660, Fails, Open),
        (at + 719, IsRefused, Open),
        (at + 720, Succeeds, Closed),
    ]);
    let view = check(&SETTINGS, &table);
    assert_eq!(view.trips, 1 + 8 + 3);
}

#[test]
fn a_reset_timeout_over_ten_minutes_does_not_grow() {
    let settings = BreakerSettings {
        max_failures: 1,
        reset_timeout: Duration::from_secs(3600),
        ..SETTINGS
    };
    let mut table = vec![(0, Fails, Open)];
    for hour in 1..40 {
        table.push((hour * 3600 - 1, IsRefused, Open));
        table.push((hour * 3600, Fails, Open));
    }
    check(&settings, &table);
}

#[test]
fn what_began_before_the_last_change_decides_nothing() {
    let view = check(
        &SETTINGS,
        &[
            (0, Begins('a'), Closed),
            (0, Begins('b'), Closed),
            (0, Begins('c'), Closed),
            (0, Begins('d'), Closed),
            (1, Fails, Closed),
            (1, Fails, Closed),
            (1, Fails, Open),
            (2, End('a', Success), Open),
            (3, End('b', Failure), Open),
            (31, Begins('t'), HalfOpen),
            (32, Answers('c'), HalfOpen),
            (32, End('c', Success), HalfOpen),
            (33, IsRefused, HalfOpen),
            (34, End('t', Success), Closed),
            (35, Fails, Closed),
            (35, Fails, Closed),
            // Too late to be the third.
            (36, End('d', Failure), Closed),
        ],
    );
    assert_eq!((view.consecutive_failures, view.failures), (2, 2));
}

#[test]
fn a_trial_without_news_hands_the_trial_on() {
    check(
        &SETTINGS,
        &[
            (0, Fails, Closed),
            (0, Fails, Closed),
            (0, Fails, Open),
            (30, Begins('a'), HalfOpen),
            (31, End('a', Unknown), HalfOpen),
            (31, Begins('b'), HalfOpen),
            (31, IsRefused, HalfOpen),
            (32, End('b', Unknown), HalfOpen),
            (90, Begins('c'), HalfOpen),
            (91, End('c', Failure), Open),
            // It was the first failed trial.
            (120, IsRefused, Open),
            (121, Succeeds, Closed),
        ],
    );
}

#[test]
fn a_trial_that_begins_to_answer_closes_it_and_a_break_afterwards_counts() {
    let view = check(
        &SETTINGS,
        &[
            (0, Fails, Closed),
            (0, Fails, Closed),
            (0, Fails, Open),
            (30, Begins('a'), HalfOpen),
            (31, Answers('a'), Closed),
            (32, Begins('b'), Closed),
            (33, End('a', Failure), Closed),
            (34, End('b', Success), Closed),
            (35, Begins('c'), Closed),
            (35, Answers('c'), Closed),
            (36, End('c', Failure), Closed),
        ],
    );
    assert_eq!((view.consecutive_failures, view.failures), (1, 2));
}

/// An account whose streams all begin and all break is out for longer each time: what has not come to its end is no success.
#[test]
fn the_growth_goes_on_until_an_answer_comes_to_its_end() {
    let settings = BreakerSettings {
        max_failures: 1,
        ..SETTINGS
    };
    let mut table = vec![(0, Fails, Open)];
    let mut at = 0;
    for length in [30, 30, 60, 120, 240, 480, 600] {
        table.push((at + length - 1, IsRefused, Open));
        at += length;
        table.push((at, Begins('a'), HalfOpen));
        table.push((at, Answers('a'), Closed));
        table.push((at, End('a', Failure), Open));
    }
    at += 600;
    table.extend([
        (at, Begins('a'), HalfOpen),
        (at, Answers('a'), Closed),
        (at, End('a', Success), Closed),
        (at, Fails, Open),
        (at + 29, IsRefused, Open),
        (at + 30, Fails, Open),
        (at + 59, IsRefused, Open),
        (at + 60, Succeeds, Closed),
    ]);
    check(&settings, &table);
}

#[test]
fn a_reset_closes_it_and_forgets_all_but_the_trips() {
    let view = check(
        &SETTINGS,
        &[
            (0, Fails, Closed),
            (0, Fails, Closed),
            (0, Reset, Closed),
            (0, Fails, Closed),
            (0, Fails, Closed),
            (0, Fails, Open),
            (30, Fails, Open),
            (60, Fails, Open),
            (61, Reset, Closed),
            (61, Begins('a'), Closed),
            (61, Fails, Closed),
            (61, Fails, Closed),
            (61, Fails, Open),
            (91, Begins('t'), HalfOpen),
            (92, Reset, Closed),
            // Of the time before.
            (93, End('t', Failure), Closed),
            (93, End('a', Failure), Closed),
        ],
    );
    assert_eq!((view.trips, view.consecutive_failures), (4, 0));
    assert_eq!((view.opened_at, view.retry_at), (None, None));
}

#[test]
fn a_fleet_of_one_passes_while_it_is_open() {
    check(
        &SETTINGS,
        &[
            (0, Fails, Closed),
            (0, Fails, Closed),
            (0, Fails, Open),
            // Failures prolong nothing, and a success closes it before its time.
            (1, PassesAnyway('a'), Open),
            (2, PassesAnyway('b'), Open),
            (3, PassesAnyway('c'), Open),
            (4, End('a', Failure), Open),
            (5, End('b', Unknown), Open),
            (29, IsRefused, Open),
            (30, Begins('d'), HalfOpen),
            (31, PassesAnyway('e'), HalfOpen),
            (32, End('c', Failure), HalfOpen),
            (33, End('e', Success), Closed),
            (34, End('d', Failure), Closed),
            (35, Fails, Closed),
            (35, Fails, Closed),
            (35, Fails, Open),
            (36, PassesAnyway('f'), Open),
            (37, Answers('f'), Open),
            (38, End('f', Success), Closed),
        ],
    );
}

#[test]
fn it_says_when_it_admits_somebody_again() {
    let t0 = Instant::now();
    let mut breaker = Breaker::new(t0);
    assert_eq!(breaker.retry_at(), None);
    let settings = BreakerSettings {
        max_failures: 1,
        ..SETTINGS
    };
    let epoch = breaker.enter(t0);
    assert!(breaker.record(epoch, Failure, &settings, t0));
    let until = t0 + settings.reset_timeout;
    assert_eq!(breaker.retry_at(), Some(until));
    assert_eq!(breaker.view(t0).retry_at, Some(until));
    assert_eq!(breaker.view(t0).opened_at, Some(t0));
    breaker.enter(until);
    assert_eq!(breaker.retry_at(), None);
    assert_eq!(breaker.view(until).opened_at, Some(t0));
}
