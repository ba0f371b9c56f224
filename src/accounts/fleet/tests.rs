//! Tables of what the fleet answers: the line of those who wait, repetitions, trials and reloads.

mod lacking;
mod paths;
mod reload;
mod repeats;
mod trials;

use std::time::Duration;

use super::*;
use crate::accounts::breaker::BreakerState;
use crate::accounts::seat::tests::settings;

const MODEL: &str = "xai.grok-4";

/// A fleet and a clock that the test moves.
struct Bench {
    fleet: Fleet,
    now: Instant,
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn fleet_settings(strategy: Strategy) -> FleetSettings {
    FleetSettings {
        strategy,
        health_check_interval: None,
        breaker: BreakerSettings {
            max_failures: 1,
            reset_timeout: seconds(30),
            failure_rate: 1.0,
            min_requests: 100,
        },
    }
}

fn enlisted(id: &str, max_concurrency: u32) -> Enlisted {
    Enlisted {
        settings: settings(id, 1, max_concurrency),
        unusable: None,
        is_new: false,
    }
}

/// A request that has tried nothing yet.
fn fresh() -> Ask {
    Ask {
        model: Arc::from(MODEL),
        paths: Paths::Either,
        tried: Tried::default(),
        repeat_from: None,
    }
}

impl Bench {
    /// Accounts that take turns, each with as many slots.
    fn new(accounts: &[(&str, u32)]) -> Self {
        let now = Instant::now();
        let settings = fleet_settings(Strategy::RoundRobin);
        let mut fleet = Fleet::new(&settings, now);
        let accounts = accounts.iter().map(|(id, slots)| enlisted(id, *slots));
        fleet.reconfigure(&settings, accounts.collect(), now);
        Self { fleet, now }
    }

    fn enlist(&mut self, accounts: Vec<Enlisted>) {
        let settings = fleet_settings(Strategy::RoundRobin);
        self.fleet.reconfigure(&settings, accounts, self.now);
    }

    /// Moves the clock and lets the fleet notice.
    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.fleet.advance(self.now);
    }

    fn number(&self, id: &str) -> SeatNumber {
        let seats = self.fleet.view(self.now).seats;
        let seat = seats.iter().find(|seat| seat.settings.id.as_str() == id);
        seat.unwrap().number
    }

    fn view(&self, id: &str) -> SeatView {
        let mut seats = self.fleet.view(self.now).seats;
        seats.retain(|seat| seat.settings.id.as_str() == id);
        seats.remove(0)
    }

    /// A request that has tried those accounts and may try them again from now on, if they may be repeated.
    fn after(&self, tried: &[(&str, bool)]) -> Ask {
        let mut ask = fresh();
        for (id, may_repeat) in tried {
            ask.tried.add(self.number(id), *may_repeat);
        }
        ask.repeat_from = Some(self.now);
        ask
    }

    fn acquire(&mut self, ask: Ask) -> Acquired {
        self.fleet.acquire(ask, self.now)
    }

    /// Takes a slot, which must be one of this account.
    fn take(&mut self, ask: Ask, id: &str) -> Grant {
        match self.acquire(ask) {
            Acquired::Granted(grant) => {
                assert_eq!(grant.seat, self.number(id), "not {id}");
                grant
            }
            other => panic!("{other:?} instead of {id}"),
        }
    }

    fn wait(&mut self, ask: Ask) -> WaitNumber {
        match self.acquire(ask) {
            Acquired::Waiting(number) => number,
            other => panic!("{other:?} instead of a place in the line"),
        }
    }

    /// Is told that there is nobody; in how many seconds there is, if that is known.
    fn denied(&mut self, ask: Ask) -> Option<u64> {
        match self.acquire(ask) {
            Acquired::Denied(denied) => self.return_of(denied),
            other => panic!("{other:?} instead of a refusal"),
        }
    }

    fn return_of(&self, denied: NoAccount) -> Option<u64> {
        let at = denied.returns_at?;
        Some(at.duration_since(self.now).as_secs())
    }

    fn settle(&mut self, grant: &Grant, ending: Ending) {
        let why = Some(format!("{ending:?}"));
        self.fleet.settle(grant, ending, why, self.now);
    }

    fn succeed(&mut self, grant: &Grant) {
        let latency = Duration::from_millis(20);
        let ending = Ending::Success { latency };
        self.fleet.settle(grant, ending, None, self.now);
    }

    /// The next attempt goes to this account and ends so.
    fn fail(&mut self, id: &str, ending: Ending) {
        let others = self.fleet.view(self.now).seats.into_iter();
        let mut ask = fresh();
        for seat in others.filter(|seat| seat.settings.id.as_str() != id) {
            ask.tried.add(seat.number, false);
        }
        let grant = self.take(ask, id);
        self.settle(&grant, ending);
    }

    /// The one who was woken since the last look.
    fn woken(&mut self) -> Woken {
        let mut woken = self.fleet.take_woken();
        assert_eq!(woken.len(), 1, "{woken:?}");
        woken.remove(0)
    }

    /// Exactly this waiter was woken, with a slot of this account.
    fn served(&mut self, waiter: WaitNumber, id: &str) -> Grant {
        let (number, answer) = self.woken();
        let grant = answer.unwrap();
        assert_eq!((number, grant.seat), (waiter, self.number(id)));
        grant
    }

    fn nobody_woken(&mut self) {
        assert_eq!(self.fleet.take_woken(), []);
    }
}

fn throttled(retry_after: u64) -> Ending {
    Ending::Throttled {
        retry_after: Some(seconds(retry_after)),
    }
}

const REFUSED: Ending = Ending::Refused { signature: false };

#[test]
fn waiters_are_served_in_order_by_a_direct_hand_over() {
    let mut bench = Bench::new(&[("a", 1), ("b", 1)]);
    let a = bench.take(fresh(), "a");
    let b = bench.take(fresh(), "b");
    let first = bench.wait(fresh());
    let second = bench.wait(fresh());
    bench.nobody_woken();
    bench.succeed(&b);
    // Whoever comes now finds the slot taken.
    let third = bench.wait(fresh());
    let b = bench.served(first, "b");
    bench.succeed(&a);
    let a = bench.served(second, "a");
    let fourth = bench.wait(fresh());
    bench.fleet.leave(third);
    bench.succeed(&a);
    let a = bench.served(fourth, "a");
    assert_eq!(
        (bench.fleet.waiting(), bench.fleet.next_change()),
        (0, None)
    );
    bench.succeed(&a);
    bench.succeed(&b);
    bench.nobody_woken();
    assert_eq!(bench.fleet.view(bench.now).in_flight, 0);
}

#[test]
fn who_cannot_use_the_freed_account_is_overtaken_for_that_one_only() {
    let mut bench = Bench::new(&[("a", 1), ("b", 1)]);
    let a = bench.take(fresh(), "a");
    let b = bench.take(fresh(), "b");
    let choosy = bench.wait(bench.after(&[("a", true)]));
    let second = bench.wait(fresh());
    let third = bench.wait(fresh());
    bench.succeed(&a);
    bench.served(second, "a");
    bench.succeed(&b);
    bench.served(choosy, "b");
    bench.nobody_woken();
    bench.fleet.leave(third);
}

#[test]
fn with_nobody_admitted_there_is_no_wait() {
    let mut bench = Bench::new(&[("a", 1), ("b", 1)]);
    bench.fail("a", throttled(10));
    bench.fail("b", throttled(5));
    assert_eq!(bench.denied(fresh()), Some(5));
    // A cooldown is of one model.
    let mut other = fresh();
    other.model = Arc::from("another");
    bench.take(other, "a");
}

#[test]
fn waiters_are_told_when_their_last_hope_goes_out() {
    for ending in [throttled(60), REFUSED, Ending::Outage] {
        let mut bench = Bench::new(&[("a", 1), ("b", 1)]);
        let a = bench.take(fresh(), "a");
        bench.fail("b", throttled(20));
        let first = bench.wait(fresh());
        let second = bench.wait(fresh());
        bench.settle(&a, ending);
        let woken = bench.fleet.take_woken();
        let numbers: Vec<_> = woken.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [first, second], "{ending:?}");
        for (_, answer) in woken {
            let returns = bench.return_of(answer.unwrap_err());
            assert_eq!(returns, Some(20), "{ending:?}");
        }
    }
}

#[test]
fn the_end_of_a_cooldown_serves_waiters() {
    let mut bench = Bench::new(&[("a", 2), ("b", 1)]);
    bench.fail("a", throttled(10));
    let b = bench.take(fresh(), "b");
    let first = bench.wait(fresh());
    let second = bench.wait(fresh());
    let third = bench.wait(fresh());
    assert_eq!(bench.fleet.next_change(), Some(bench.now + seconds(10)));
    bench.pass(Duration::from_millis(9_999));
    bench.nobody_woken();
    bench.pass(Duration::from_millis(1));
    let woken: Vec<_> = bench.fleet.take_woken();
    let numbers: Vec<_> = woken.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [first, second]);
    assert_eq!(bench.fleet.next_change(), None);
    bench.succeed(&b);
    bench.served(third, "b");
}

#[test]
fn what_ends_at_the_same_moment_as_an_attempt_is_noticed_with_it() {
    let mut bench = Bench::new(&[("a", 1), ("b", 1)]);
    let a = bench.take(fresh(), "a");
    let mut ask = bench.after(&[("a", false), ("b", true)]);
    ask.repeat_from = Some(bench.now + seconds(1));
    let pausing = bench.wait(ask);
    let b = bench.take(fresh(), "b");
    let second = bench.wait(fresh());
    bench.now += seconds(1);
    bench.succeed(&b);
    bench.served(pausing, "b");
    bench.succeed(&a);
    bench.served(second, "a");
    // A cooldown, too, and the attempt frees a second slot.
    let mut bench = Bench::new(&[("a", 1), ("b", 1)]);
    bench.fail("a", throttled(5));
    let b = bench.take(fresh(), "b");
    let waiters = [bench.wait(fresh()), bench.wait(fresh())];
    bench.now += seconds(5);
    bench.succeed(&b);
    let numbers: Vec<_> = bench.fleet.take_woken().iter().map(|(n, _)| *n).collect();
    assert_eq!(numbers, waiters);
    assert_eq!(bench.fleet.next_change(), None);
}

#[test]
fn a_second_chance_is_noticed() {
    let mut bench = Bench::new(&[("a", 1), ("b", 1)]);
    bench.fail("a", REFUSED);
    bench.take(fresh(), "b");
    let waiter = bench.wait(fresh());
    let change = bench.fleet.next_change().unwrap();
    bench.pass(change - bench.now);
    bench.served(waiter, "a");
}

#[test]
fn a_fleet_of_one_is_never_refused() {
    for ending in [throttled(60), REFUSED, Ending::Outage, Ending::Missing] {
        let mut bench = Bench::new(&[("a", 1)]);
        for _ in 0..5 {
            let grant = bench.take(fresh(), "a");
            let waiter = bench.wait(fresh());
            bench.settle(&grant, ending);
            let grant = bench.served(waiter, "a");
            bench.settle(&grant, ending);
        }
        let number = bench.number("a");
        let check = Check::Bad("unreachable".to_owned());
        bench.fleet.checked(number, check.clone(), bench.now);
        bench.fleet.checked(number, check, bench.now);
        let grant = bench.take(fresh(), "a");
        bench.succeed(&grant);
        assert_eq!(bench.fleet.ready(bench.now), Ok(()));
        // A repetition that makes no sense is not made here either.
        assert_eq!(bench.denied(bench.after(&[("a", false)])), None);
        bench.take(bench.after(&[("a", true)]), "a");
    }
}

#[test]
fn a_reset_forgets_what_speaks_against_an_account_and_serves_waiters() {
    let mut bench = Bench::new(&[("a", 1), ("b", 1), ("c", 1)]);
    bench.fail("a", Ending::Outage);
    bench.fail("b", throttled(60));
    let c = bench.take(fresh(), "c");
    let waiters = [bench.wait(fresh()), bench.wait(fresh())];
    assert_eq!(bench.fleet.reset(Some(&AccountId::new("z")), bench.now), []);
    bench.nobody_woken();
    let a = AccountId::new("a");
    assert_eq!(bench.fleet.reset(Some(&a), bench.now), [a]);
    bench.served(waiters[0], "a");
    let all = bench.fleet.reset(None, bench.now);
    let all: Vec<_> = all.iter().map(AccountId::as_str).collect();
    assert_eq!(all, ["a", "b", "c"]);
    bench.served(waiters[1], "b");
    bench.settle(&c, REFUSED);
    bench.fleet.reset(None, bench.now);
    bench.take(fresh(), "c");
}

#[test]
fn it_is_ready_while_some_account_takes_requests() {
    let mut bench = Bench::new(&[("a", 1), ("b", 1)]);
    assert_eq!(bench.fleet.ready(bench.now), Ok(()));
    bench.fail("a", Ending::Outage);
    bench.fail("b", throttled(20));
    // It cools for one model only.
    assert_eq!(bench.fleet.ready(bench.now), Ok(()));
    bench.pass(seconds(20));
    bench.fail("b", REFUSED);
    let denied = bench.fleet.ready(bench.now).unwrap_err();
    assert_eq!(bench.return_of(denied), Some(10));
    bench.pass(seconds(10));
    assert_eq!(bench.fleet.ready(bench.now), Ok(()));
}

#[test]
fn checks_mark_accounts_down_and_up_again() {
    let mut bench = Bench::new(&[("a", 1), ("b", 1)]);
    let (a, b) = (bench.number("a"), bench.number("b"));
    bench
        .fleet
        .checked(a, Check::Bad("401".to_owned()), bench.now);
    bench.fleet.checked(b, Check::Good, bench.now);
    let busy = bench.take(fresh(), "b");
    let waiter = bench.wait(fresh());
    assert_eq!(bench.view("a").trouble.as_deref(), Some("401"));
    bench.fleet.checked(a, Check::Good, bench.now);
    let trusted = bench.served(waiter, "a");
    bench.succeed(&trusted);
    bench.succeed(&busy);
    // Of a seat that is no more.
    bench.fleet.checked(SeatNumber(99), Check::Good, bench.now);
}

#[test]
fn the_view_tells_all() {
    let mut bench = Bench::new(&[("a", 3), ("b", 1)]);
    let first = bench.take(fresh(), "a");
    bench.take(fresh(), "b");
    let second = bench.take(fresh(), "a");
    bench.succeed(&first);
    bench.settle(&second, throttled(7));
    let until = bench.now + seconds(7);
    let third = bench.take(
        Ask {
            model: Arc::from("another"),
            ..fresh()
        },
        "a",
    );
    let fleet = bench.fleet.view(bench.now);
    assert_eq!((fleet.in_flight, fleet.peak, fleet.seats.len()), (2, 3, 2));
    let a = bench.view("a");
    assert_eq!(
        (a.in_flight, a.peak, a.settings.max_concurrency.get()),
        (1, 2, 3)
    );
    assert_eq!(
        (a.counts.requests, a.counts.successes, a.counts.failures()),
        (3, 1, 1)
    );
    assert_eq!(a.cooldowns, [(Arc::from(MODEL), until)]);
    assert_eq!(a.latencies.percentiles([50]), [Some(20)]);
    assert_eq!(a.last_error.unwrap().0, bench.now);
    assert!(a.is_usable && a.trouble.is_none());
    assert_eq!(a.unavailable_until, Some(until));
    bench.settle(&third, Ending::Outage);
    let a = bench.view("a");
    assert_eq!(a.breaker.state, BreakerState::Open);
    assert_eq!(a.unavailable_until, Some(bench.now + seconds(30)));
    assert_eq!((a.counts.failures(), a.breaker.trips), (2, 1));
}
