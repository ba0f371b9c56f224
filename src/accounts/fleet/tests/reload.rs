//! What a reload changes and what stays.

use super::*;

#[test]
fn who_stays_keeps_its_number_its_counters_and_its_attempts() {
    let mut bench = Bench::new(&[("a", 2), ("b", 2)]);
    let under_way = bench.take(fresh(), "a");
    bench.fail("b", Ending::Outage);
    let before = [bench.number("a"), bench.number("b")];
    bench.enlist(vec![enlisted("c", 1), enlisted("b", 7), enlisted("a", 1)]);
    assert_eq!([bench.number("a"), bench.number("b")], before);
    let ids: Vec<_> = bench.fleet.view(bench.now).seats;
    let ids: Vec<_> = ids.iter().map(|seat| seat.settings.id.as_str()).collect();
    assert_eq!(ids, ["c", "b", "a"]);
    let (a, b) = (bench.view("a"), bench.view("b"));
    assert_eq!((a.in_flight, a.counts.requests), (1, 1));
    assert_eq!(
        (b.counts.failures(), b.breaker.state),
        (1, BreakerState::Open)
    );
    assert_eq!(b.settings.max_concurrency.get(), 7);
    // The first slot of the new one, and none of the two others.
    bench.take(fresh(), "c");
    bench.wait(fresh());
    bench.succeed(&under_way);
    assert_eq!(bench.view("a").counts.successes, 1);
}

#[test]
fn attempts_of_a_removed_account_end_without_it() {
    let mut bench = Bench::new(&[("a", 1), ("b", 1)]);
    let mut a = bench.take(fresh(), "a");
    let b = bench.take(fresh(), "b");
    let waiter = bench.wait(fresh());
    bench.enlist(vec![enlisted("b", 1)]);
    assert_eq!(bench.fleet.view(bench.now).in_flight, 2);
    bench.fleet.answered(&mut a, bench.now);
    bench.settle(&a, Ending::Outage);
    bench.nobody_woken();
    bench.succeed(&b);
    let again = bench.served(waiter, "b");
    // An account of that id that comes back is another one.
    bench.enlist(vec![enlisted("b", 1), enlisted("a", 1)]);
    assert_ne!(bench.number("a"), a.seat);
    assert_eq!(bench.view("a").counts.requests, 0);
    bench.succeed(&again);
    assert_eq!(bench.fleet.view(bench.now).in_flight, 0);
}

#[test]
fn a_request_may_try_an_account_that_came_back() {
    let mut bench = Bench::new(&[("a", 1), ("b", 1)]);
    let ask = bench.after(&[("a", false), ("b", false)]);
    bench.enlist(vec![enlisted("b", 1)]);
    bench.enlist(vec![enlisted("a", 1), enlisted("b", 1)]);
    bench.take(ask, "a");
}

#[test]
fn more_slots_and_more_accounts_serve_who_waits() {
    let mut bench = Bench::new(&[("a", 1)]);
    bench.take(fresh(), "a");
    let waiters = [
        bench.wait(fresh()),
        bench.wait(fresh()),
        bench.wait(fresh()),
    ];
    bench.enlist(vec![enlisted("a", 2)]);
    bench.served(waiters[0], "a");
    bench.enlist(vec![enlisted("b", 1), enlisted("a", 2)]);
    bench.served(waiters[1], "b");
    // Nobody is left to wait for.
    bench.enlist(Vec::new());
    let (number, answer) = bench.woken();
    assert_eq!(
        (number, answer),
        (
            waiters[2],
            Err(NoAccount {
                returns_at: None,
                is_impossible: true,
                is_missing: false,
            })
        )
    );
    assert_eq!(bench.denied(fresh()), None);
    assert!(bench.fleet.ready(bench.now).is_err());
}

#[test]
fn fewer_slots_hold_once_what_is_under_way_has_ended() {
    let mut bench = Bench::new(&[("a", 3)]);
    let under_way: Vec<_> = (0..3).map(|_| bench.take(fresh(), "a")).collect();
    bench.enlist(vec![enlisted("a", 1)]);
    let waiter = bench.wait(fresh());
    bench.succeed(&under_way[0]);
    bench.succeed(&under_way[1]);
    bench.nobody_woken();
    bench.succeed(&under_way[2]);
    bench.served(waiter, "a");
}

#[test]
fn whether_an_account_is_the_only_one_is_seen_anew() {
    let mut bench = Bench::new(&[("a", 1), ("b", 1)]);
    bench.fail("a", REFUSED);
    bench.fail("b", REFUSED);
    assert_eq!(bench.denied(fresh()), Some(600));
    // One that cannot start is no second one.
    let mut unusable = enlisted("b", 1);
    unusable.unusable = Some("no key".to_owned());
    bench.enlist(vec![unusable, enlisted("a", 1)]);
    let grant = bench.take(fresh(), "a");
    let view = bench.view("b");
    assert_eq!(
        (view.trouble.as_deref(), view.is_usable),
        (Some("no key"), false)
    );
    let waiter = bench.wait(fresh());
    // With two it is no longer asked whatever speaks against it.
    bench.enlist(vec![enlisted("a", 1), enlisted("b", 1)]);
    assert_eq!(bench.woken().0, waiter);
    bench.settle(&grant, Ending::Unknown);
    assert_eq!(bench.denied(fresh()), Some(600));
}

#[test]
fn weights_of_before_leave_no_debt() {
    let now = Instant::now();
    let weighted = fleet_settings(Strategy::Weighted);
    let mut fleet = Fleet::new(&weighted, now);
    let accounts = |a, b| {
        [("a", a), ("b", b)].map(|(id, weight)| Enlisted {
            settings: settings(id, weight, 100),
            unusable: None,
            is_new: false,
        })
    };
    fleet.reconfigure(&weighted, accounts(1000, 1000).into(), now);
    let first = fleet.acquire(fresh(), now);
    assert!(matches!(first, Acquired::Granted(_)));
    fleet.reconfigure(&weighted, accounts(1, 1).into(), now);
    let before: Vec<_> = fleet
        .view(now)
        .seats
        .iter()
        .map(|seat| seat.in_flight)
        .collect();
    for _ in 0..10 {
        assert!(matches!(fleet.acquire(fresh(), now), Acquired::Granted(_)));
    }
    let after = fleet.view(now).seats;
    let got: Vec<_> = after
        .iter()
        .zip(before)
        .map(|(seat, before)| seat.in_flight - before)
        .collect();
    assert_eq!(got, [5, 5]);
}

#[test]
fn other_credentials_are_not_blamed_for_what_the_old_ones_did() {
    let mut bench = Bench::new(&[("a", 3), ("b", 1)]);
    let old = [
        bench.take(fresh(), "a"),
        bench.take(bench.after(&[("b", true)]), "a"),
    ];
    bench.fail("a", REFUSED);
    let mut changed = enlisted("a", 3);
    changed.is_new = true;
    bench.enlist(vec![changed, enlisted("b", 1)]);
    assert_eq!(bench.view("a").trouble, None);
    bench.settle(&old[0], REFUSED);
    bench.settle(&old[1], throttled(60));
    let a = bench.view("a");
    assert_eq!((a.trouble, a.cooldowns, a.in_flight), (None, Vec::new(), 0));
    assert_eq!((a.counts.requests, a.counts.failures()), (3, 3));
}

#[test]
fn other_credentials_are_not_trusted_for_what_the_old_ones_did() {
    let mut bench = Bench::new(&[("a", 2), ("b", 2)]);
    let mut old = bench.take(fresh(), "a");
    let older = bench.take(bench.after(&[("b", true)]), "a");
    let mut changed = enlisted("a", 4);
    changed.is_new = true;
    bench.enlist(vec![changed, enlisted("b", 2)]);
    bench.fail("a", REFUSED);
    let number = bench.number("a");
    bench.fleet.answered(&mut old, bench.now);
    bench.succeed(&old);
    bench.succeed(&older);
    assert!(bench.view("a").trouble.is_some());
    // The first check after a change decides alone.
    bench.enlist(vec![
        Enlisted {
            is_new: true,
            ..enlisted("a", 4)
        },
        enlisted("b", 2),
    ]);
    bench
        .fleet
        .checked(number, Check::Bad("401".to_owned()), bench.now);
    assert_eq!(bench.view("a").trouble.as_deref(), Some("401"));
}
