//! Who gets the one trial of a half-open breaker, and what that means for the others.

use super::*;

#[test]
fn the_end_of_a_breakers_time_serves_one_and_its_answer_the_others() {
    let mut bench = Bench::new(&[("a", 5), ("b", 1)]);
    bench.fail("a", Ending::Outage);
    bench.take(fresh(), "b");
    let first = bench.wait(fresh());
    let second = bench.wait(fresh());
    bench.pass(seconds(30));
    let mut trial = bench.served(first, "a");
    assert_eq!(bench.view("a").breaker.state, BreakerState::HalfOpen);
    let third = bench.wait(fresh());
    bench.fleet.answered(&mut trial, bench.now);
    let numbers: Vec<_> = bench.fleet.take_woken().iter().map(|(n, _)| *n).collect();
    assert_eq!(numbers, [second, third]);
}

#[test]
fn a_trial_without_news_goes_to_the_next_waiter() {
    let mut bench = Bench::new(&[("a", 5), ("b", 1)]);
    bench.fail("a", Ending::Outage);
    bench.take(fresh(), "b");
    let waiters = [bench.wait(fresh()), bench.wait(fresh())];
    bench.pass(seconds(30));
    let trial = bench.served(waiters[0], "a");
    bench.settle(&trial, Ending::Unknown);
    bench.served(waiters[1], "a");
}

/// One straggler fills the account that two wait for, and only one of them can be its trial.
#[test]
fn who_waits_for_a_trial_that_another_one_gets_is_told() {
    let mut bench = Bench::new(&[("a", 2), ("b", 1)]);
    bench.fail("b", throttled(100));
    let stragglers = [bench.take(fresh(), "a"), bench.take(fresh(), "a")];
    bench.settle(&stragglers[0], Ending::Outage);
    let late = bench.acquire(fresh());
    assert!(matches!(late, Acquired::Denied(_)), "{late:?}");
    // One straggler is left and fills the account, which now has one slot.
    bench.enlist(vec![enlisted("a", 1), enlisted("b", 1)]);
    bench.pass(seconds(30));
    let first = bench.wait(fresh());
    let second = bench.wait(fresh());
    bench.succeed(&stragglers[1]);
    let woken = bench.fleet.take_woken();
    let found: Vec<_> = woken.iter().map(|(n, a)| (*n, a.is_ok())).collect();
    assert_eq!(found, [(first, true), (second, false)]);
    assert_eq!(bench.fleet.waiting(), 0);
}

#[test]
fn who_pauses_before_a_trial_that_another_one_gets_is_told() {
    let mut bench = Bench::new(&[("a", 2), ("b", 1)]);
    bench.fail("b", throttled(100));
    bench.fail("a", Ending::Outage);
    bench.now += seconds(30);
    let mut ask = bench.after(&[("a", true)]);
    ask.repeat_from = Some(bench.now + seconds(1));
    let pausing = bench.wait(ask);
    bench.take(fresh(), "a");
    let (number, answer) = bench.woken();
    assert_eq!((number, answer.is_err()), (pausing, true));
}

#[test]
fn who_stands_before_the_one_that_gets_the_trial_is_told_as_well() {
    let mut bench = Bench::new(&[("a", 2), ("b", 1)]);
    bench.fail("a", Ending::Outage);
    let b = bench.take(fresh(), "b");
    let mut ask = bench.after(&[("a", true)]);
    ask.repeat_from = Some(bench.now + seconds(40));
    let pausing = bench.wait(ask);
    let second = bench.wait(bench.after(&[("b", true)]));
    // The first one would go to `a` in ten seconds, the second one goes there now.
    bench.now += seconds(30);
    bench.settle(&b, throttled(60));
    let woken = bench.fleet.take_woken();
    let found: Vec<_> = woken.iter().map(|(n, a)| (*n, a.is_ok())).collect();
    assert_eq!(found, [(second, true), (pausing, false)]);
}
