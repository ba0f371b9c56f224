//! When a request goes to an account that it has tried.

use super::*;

#[test]
fn an_account_is_asked_again_only_if_no_untried_one_is_admitted() {
    let mut bench = Bench::new(&[("a", 1), ("b", 1)]);
    let b = bench.take(bench.after(&[("a", true)]), "b");
    // A full one counts as admitted.
    let waiter = bench.wait(bench.after(&[("a", true)]));
    bench.nobody_woken();
    bench.settle(&b, throttled(10));
    let a = bench.served(waiter, "a");
    bench.succeed(&a);
    // What would not do better is not asked again.
    assert_eq!(bench.denied(bench.after(&[("a", false)])), Some(10));
    let mut ask = bench.after(&[("a", true)]);
    ask.repeat_from = None;
    assert_eq!(bench.denied(ask), Some(10));
}

#[test]
fn those_that_were_tried_least_are_asked_again_first() {
    let mut bench = Bench::new(&[("a", 1), ("b", 1), ("c", 1)]);
    let tried = [("a", true), ("a", true), ("b", true), ("c", true)];
    let b = bench.take(bench.after(&tried), "b");
    bench.take(bench.after(&tried), "c");
    let waiter = bench.wait(bench.after(&tried));
    bench.succeed(&b);
    let b = bench.served(waiter, "b");
    // Once it may not be repeated, it never may.
    let tried = [
        ("a", true),
        ("a", true),
        ("b", true),
        ("b", false),
        ("c", true),
        ("c", false),
    ];
    bench.take(bench.after(&tried), "a");
    bench.succeed(&b);
    bench.nobody_woken();
}

#[test]
fn a_repetition_waits_for_its_pause() {
    let mut bench = Bench::new(&[("a", 1), ("b", 1)]);
    let mut ask = bench.after(&[("a", true), ("b", false)]);
    let from = bench.now + Duration::from_millis(300);
    ask.repeat_from = Some(from);
    let waiter = bench.wait(ask.clone());
    assert_eq!(bench.fleet.next_change(), Some(from));
    bench.pass(Duration::from_millis(299));
    bench.nobody_woken();
    bench.pass(Duration::from_millis(1));
    bench.served(waiter, "a");
    // Another account needs no pause.
    ask.repeat_from = Some(bench.now + seconds(9));
    ask.tried = Tried::default();
    ask.tried.add(bench.number("a"), true);
    bench.take(ask, "b");
}
