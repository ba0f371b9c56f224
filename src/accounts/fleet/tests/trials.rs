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
