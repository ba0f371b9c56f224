//! Accounts without a model: who is asked for it all the same, and when.

use std::collections::BTreeSet;

use super::*;
use crate::accounts::lacking::TRIAL_PAUSE;

/// A refusal; whether nobody has the model.
fn is_missing(bench: &mut Bench) -> bool {
    match bench.acquire(fresh()) {
        Acquired::Denied(denied) => denied.is_missing,
        other => panic!("{other:?} instead of a refusal"),
    }
}

fn unlisted(bench: &mut Bench, ids: &[&str]) {
    let models = || BTreeSet::from([Arc::from(MODEL)]);
    let unlisted = ids.iter().map(|id| (bench.number(id), models()));
    let unlisted = unlisted.collect();
    bench.fleet.set_unlisted(unlisted, bench.now);
}

#[test]
fn one_request_is_let_through_now_and_then_and_a_success_brings_back_all() {
    let mut bench = Bench::new(&[("a", 5), ("b", 5)]);
    bench.fail("a", Ending::Missing);
    bench.fail("b", Ending::Missing);
    assert!(is_missing(&mut bench));
    for _ in 0..3 {
        bench.pass(TRIAL_PAUSE);
        let trials = [bench.take(fresh(), "a"), bench.take(fresh(), "b")];
        assert!(is_missing(&mut bench), "one of each is enough");
        for trial in &trials {
            bench.settle(trial, Ending::Missing);
        }
        assert!(is_missing(&mut bench));
    }
    bench.pass(TRIAL_PAUSE);
    let trial = bench.take(fresh(), "a");
    bench.succeed(&trial);
    for id in ["b", "a", "b"] {
        let grant = bench.take(fresh(), id);
        bench.succeed(&grant);
    }
}

#[test]
fn a_request_that_has_asked_somebody_is_no_trial() {
    let mut bench = Bench::new(&[("a", 5), ("b", 5)]);
    bench.fail("a", Ending::Missing);
    bench.pass(TRIAL_PAUSE);
    let ask = bench.after(&[("b", false)]);
    assert_eq!(bench.denied(ask), None);
    // Nor is one that another account can serve.
    bench.take(fresh(), "b");
    bench.take(fresh(), "b");
}

#[test]
fn who_is_out_for_a_moment_may_have_the_model_and_who_is_ill_says_nothing() {
    let mut bench = Bench::new(&[("a", 5), ("b", 5)]);
    bench.fail("a", Ending::Missing);
    bench.fail("b", throttled(20));
    assert!(!is_missing(&mut bench));
    assert_eq!(bench.denied(fresh()), Some(20));
    let ill = Ending::Refused { signature: true };
    bench.pass(seconds(20));
    bench.fail("b", ill);
    assert!(is_missing(&mut bench));
    assert!(bench.fleet.ready(bench.now).is_ok());
}

#[test]
fn who_does_not_list_it_is_as_if_it_were_not_there() {
    let mut bench = Bench::new(&[("a", 9), ("b", 9), ("c", 9)]);
    unlisted(&mut bench, &["a", "b"]);
    for _ in 0..3 {
        bench.take(fresh(), "c");
    }
    bench.fail("c", throttled(20));
    assert!(!is_missing(&mut bench));
    bench.pass(seconds(20));
    bench.fail("c", Ending::Missing);
    assert!(is_missing(&mut bench));
    bench.pass(TRIAL_PAUSE);
    bench.take(fresh(), "c");
    assert!(is_missing(&mut bench), "the others are not tried");
    unlisted(&mut bench, &["b"]);
    bench.take(fresh(), "a");
    // A reset does not change what is listed; other credentials do.
    bench.fleet.reset(None, bench.now);
    let unlisted = bench.number("b");
    for _ in 0..4 {
        match bench.acquire(fresh()) {
            Acquired::Granted(grant) => assert_ne!(grant.seat, unlisted),
            other => panic!("{other:?} instead of a slot"),
        }
    }
    let new = Enlisted {
        is_new: true,
        ..enlisted("b", 5)
    };
    bench.enlist(vec![enlisted("a", 9), new]);
    bench.take(fresh(), "a");
    bench.take(fresh(), "b");
}

#[test]
fn a_fleet_of_one_is_asked_whatever_is_known() {
    let mut bench = Bench::new(&[("a", 5)]);
    for _ in 0..3 {
        let grant = bench.take(fresh(), "a");
        bench.settle(&grant, Ending::Missing);
    }
    unlisted(&mut bench, &["a"]);
    bench.take(fresh(), "a");
}

#[test]
fn who_waits_for_an_account_that_turns_out_to_lack_the_model_is_told() {
    let mut bench = Bench::new(&[("a", 1), ("b", 1)]);
    bench.fail("a", Ending::Missing);
    let busy = bench.take(fresh(), "b");
    let waiter = bench.wait(fresh());
    bench.settle(&busy, Ending::Missing);
    let (number, answer) = bench.woken();
    assert_eq!(number, waiter);
    assert!(answer.is_err_and(|denied| denied.is_missing));
}
